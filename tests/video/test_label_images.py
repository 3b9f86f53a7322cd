"""Masks as people save them: soft edges, palettes, transparency, orientation; and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from hqtrack import InputError
from hqtrack.images import read_image
from hqtrack.masks import iou
from hqtrack.video.drawing import palette
from hqtrack.video.prompts import Prompt, read_label_image

SIZE = (96, 128)
RED, GREEN = (220, 40, 30), (40, 200, 60)


def ellipse(column: int, row: int) -> np.ndarray:
    return cv2.ellipse(np.zeros(SIZE, np.uint8), (column, row), (22, 16), 20, 0, 360, 1, -1) > 0


LEFT, RIGHT = ellipse(32, 34), ellipse(88, 60)


def labels(left: int, right: int) -> np.ndarray:
    return np.where(LEFT, left, np.where(RIGHT, right, 0)).astype(np.uint8)


def painted() -> np.ndarray:
    image = np.zeros((*SIZE, 3), np.uint8)
    image[LEFT], image[RIGHT] = RED, GREEN
    return image


def photograph() -> np.ndarray:
    return np.random.default_rng(1).integers(1, 256, (*SIZE, 3)).astype(np.uint8)


def enlarged(values: np.ndarray) -> np.ndarray:
    small = cv2.resize(values, (SIZE[1] // 2, SIZE[0] // 2), interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.resize(small, SIZE[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def indexed(values: np.ndarray, colours: Any = None) -> Pillow.Image:
    image = Pillow.fromarray(values.astype(np.uint8), "P")
    image.putpalette(np.asarray(palette() if colours is None else colours, np.uint8).tobytes())
    return image


def read(file: Path, image: np.ndarray | Pillow.Image, **options: Any) -> list[Prompt]:
    (image if isinstance(image, Pillow.Image) else Pillow.fromarray(image)).save(file, **options)
    return read_label_image(file, SIZE)


def check(prompts: list[Prompt], least: float, *masks: np.ndarray) -> None:
    assert len(prompts) == len(masks)
    for mask in masks:
        assert max(iou(prompt.mask, mask) for prompt in prompts if prompt.mask is not None) >= least


BLURRED = cv2.GaussianBlur(labels(255, 0), (0, 0), 1.2)
COUNTED = np.round(cv2.boxFilter(LEFT.astype(np.float32), -1, (3, 3)) * 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "image", "options", "masks"),
    [
        ("grey.jpg", labels(255, 0), {"quality": 80}, [LEFT]),
        ("fine.jpg", labels(255, 0), {"quality": 97}, [LEFT]),
        ("two.jpg", labels(120, 255), {"quality": 75}, [LEFT, RIGHT]),
        ("colours.jpg", painted(), {"quality": 85}, [LEFT, RIGHT]),
        ("blurred.png", BLURRED, {}, [LEFT]),
        ("counted.png", COUNTED, {}, [LEFT]),
        ("colours.png", cv2.GaussianBlur(painted(), (0, 0), 1.0), {}, [LEFT, RIGHT]),
    ],
)
def test_soft_edges_and_compression_are_no_objects(
    tmp_path: Path,
    name: str,
    image: np.ndarray,
    options: dict[str, int],
    masks: list[np.ndarray],
    caplog: pytest.LogCaptureFixture,
) -> None:
    check(read(tmp_path / name, image, **options), 0.9, *masks)
    assert "its edges are soft" in caplog.text


@pytest.mark.parametrize("in_palette", [True, False])
def test_ids_survive_enlarging_with_interpolation(tmp_path: Path, in_palette: bool) -> None:
    values = enlarged(labels(2, 7))
    prompts = read(tmp_path / "m.png", indexed(values) if in_palette else values)
    assert [prompt.id for prompt in prompts] == [2, 7]
    check(prompts, 0.9, LEFT, RIGHT)


def test_dithered_colours_are_two_objects(tmp_path: Path) -> None:
    soft = Pillow.fromarray(cv2.GaussianBlur(painted(), (0, 0), 0.8)).convert("P")
    check(read(tmp_path / "m.png", soft), 0.9, LEFT, RIGHT)


def test_hard_edges_are_read_exactly_whatever_touches(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = labels(3, 9)
    values[20:60, 60:62] = 1  # a thin object
    values[70, 10] = 5  # a tiny one
    values[30:36, 50:60] = 2  # of a value between, where 3 ends
    prompts = read(tmp_path / "m.png", indexed(values))
    assert [prompt.id for prompt in prompts] == [1, 2, 3, 5, 9]
    for prompt in prompts:
        np.testing.assert_array_equal(prompt.mask, values == prompt.id)
    assert not caplog.text


def test_an_object_within_others_is_no_seam(tmp_path: Path) -> None:
    values = np.zeros(SIZE, np.uint8)
    values[10:60, 10:60] = 3
    values[34, 20:50] = 1  # a thin object on a larger one
    for file, image in (("grey.png", Pillow.fromarray(values)), ("palette.png", indexed(values))):
        assert [prompt.id for prompt in read(tmp_path / file, image)] == [1, 3]


def test_a_thin_ring_of_255_is_void_and_a_wide_object_of_255_is_an_object(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = labels(1, 2)
    ring = (cv2.dilate(values, np.ones((5, 5), np.uint8)) > 0) & (values == 0)
    values[ring] = 255
    assert [prompt.id for prompt in read(tmp_path / "ring.png", indexed(values))] == [1, 2]
    assert "255 is a thin ring around the objects and is read as void" in caplog.text
    assert [prompt.id for prompt in read(tmp_path / "wide.png", indexed(labels(1, 255)))] == [1, 255]
    deep = np.where(ring, 65535, values.astype(np.uint16)).astype(np.uint16)
    assert [prompt.id for prompt in read(tmp_path / "deep.png", deep)] == [1, 2]
    assert "65535 is a thin ring around the objects and is read as void" in caplog.text


def test_the_region_that_mots_leaves_out_is_void(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    values = np.where(LEFT, 2001, np.where(RIGHT, 1002, 0)).astype(np.uint16)
    values[80:, 5:120] = 10000
    assert [prompt.id for prompt in read(tmp_path / "mots.png", values)] == [1002, 2001]
    assert "10000 is read as void, as MOTS has it" in caplog.text
    plain = np.where(values == 2001, 7, values)
    assert [prompt.id for prompt in read(tmp_path / "ids.png", plain)] == [7, 1002, 10000]


@pytest.mark.parametrize(
    ("colours", "background", "left", "right", "ids"),
    [
        ({0: RED, 3: GREEN, 5: (0, 0, 0)}, 5, 0, 3, [3, None]),
        ({0: (255, 255, 255), 1: (0, 0, 0)}, 1, 0, 0, [None]),
        ({0: (0, 0, 0), 1: (0, 0, 0), 2: (0, 0, 0)}, 0, 1, 2, [1, 2]),  # a palette that says nothing
        ({0: (255, 255, 255), 1: RED, 2: GREEN}, 0, 1, 2, [1, 2]),  # a white background at its usual place
    ],
)
def test_a_palette_is_judged_by_the_colours_that_a_viewer_shows(
    tmp_path: Path,
    colours: dict[int, tuple[int, int, int]],
    background: int,
    left: int,
    right: int,
    ids: list[int | None],
) -> None:
    table = np.full((256, 3), 9, np.uint8)
    for index, colour in colours.items():
        table[index] = colour
    values = np.where(LEFT, left, np.where(RIGHT, right, background))
    prompts = read(tmp_path / "m.png", indexed(values, table))
    assert [prompt.id for prompt in prompts] == ids
    check(prompts, 1.0, *([LEFT | RIGHT] if left == right else [LEFT, RIGHT]))


def test_a_transparent_index_is_background(tmp_path: Path) -> None:
    values = np.where(labels(1, 2) == 0, 3, labels(1, 2))
    colours = [(0, 0, 0), RED, GREEN, (255, 255, 255), *[(1, 2, 3)] * 252]
    prompts = read(tmp_path / "m.png", indexed(values, colours), transparency=3)
    assert [prompt.id for prompt in prompts] == [1, 2]
    check(prompts, 1.0, LEFT, RIGHT)


@pytest.mark.parametrize("ground", ["photograph", "black", "grey and alpha"])
def test_a_cut_out_object_is_read_by_its_alpha(
    tmp_path: Path, ground: str, caplog: pytest.LogCaptureFixture
) -> None:
    alpha = labels(255, 0)
    black = np.zeros((*SIZE, 3), np.uint8)
    image = {
        "photograph": np.dstack([photograph(), alpha]),
        "black": np.dstack([black, alpha]),
        "grey and alpha": np.dstack([black[..., 0], alpha]),
    }[ground]
    check(read(tmp_path / "m.png", image), 1.0, LEFT)
    assert "alpha" in caplog.text


def test_an_overlay_that_is_half_transparent_everywhere_is_read_by_its_colours(tmp_path: Path) -> None:
    check(read(tmp_path / "m.png", np.dstack([painted(), labels(100, 100)])), 1.0, LEFT, RIGHT)


def test_an_alpha_of_0_everywhere_says_nothing_and_colours_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check(read(tmp_path / "m.png", np.dstack([painted(), labels(0, 0)])), 1.0, LEFT, RIGHT)
    assert "transparent everywhere" in caplog.text


def test_a_transparent_value_of_grey_is_background(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    values = np.where(labels(1, 2) == 0, 255, labels(1, 2))
    prompts = read(tmp_path / "m.png", values, transparency=255)
    assert [prompt.id for prompt in prompts] == [1, 2]
    assert "its background is the transparent value 255" in caplog.text


def test_further_pictures_of_a_mask_file_are_left_out_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    more = [Pillow.fromarray(labels(0, 9))] * 2
    prompts = read(tmp_path / "m.tif", labels(2, 7), save_all=True, append_images=more)
    assert [prompt.id for prompt in prompts] == [2, 7]
    assert "holds 3 pictures, of which the first is read" in caplog.text


@pytest.mark.parametrize(("name", "options"), [("m.webp", {"lossless": True}), ("m.jp2", {})])
def test_a_lossless_file_of_a_format_that_may_be_lossy_keeps_its_ids(
    tmp_path: Path, name: str, options: dict[str, bool]
) -> None:
    assert [prompt.id for prompt in read(tmp_path / name, labels(2, 7), **options)] == [2, 7]


def test_ids_that_compression_makes_unreadable_are_refused_with_the_remedy(tmp_path: Path) -> None:
    for name in ("m.jpg", "m.webp"):
        with pytest.raises(InputError, match="too dark to be separated from black; save it as PNG"):
            read(tmp_path / name, labels(2, 7), quality=80)


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (2, lambda image: image[:, ::-1]),
        (3, lambda image: image[::-1, ::-1]),
        (4, lambda image: image[::-1]),
        (5, lambda image: image.T),
        (6, np.rot90),
        (7, lambda image: np.rot90(image, 2).T),
        (8, lambda image: np.rot90(image, -1)),
    ],
)
def test_an_orientation_turns_a_mask_as_it_turns_frames(
    tmp_path: Path, orientation: int, stored: Callable[[np.ndarray], np.ndarray]
) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    image = Pillow.fromarray(stored(labels(2, 7)).copy())
    for name, options in (("m.png", {"exif": exif.tobytes()}), ("m.tif", {"tiffinfo": {274: orientation}})):
        prompts = read(tmp_path / name, image, **options)
        assert [prompt.id for prompt in prompts] == [2, 7]
        check(prompts, 1.0, LEFT, RIGHT)
        shown = np.broadcast_to(np.where(labels(1, 0), LEFT * 255, 0)[..., None], (*SIZE, 3))
        Pillow.fromarray(stored(shown[..., 0].astype(np.uint8)).copy()).save(tmp_path / name, **options)
        np.testing.assert_array_equal(read_image(tmp_path / name), shown)


def test_a_background_that_is_taken_for_an_object_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check(read(tmp_path / "m.png", Pillow.fromarray(~LEFT)), 1.0, ~LEFT)
    assert "touches all borders" in caplog.text


def test_colours_in_which_nothing_is_surely_black_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has LAB colours.*; save it in RGB, or with a palette"):
        read(tmp_path / "m.tif", Pillow.frombytes("LAB", SIZE[::-1], painted().tobytes()))


def test_a_photograph_is_no_mask(tmp_path: Path) -> None:
    for image in (photograph(), photograph()[..., 0], np.where(LEFT[..., None], RED, photograph())):
        with pytest.raises(InputError, match="different values or colours, as a photograph has"):
            read(tmp_path / "m.png", image.astype(np.uint8))
