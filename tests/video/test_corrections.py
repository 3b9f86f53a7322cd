"""Corrections as they are written, and what they do to a video that is tracked."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from hqtrack import HQTrack, InputError
from hqtrack.masks import iou
from hqtrack.video.corrections import Correction, check_corrections, corrected, read_correction
from hqtrack.video.frame_tracker import FrameTracker
from hqtrack.video.mask_maker import MaskMaker
from hqtrack.video.prompts import FrameNames, Prompt

SIZE = HEIGHT, WIDTH = 64, 96
COUNT = 14


def picture(index: int) -> np.ndarray:
    """Return a frame: a bright square moves right, from frame 4 on with a twin below; a green one stays."""
    image = np.random.default_rng(3).integers(0, 50, (*SIZE, 3)).astype(np.uint8)
    image[36:56, 70:90] = (20, 160, 40)
    image[square(index)] = (230, 180, 40)
    if index >= 4:
        image[36:56, square(index)[1]] = (230, 180, 40)
    return image


def square(index: int) -> tuple[slice, slice]:
    return slice(8, 28), slice(4 + 2 * index, 24 + 2 * index)


def filled(place: tuple[slice, slice]) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[place] = True
    return mask


@pytest.fixture
def file(tmp_path: Path) -> Path:
    Pillow.fromarray(filled(np.s_[0:9, 3:9])).save(tmp_path / "a,b.png")
    return tmp_path / "a,b.png"


def test_a_correction_is_a_mask_a_box_a_point_or_nothing(file: Path) -> None:
    said = read_correction(f"frame=30,object=2,mask={file}", SIZE)
    assert (said.frame, said.object) == (30, 2)
    assert said.prompt is not None
    assert said.prompt.mask is not None
    np.testing.assert_array_equal(said.prompt.mask, filled(np.s_[0:9, 3:9]))
    box = read_correction("object=1,frame=3,box=1,2,3,4", SIZE).prompt
    assert box is not None
    assert box.box == (1, 2, 3, 4)
    gone = read_correction("frame=30,object=2,mask=none", SIZE).prompt
    assert gone is not None
    assert gone.mask is not None
    assert not gone.mask.any()
    assert read_correction("frame=7", SIZE).object is None


def test_a_correction_reads_what_a_mask_reads_and_takes_its_frame(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    size, frames = (24, 32), FrameNames([f"{index:05d}" for index in range(6)], range(6), 6)
    masks = np.zeros((6, *size), np.uint8)
    for index in range(6):
        masks[index, 2:8, index : index + 5] = 4
        masks[index, 12:20, index : index + 9] = 7
    np.save(tmp_path / "labels.npy", masks)
    (tmp_path / "boxes.csv").write_text("frame,object,x,y,width,height\n3,4,3,2,5,6\n4,4,4,2,5,6\n")
    (tmp_path / "labels").mkdir()
    for index in (0, 3):
        Pillow.fromarray(masks[index]).save(tmp_path / "labels" / f"{index:05d}.png")
    for name in ("labels.npy", "labels"):
        prompt = read_correction(f"frame=3,object=4,mask={tmp_path / name}", size, frames=frames).prompt
        assert prompt is not None
        np.testing.assert_array_equal(prompt.mask, masks[3] == 4)
    prompt = read_correction(f"frame=4,object=4,mask={tmp_path / 'boxes.csv'}", size, frames=frames).prompt
    assert prompt is not None
    assert prompt.box == (4, 2, 5, 6)
    assert not caplog.messages or "read as a label image of each frame" in caplog.text
    read_correction(f"frame=4,object=2,mask={tmp_path / 'boxes.csv'}", size, frames=frames)
    assert "has the id 4, and is read as object 2" in caplog.text
    for name in ("boxes.csv", "labels"):
        with pytest.raises(InputError, match=r"none (in|to) frame 5"):
            read_correction(f"frame=5,object=4,mask={tmp_path / name}", size, frames=frames)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "write it as frame=30"),
        ("frame=3,object=1", "write it as frame"),
        ("frame=3,object=0,mask=none", "ids are numbers from 1"),
        ("frame=3,object=one,box=1,2,3,4", "ids are numbers from 1"),
        ("object=1,box=1,2,3,4", "write it as frame=30"),
        ("frame=-3,object=1,box=1,2,3,4", "frames count from 0"),
        ("frame=3,object=1,box=1,2,300,4", "beyond the frame"),
        ("frame=3,object=1,box=1,2", "box 1,2"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_text(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_correction(text, SIZE)


@pytest.mark.parametrize(
    ("correction", "message"),
    [
        (Correction(4, 3, Prompt(4, points=((1, 1),))), "the ids of the objects are 1, 2"),
        (Correction(12, 1, Prompt(12, points=((1, 1),))), "frame 12, which is not among"),
        (Correction(5, 1, Prompt(5, points=((1, 1),))), "frame 5, which is not among"),
        (Correction(4, 2, Prompt(4, points=((1, 1),))), "object 2, which begins in frame 6"),
        (Correction(0, 1, Prompt(0, points=((1, 1),))), "begins in frame 0"),
    ],
)
def test_a_correction_must_be_of_an_object_that_is_there(correction: Correction, message: str) -> None:
    prompts = [Prompt(0, points=((1, 1),)), Prompt(6, points=((1, 1),))]
    with pytest.raises(InputError, match=message):
        check_corrections([correction], prompts, 0, 12, 2)


def test_two_corrections_of_one_object_in_one_frame_are_refused() -> None:
    twice = [Correction(5, 1, Prompt(5, box=(1, 1, 8, 8))), Correction(5, 1, Prompt(5, points=((4, 4),)))]
    with pytest.raises(InputError, match="2 corrections are for object 1 in frame 5"):
        check_corrections(twice, PROMPTS, 0, COUNT, 1)
    check_corrections([Correction(5), Correction(5), twice[0]], PROMPTS, 0, COUNT, 1)


def test_a_given_mask_takes_the_place_of_the_tracked_one_and_owns_its_pixels() -> None:
    masks = np.array([[[1, 1, 0, 0]], [[0, 0, 1, 0]], [[0, 0, 0, 1]]], bool)
    result = corrected(masks, [(1, np.array([[0, 1, 1, 0]], bool)), (3, np.array([[0, 0, 0, 0]], bool))])
    assert result.astype(int).tolist() == [[[0, 1, 1, 0]], [[0, 0, 0, 0]], [[0, 0, 0, 0]]]
    assert masks[1, 0, 2], "the tracked masks are not changed"


@pytest.fixture(scope="module")
def tracker() -> HQTrack:
    return HQTrack.from_card("hqtrack-light")


GREEN = filled(np.s_[36:56, 70:90])
PROMPTS = [Prompt(0, mask=filled(square(0))), Prompt(3, mask=GREEN)]


def run(tracker: HQTrack, corrections: list[Correction]) -> list[np.ndarray]:
    course = FrameTracker(tracker, PROMPTS, MaskMaker(None), corrections)
    return [course.step(index, picture(index)) for index in range(COUNT)]


@pytest.mark.slow
def test_tracking_goes_on_with_the_corrected_mask_and_earlier_frames_stay(tracker: HQTrack) -> None:
    plain = run(tracker, [])
    mended = run(tracker, [Correction(6, 1, Prompt(6, mask=filled(square(6))))])
    for index in range(6):
        np.testing.assert_array_equal(mended[index], plain[index])
    np.testing.assert_array_equal(mended[6][0], filled(square(6)))
    without, with_it = (iou(masks[7][0], filled(square(7))) for masks in (plain, mended))
    assert without < 0.6, "the twin is taken for the object"
    assert with_it > 0.7


@pytest.mark.slow
def test_an_object_that_is_said_to_be_gone_is_gone(tracker: HQTrack) -> None:
    nothing = np.zeros(SIZE, bool)
    masks = run(tracker, [Correction(6, 1, Prompt(6, mask=nothing))])
    assert masks[5][0].any()
    assert not masks[6][0].any()


@pytest.mark.slow
@pytest.mark.parametrize("stop", [4, 9])
def test_going_on_from_known_frames_gives_the_masks_of_one_run(tracker: HQTrack, stop: int) -> None:
    corrections = [
        Correction(5, 1, Prompt(5, mask=filled(square(5)))),
        Correction(stop),
        Correction(11, 2, Prompt(11, mask=GREEN)),
    ]
    expected = run(tracker, corrections)
    course = FrameTracker(tracker, PROMPTS, MaskMaker(None), corrections)
    for index in range(stop + 1):
        if course.is_reference(index):
            course.know(index, picture(index), expected[index])
    for index in range(stop + 1, COUNT):
        np.testing.assert_array_equal(course.step(index, picture(index)), expected[index])
