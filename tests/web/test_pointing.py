"""Masks of what the mouse draws."""

import numpy as np
import pytest

from hqtrack.masks import rle_decode, rle_encode
from hqtrack.web.pointing import Drag, stroked


def test_a_stroke_is_painted_and_erased_in_its_width() -> None:
    empty = np.zeros((40, 60), bool)
    line = stroked(empty, [(10, 20), (49, 20)], 5, paint=True)
    assert not empty.any()
    assert line[18:23, 10:50].all()
    assert not line[:17].any()
    assert not line[24:].any()
    # As a session keeps masks: by columns in memory.
    kept = rle_decode(rle_encode(line))
    left = stroked(kept, [(30, 0), (30, 39)], 7, paint=False)
    assert left[20, 10:26].all()
    assert not left[:, 27:34].any()
    assert left[20, 35:50].all()


@pytest.mark.parametrize("points", [[(30, 20)], [(30, 20), (30, 20)]])
def test_a_click_with_the_brush_makes_a_dot(points: list[tuple[float, float]]) -> None:
    dot = stroked(np.zeros((40, 60), bool), points, 9, paint=True)
    assert dot[20, 26:35].all()
    assert 40 < dot.sum() < 81


def test_a_box_is_the_same_from_any_corner() -> None:
    corners = [(5.0, 30.0), (25.0, 10.0)]
    assert Drag(0, corners).box == Drag(0, corners[::-1]).box == (5, 10, 20, 20)
