"""The boundary measure F of DAVIS."""

import importlib.util

import cv2
import numpy as np
import pytest
from vot.analysis import vos
from vot.region import Mask

from hqtrack.evaluation.mends import outlines
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


def blobs(seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return true masks, and what a tracker may have found: moved, too large, too small and lost objects."""
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for change in range(8):
        mask = np.zeros((100, 160), np.uint8)
        for _ in range(2):
            centre = (int(rng.integers(20, 140)), int(rng.integers(20, 80)))
            cv2.ellipse(mask, centre, (int(rng.integers(9, 30)), int(rng.integers(9, 25))), 30, 0, 360, 1, -1)
        truth.append(mask)
        moved = np.roll(mask, tuple(rng.integers(-4, 5, 2)), (0, 1))
        kernel = np.ones((3, 3), np.uint8)
        found.append([moved, cv2.dilate(mask, kernel), cv2.erode(mask, kernel), mask * 0][change % 4])
    return truth, found


def test_j_is_that_of_the_toolkit_and_f_differs_by_the_side_on_which_an_outline_lies() -> None:
    """The toolkit takes an object's own outermost pixels as outline, DAVIS those left of and above it too."""
    truth, found = blobs(3)
    bounds = (160, 100)
    apart = []
    for true, mask in zip(truth, found, strict=True):
        regions = [Mask(true)], [Mask(mask)]
        union = np.count_nonzero(true | mask)
        assert vos.compute_j(*regions, bounds) == pytest.approx(
            np.count_nonzero(true & mask) / union, abs=1e-6
        )
        apart.append(abs(vos.compute_f(*regions, bounds) - boundary_f(mask > 0, true > 0)))
    assert max(apart) < 0.1
    assert np.mean(apart) < 0.03
    nothing = [Mask(truth[0] * 0)]
    assert vos.compute_j(nothing, nothing, bounds) == vos.compute_f(nothing, nothing, bounds) == 1


def test_the_toolkits_f_is_the_same_in_less_time(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = outlines_of_the_toolkit()
    monkeypatch.setattr(vos, "_morphology", slow)
    assert outlines.mend()
    assert not outlines.mend()
    for mask in (*blobs(1)[0], *blobs(2)[1], np.ones((9, 12)), np.eye(20)):
        for radius, dilate, disk in ((1, False, False), (1, True, True), (3, True, True), (2, False, True)):
            wanted = slow(mask > 0, radius, dilate, disk)
            np.testing.assert_array_equal(vos._morphology(mask > 0, radius, dilate, disk), wanted)


def outlines_of_the_toolkit():  # type: ignore[no-untyped-def]
    """Return the toolkit's own function, which other tests may have mended in this process."""
    spec = importlib.util.spec_from_file_location("vos_as_released", vos.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module._morphology
