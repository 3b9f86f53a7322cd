"""The boundary measure F of DAVIS."""

import numpy as np
import pytest

from hqtrack.evaluation.outlines import boundary_f


def square(left: int, side: int = 40) -> np.ndarray:
    mask = np.zeros((100, 160), bool)
    mask[30 : 30 + side, left : left + side] = True
    return mask


def test_an_outline_within_the_tolerance_is_found() -> None:
    assert boundary_f(square(50), square(50)) == 1
    assert boundary_f(square(51), square(50)) == 1  # 0.008 of the diagonal are 1.5, hence 2 pixels
    assert boundary_f(square(90), square(10)) < 0.1


def test_precision_and_recall_are_weighed_alike() -> None:
    """Of two squares that are there one is found: all that is found is right, and half of what there is."""
    both = square(20) | square(100)
    assert boundary_f(square(20), both) == pytest.approx(2 / 3, abs=0.01)
    assert boundary_f(both, square(20)) == pytest.approx(2 / 3, abs=0.01)


def test_nothing_is_found_where_nothing_is() -> None:
    nothing = np.zeros((100, 160), bool)
    assert boundary_f(nothing, nothing) == 1
    assert boundary_f(square(20), nothing) == 0
    assert boundary_f(nothing, square(20)) == 0
