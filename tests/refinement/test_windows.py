"""The part of a frame that the light refiner sees, and the way back."""

import numpy as np
import pytest

from hqtrack.masks import box_of, iou
from hqtrack.refinement.windows import (
    LEAST_SIDE,
    STRETCH,
    UNDECIDED_LOGIT,
    Window,
    box_map,
    cut,
    paste,
    point_map,
    window_around,
)

SIZE = (90, 160)


@pytest.mark.parametrize(
    "box",
    [(0, 0, 159, 89), (5, 5, 5, 5), (159, 89, 159, 89), (0, 40, 159, 41), (70, 0, 72, 89), (40, 30, 79, 59)],
)
def test_a_window_holds_its_box_and_is_neither_too_small_nor_too_long(box: tuple[int, ...]) -> None:
    window = window_around(box, SIZE)
    assert window.x0 <= box[0]
    assert window.y0 <= box[1]
    assert window.x1 > box[2]
    assert window.y1 > box[3]
    width, height = window.x1 - window.x0, window.y1 - window.y0
    assert min(width, height) >= min(LEAST_SIDE, *SIZE)
    assert max(width, height) <= STRETCH * min(width, height) + 2


def test_a_window_within_the_frame_shows_surroundings_on_all_sides() -> None:
    assert window_around((40, 30, 79, 59), SIZE) == Window(33, 23, 87, 67)


@pytest.mark.parametrize(
    "window", [Window(10, 10, 150, 80), Window(-20, -7, 60, 40), Window(100, 30, 190, 120)]
)
def test_what_was_cut_out_is_pasted_back_to_its_place(window: Window) -> None:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    mask = (columns - 90) ** 2 + (rows - 45) ** 2 < 30**2
    inside = np.zeros(SIZE, bool)
    inside[max(window.y0, 0) : window.y1, max(window.x0, 0) : window.x1] = True
    crop = cut(mask.astype(np.uint8) * 255, window, 128)
    back = paste(crop.astype(np.float32) - 127.5, window, SIZE)
    expected = mask & inside
    assert iou(back, expected) > 0.97 if expected.any() else not back.any()


def test_a_mask_that_was_given_stays_where_the_network_is_in_doubt() -> None:
    given = np.zeros(SIZE, bool)
    given[:, 80:] = True
    logits = np.full((32, 32), UNDECIDED_LOGIT / 2, np.float32)
    window = Window(0, 0, 160, 90)
    np.testing.assert_array_equal(paste(logits, window, SIZE, given), given)
    np.testing.assert_array_equal(paste(-logits, window, SIZE, given), given)
    assert paste(logits, window, SIZE).all()
    assert paste(4 * logits, window, SIZE, given).all()
    assert not paste(-4 * logits, window, SIZE, given).any()


def test_beyond_the_frame_a_crop_is_filled() -> None:
    image = np.full((*SIZE, 3), 200, np.uint8)
    crop = cut(image, Window(-160, 0, 160, 90), 64, (1, 2, 3))
    assert crop[:, :31].reshape(-1, 3).tolist() == [[1, 2, 3]] * (64 * 31)
    assert (crop[:, 33:] == 200).all()


def test_a_box_covers_the_same_pixels_in_the_crop_as_in_the_frame() -> None:
    window = Window(20, 10, 84, 42)
    inside = box_map((36, 18, 51, 33), window, 64) > 0
    assert box_of(inside) == (16, 16, 31, 47)
    assert set(np.unique(box_map((36, 18, 51, 33), window, 64))) == {-1, 1}


def test_a_point_is_a_disc_around_its_pixel() -> None:
    drawn = point_map([(36, 18)], Window(20, 10, 84, 74), 64)
    rows, columns = np.nonzero(drawn)
    assert (rows.mean(), columns.mean()) == (8, 16)
    assert drawn.max() == 1
    assert not point_map([], Window(0, 0, 64, 64), 64).any()
