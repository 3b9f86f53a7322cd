"""Folders of masks, and masks in the folder of the frames."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from hqtrack import DataError, InputError
from hqtrack.video.prompts import FrameNames, read_prompts
from hqtrack.video.sources import open_frames

SIZE = (48, 64)
STEMS = [f"{5 * index:05d}" for index in range(10)]


def save(folder: Path, **values: list[int]) -> Path:
    """Write label images by their names, each with squares of some values."""
    folder.mkdir(exist_ok=True)
    for name, ids in values.items():
        pixels = np.zeros(SIZE, np.uint8)
        for number in ids:
            pixels[4:20, 4 + 8 * (number % 7) : 10 + 8 * (number % 7)] = number
        Pillow.fromarray(pixels).save(folder / f"{name.removeprefix('f')}.png")
    return folder


def begins(
    folder: Path, stems: list[str] = STEMS, indices: range = range(10)
) -> list[tuple[int, int | None]]:
    prompts = read_prompts(masks=[folder], start=indices.start, size=SIZE, frames=FrameNames(stems, indices))
    return [(prompt.frame, prompt.id) for prompt in prompts]


def test_an_id_begins_in_the_first_frame_that_shows_it(tmp_path: Path) -> None:
    folder = save(tmp_path / "a", f00000=[], f00010=[2], f00015=[2, 5], f00045=[2, 3])
    assert begins(folder) == [(2, 2), (3, 5), (9, 3)]
    assert begins(folder, indices=range(3, 9, 3)) == [(3, 2), (3, 5)]


def test_black_and_white_annotations_are_one_object(tmp_path: Path) -> None:
    assert begins(save(tmp_path / "a", f00000=[255], f00005=[255])) == [(0, None)]


def test_names_of_frames_may_have_an_ending(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = save(tmp_path / "a", f00000_mask=[1], f00020_mask=[1, 2])
    assert begins(folder) == [(0, 1), (4, 2)]
    assert "without _mask" in caplog.text


def test_files_of_other_names_are_objects_of_the_first_frame(tmp_path: Path) -> None:
    assert begins(save(tmp_path / "a", f0=[255], f1=[255])) == [(0, None), (0, None)]
    assert begins(save(tmp_path / "b", f5=[255], f10=[255])) == [(0, None), (0, None)]
    assert begins(save(tmp_path / "c", obj000=[255], obj005=[255])) == [(0, None), (0, None)]


@pytest.mark.parametrize("form", ["f{:03d}", "f{:07d}", "mask_{:05d}", "frame{:04d}"])
def test_other_zeros_and_words_before_the_numbers_of_frames_are_no_other_frames(
    tmp_path: Path, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = save(tmp_path / "a", **{form.format(0): [1], form.format(20): [1, 2], form.format(45): [1, 3]})
    assert begins(folder) == [(0, 1), (4, 2), (9, 3)]
    assert "belong to the frames of their numbers" in caplog.text
    folder = save(tmp_path / "b", **{form.format(0): [1], form.format(4): [1, 2]})
    assert begins(folder, stems=[]) == [(0, 1), (4, 2)]


def test_numbers_that_count_otherwise_than_the_frames_are_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "a", **{f"f{index:04d}": [1] for index in range(1, 11)})
    with pytest.raises(
        InputError, match=r"0010.png: no frame has this name; frames are named 00000 to 00009"
    ):
        begins(folder, stems=[f"{index:05d}" for index in range(10)])


def test_numbers_without_zeros_are_frames_where_every_frame_has_a_mask(tmp_path: Path) -> None:
    folder = save(tmp_path / "a", **{f"f{index}": [1, 2][: 1 + index // 5] for index in range(10)})
    assert begins(folder, stems=[f"{index:05d}" for index in range(10)]) == [(0, 1), (5, 2)]


def test_an_annotation_whose_frame_is_missing_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "a", f00000=[1], f00001=[1])
    with pytest.raises(
        InputError, match=r"00001.png: no frame has this name; frames are named 00000 to 00045"
    ):
        begins(folder)


def test_annotations_of_a_video_are_named_by_numbers(tmp_path: Path) -> None:
    assert begins(save(tmp_path / "a", f00000=[1], f00004=[1, 2]), stems=[]) == [(0, 1), (4, 2)]


def test_annotations_that_are_all_empty_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="all empty"):
        begins(save(tmp_path / "a", f00000=[], f00005=[]))


@pytest.mark.parametrize(
    ("masks", "mask", "left"),
    [
        (["mask.png"], "mask.png", 3),
        (["1_mask.png"], "1_mask.png", 3),
        (["0_mask.png", "1_mask.png"], "0_mask.png", 3),
        (["0.png", "1.png", "2.png"], "0.png", 3),
    ],
)
def test_masks_among_the_frames_are_left_out_and_it_is_said(
    tmp_path: Path, masks: list[str], mask: str, left: int, caplog: pytest.LogCaptureFixture
) -> None:
    for index in range(3):
        Pillow.new("RGB", (8, 8)).save(tmp_path / f"{index}.jpg")
    for name in masks:
        Pillow.new("L", (8, 8)).save(tmp_path / name)
    frames = open_frames(tmp_path, left_out=[tmp_path / mask])
    assert [frame.name for frame in frames] == ["0.jpg", "1.jpg", "2.jpg"]
    assert len(frames) == left
    assert "left out of the frames" in caplog.text


def test_a_folder_of_masks_alone_has_no_frames(tmp_path: Path) -> None:
    Pillow.new("L", (8, 8)).save(tmp_path / "mask.png")
    with pytest.raises(DataError, match="contains masks only"):
        open_frames(tmp_path, left_out=[tmp_path / "mask.png"])
