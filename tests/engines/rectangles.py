"""Masks of rectangles."""

from __future__ import annotations

import numpy as np


def rectangle(size: tuple[int, int], top: int, left: int, height: int = 20, width: int = 25) -> np.ndarray:
    """Return a mask of a size (height, width) with one rectangle."""
    mask = np.zeros(size, bool)
    mask[top : top + height, left : left + width] = True
    return mask
