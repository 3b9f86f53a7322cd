"""From mask files, boxes and points to first masks."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from hqtrack import DataError, InputError
from hqtrack.video.drawing import palette
from hqtrack.video.prompts import (
    Prompt,
    check_frames,
    read_label_image,
    read_object,
    read_prompts,
    select_boxes,
)

SIZE = (48, 64)


def read_masks(path: Path, size: tuple[int, int]) -> np.ndarray:
    return np.stack([prompt.mask for prompt in read_label_image(path, size)])


def label_image(values: dict[int, tuple[int, int]] | None = None) -> np.ndarray:
    """Return a label map with squares of 8 pixels, by default of 1 and 2."""
    labels = np.zeros(SIZE, np.uint8)
    for value, (row, column) in (values or {1: (4, 4), 2: (20, 30)}).items():
        labels[row : row + 8, column : column + 8] = value
    return labels


def save(path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    image = Pillow.fromarray(pixels) if mode is None else Pillow.fromarray(pixels, mode)
    if mode == "P":
        image.putpalette(palette().tobytes())
    image.save(path)
    return path


@pytest.mark.parametrize("mode", ["P", "L"])
def test_every_value_of_a_label_image_is_an_object(tmp_path: Path, mode: str) -> None:
    labels = label_image({7: (4, 4), 3: (20, 30)})
    masks = read_masks(save(tmp_path / "labels.png", labels, mode), SIZE)
    np.testing.assert_array_equal(masks, [labels == 3, labels == 7])


def test_a_mask_of_black_and_white_is_one_object_in_any_format(tmp_path: Path) -> None:
    white = label_image({255: (4, 4)})
    colours = np.dstack([white] * 3)
    opaque = np.dstack([colours, np.full(SIZE, 255, np.uint8)])
    cut_out = np.dstack([np.full((*SIZE, 3), 255, np.uint8), white])
    for number, pixels in enumerate(
        (white, white > 0, white.astype(np.uint16) * 257, colours, opaque, cut_out)
    ):
        masks = read_masks(save(tmp_path / f"{number}.png", pixels), SIZE)
        np.testing.assert_array_equal(masks, [white > 0])


def test_every_colour_is_an_object(tmp_path: Path) -> None:
    labels = label_image()
    masks = read_masks(save(tmp_path / "colours.png", palette()[labels]), SIZE)
    assert {tuple(mask.ravel()) for mask in masks} == {tuple((labels == n).ravel()) for n in (1, 2)}


def test_mask_files_boxes_and_points_number_objects_in_this_order(tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    folder.mkdir()
    for number in (10, 2):
        save(folder / f"{number}.png", label_image({number: (number, number)}))
    one = save(tmp_path / "one.png", label_image({1: (30, 50)}))
    prompts = read_prompts(
        masks=[one, folder],
        boxes=["1,2,30,40"],
        points=["5, 6.5"],
        objects=["frame=9,point=1,1", f"frame=8,mask={one}", "box=0,0,64,48"],
        start=4,
        size=SIZE,
    )
    assert [prompt.frame for prompt in prompts] == [4, 4, 4, 4, 4, 4, 8, 9]
    assert [prompt.box for prompt in prompts[3:6]] == [(1, 2, 30, 40), None, (0, 0, 64, 48)]
    assert prompts[4].points == ((5, 6.5),)
    masks = [prompt.mask for prompt in prompts[:3]]
    np.testing.assert_array_equal(
        np.stack([mask for mask in masks if mask is not None]),
        [label_image({1: place}) > 0 for place in ((30, 50), (2, 2), (10, 10))],
    )


def test_a_mask_file_may_have_commas_in_its_name(tmp_path: Path) -> None:
    file = save(tmp_path / "a,b=c.png", label_image())
    assert [prompt.id for prompt in read_object(f"frame=3,mask={file}", 0, SIZE)] == [1, 2]


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("boxes", "1,2,3", r"box 1,2,3: write x,y,w,h"),
        ("boxes", "a,b,c,d", "write x,y,w,h"),
        ("boxes", "1,2,nan,4", "write x,y,w,h"),
        ("boxes", "62,2,5,4", r"beyond the frame of 64 x 48"),
        ("boxes", "-4,-4,5,5", r"beyond the frame of 64 x 48"),
        ("boxes", "1,2,0,4", "at least 1"),
        ("points", "64,0", "not within the frame of 64 x 48"),
        ("points", "3", "write x,y"),
        ("objects", "", "write it as"),
        ("objects", "frame=3", "write it as"),
        ("objects", "10,20,30,40", "write it as"),
        ("objects", "frame=3,mask=a.png,point=1,2", "write it as"),
        ("objects", "frame=3,not=1,2", "write it as"),
        ("objects", "mask=a.png,not=1,2", "write it as"),
        ("objects", "box=1,2,3,4,box=1,2,3,4", "write it as"),
        ("objects", "point=1,2,not=64,3", "not within the frame"),
        ("objects", "frame=3,frame=4,point=1,2", "write it as"),
        ("objects", "untl=3,point=1,2", "untl= is not known; known are frame, box"),
        ("objects", "mask=a.png,for=5", "for= is not known"),
        ("objects", "colour=3,point=1,2", "colour=3 is no colour"),
        ("objects", "id=0,point=1,2", "id=0 is not a number from 1"),
        ("objects", "id=99999999999999999999,point=1,2", "is not a number from 1"),
        ("objects", "frame=three,box=1,2,3,4", "frame=three is not a number"),
        ("objects", "frame=3,box=1,2,3,400", "beyond the frame"),
    ],
)
def test_what_cannot_be_understood_or_lies_outside_is_told(kind: str, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_prompts(**{kind: [text]}, start=0, size=SIZE)


def test_unusable_mask_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"64 x 48 pixels, but the frame 48 x 64"):
        read_masks(save(tmp_path / "a.png", label_image()), SIZE[::-1])
    with pytest.raises(InputError, match="is empty"):
        read_masks(save(tmp_path / "b.png", np.zeros(SIZE, np.uint8)), SIZE)
    soft = cv2.GaussianBlur(label_image({255: (10, 10)}), (0, 0), 3)
    with pytest.raises(InputError, match="make its edges hard"):
        read_masks(save(tmp_path / "c.png", soft), SIZE)
    with pytest.raises(DataError, match="No such file"):
        read_masks(tmp_path / "nowhere.png", SIZE)
    (tmp_path / "d.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="not a readable image"):
        read_masks(tmp_path / "d.png", SIZE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images in this folder"):
        read_prompts(masks=[tmp_path / "empty"], start=0, size=SIZE)


@pytest.mark.parametrize("value", [0.5, float("nan"), float("inf"), 1e30])
def test_a_mask_of_numbers_that_are_not_whole_is_told(tmp_path: Path, value: float) -> None:
    pixels = np.zeros(SIZE, np.float32)
    pixels[2:4, 2:4] = value
    Pillow.fromarray(pixels, "F").save(tmp_path / "m.tif")
    with pytest.raises(InputError, match="not whole numbers"):
        read_masks(tmp_path / "m.tif", SIZE)
    pixels[2:4, 2:4] = 3
    Pillow.fromarray(pixels, "F").save(tmp_path / "m.tif")
    assert read_masks(tmp_path / "m.tif", SIZE).sum() == 4


def test_more_than_255_values_are_not_advised_to_have_a_palette(tmp_path: Path) -> None:
    pixels = np.arange(np.prod(SIZE), dtype=np.uint16).reshape(SIZE) % 301
    Pillow.fromarray(pixels).save(tmp_path / "m.png")
    with pytest.raises(InputError, match="track at most 255 in one video") as caught:
        read_masks(tmp_path / "m.png", SIZE)
    assert "palette" not in str(caught.value)


def test_a_mask_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.png")
    with pytest.raises(DataError, match="is not a file"):
        read_masks(tmp_path / "m.png", SIZE)


def test_a_frame_of_thousands_of_digits_is_told() -> None:
    with pytest.raises(InputError, match="is not a number") as caught:
        read_object(f"frame={'9' * 5000},box=0,0,2,2", 0, SIZE)
    assert len(str(caught.value)) < 300


def test_more_than_255_objects_are_refused_before_anything_is_tracked() -> None:
    with pytest.raises(InputError, match="256 objects are too many"):
        read_prompts(boxes=["1,1,2,2"] * 256, start=0, size=SIZE)


@pytest.mark.parametrize(
    ("frame", "said"),
    [(9, "frames 10 to 28 are read"), (30, "frames 10 to 28 are read"), (12, "nearest are 10 and 13")],
)
def test_an_object_must_begin_in_a_frame_that_is_read(frame: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_frames([Prompt(frame, points=((1, 1),))], start=10, end=30, stride=3)
    check_frames([Prompt(28, points=((1, 1),))], start=10, end=30, stride=3)
    with pytest.raises(InputError, match="no object"):
        check_frames([], start=10, end=30, stride=3)


def test_prompts_come_back_from_json() -> None:
    prompts = [
        Prompt(3, mask=label_image() == 2, id=7, name="Zoë", colour=(255, 128, 0)),
        Prompt(4, box=(1, 2, 3.5, 4)),
        Prompt(5, points=((0, 0), (2, 3)), beside=((4, 5),)),
        Prompt(6, box=(1, 2, 3, 4), points=((0, 0),)),
    ]
    back = [Prompt.from_json(json.loads(json.dumps(prompt.as_json()))) for prompt in prompts]
    np.testing.assert_array_equal(back[0].mask, prompts[0].mask)
    facts = [
        [(p.frame, p.box, p.points, p.beside, p.id, p.name, p.colour) for p in each]
        for each in (back, prompts)
    ]
    assert facts[0] == facts[1]


def test_without_a_screen_select_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(InputError, match=r"needs a screen.*--box"):
        select_boxes(np.zeros((*SIZE, 3), np.uint8), 0)


def test_with_an_opencv_without_windows_select_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise cv2.error("The function is not implemented")

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("cv2.namedWindow", refuse)
    with pytest.raises(InputError, match=r"opencv-python.*--box"):
        select_boxes(np.zeros((*SIZE, 3), np.uint8), 0)


def test_selected_boxes_are_objects_of_the_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("cv2.namedWindow", lambda *_: None)
    monkeypatch.setattr("cv2.destroyWindow", lambda *_: None)
    drawn = [np.array([1, 2, 30, 20]), np.array([5, 5, 0, 0])]
    monkeypatch.setattr("cv2.selectROIs", lambda *_, **__: drawn)
    (prompt,) = select_boxes(np.zeros((*SIZE, 3), np.uint8), 7)
    assert (prompt.frame, prompt.box) == (7, (1, 2, 30, 20))
    drawn.pop(0)
    with pytest.raises(InputError, match="you drew no box"):
        select_boxes(np.zeros((*SIZE, 3), np.uint8), 7)
