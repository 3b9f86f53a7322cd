"""How well an outline is found: the boundary measure F of DAVIS (Perazzi et al., CVPR 2016, section 5)."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from hqtrack.masks import Mask

OUTLINE_TOLERANCE = 0.008
"""How far outlines may be apart, as a fraction of the frame's diagonal."""


def boundary_f(mask: Mask, truth: Mask) -> float:
    """Return the F measure of a mask's outline, 0 to 1: harmonic mean of precision and recall of its pixels.

    Args:
        mask: (H, W) bool, what was found.
        truth: (H, W) bool.

    Example:
        >>> square = np.zeros((50, 50), bool)
        >>> square[10:30, 10:30] = True
        >>> boundary_f(square, square), boundary_f(square, np.roll(square, 15, axis=1)) < 0.6
        (1.0, True)
    """
    found, true = _outline(mask), _outline(truth)
    if not found.any() or not true.any():
        return float(found.any() == true.any())
    reach = math.ceil(OUTLINE_TOLERANCE * math.hypot(*mask.shape))
    offsets = np.arange(-reach, reach + 1)
    disc = (offsets[:, None] ** 2 + offsets[None] ** 2 <= reach**2).astype(np.uint8)
    precision = float((found & _grown(true, disc)).sum() / found.sum())
    recall = float((true & _grown(found, disc)).sum() / true.sum())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _outline(mask: Mask) -> Mask:
    """Return the pixels whose right, lower or lower right neighbour is on the other side."""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    outline: Mask = (mask != padded[:-1, 1:]) | (mask != padded[1:, :-1]) | (mask != padded[1:, 1:])
    return outline


def _grown(outline: Mask, disc: npt.NDArray[np.uint8]) -> Mask:
    return np.asarray(cv2.dilate(outline.view(np.uint8), disc), dtype=bool)
