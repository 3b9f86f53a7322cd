"""Masks made worse as propagation makes them: lost parts, leaks, neighbours' parts, coarse borders."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from hqtrack.masks import Mask

SHARE_OF_GOOD_MASKS = 0.45
"""Share of masks that lose nothing but their sharp border."""


def worsen(mask: Mask, others: Mask, rng: np.random.Generator) -> Mask:
    """Make a mask worse.

    Args:
        mask: (S, S), the truth.
        others: (S, S), other objects: parts of them may be taken.
        rng: Source of randomness.

    Returns:
        (S, S), never empty where `mask` is not.
    """
    worse = mask
    if rng.random() >= SHARE_OF_GOOD_MASKS:
        severity = rng.uniform(0.3, 1.0)
        if rng.random() < 0.5:
            worse = _moved(worse, severity, rng)
        if rng.random() < 0.5:
            worse = _resized(worse, severity, rng)
        near = cv2.dilate(mask.view(np.uint8), _disc(int(rng.integers(4, 40)))) > 0
        if rng.random() < 0.5:
            worse = worse | (near & (_noise(mask.shape[0], rng) > rng.uniform(0.3, 1.4)))
        if rng.random() < 0.5:
            worse = worse & ~(_noise(mask.shape[0], rng) > rng.uniform(0.4, 1.6))
        if others.any() and rng.random() < 0.5:
            taken = others if rng.random() < 0.3 else others & (_noise(mask.shape[0], rng) > 0)
            worse = worse | (taken & (near | (rng.random() < 0.3)))
        if rng.random() < 0.15:
            worse = worse | (_noise(mask.shape[0], rng) > 1.6)
    worse = _coarse(worse, rng)
    return worse if worse.any() else mask


def _noise(side: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    cells = int(rng.integers(3, 12))
    noise = rng.standard_normal((cells, cells), dtype=np.float32)
    return np.asarray(cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def _disc(radius: int) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2), dtype=np.uint8)


def _moved(mask: Mask, severity: float, rng: np.random.Generator) -> Mask:
    side = mask.shape[0]
    scale = 1 + rng.normal(0, 0.04) * severity
    angle = rng.normal(0, 4) * severity
    matrix = np.asarray(cv2.getRotationMatrix2D((side / 2, side / 2), angle, scale), dtype=np.float64)
    matrix[:, 2] += rng.normal(0, 0.03 * side, 2) * severity
    moved: Mask = cv2.warpAffine(mask.view(np.uint8), matrix, (side, side), flags=cv2.INTER_NEAREST) > 0
    return moved


def _resized(mask: Mask, severity: float, rng: np.random.Generator) -> Mask:
    kernel = _disc(1 + int(rng.integers(0, 7) * severity))
    operation = (cv2.MORPH_DILATE, cv2.MORPH_ERODE, cv2.MORPH_OPEN, cv2.MORPH_OPEN, cv2.MORPH_CLOSE)[
        int(rng.integers(5))
    ]
    resized: Mask = cv2.morphologyEx(mask.view(np.uint8), operation, kernel) > 0
    return resized


def _coarse(mask: Mask, rng: np.random.Generator) -> Mask:
    """Return a mask the border of a map of some stride, resized bilinearly."""
    side = mask.shape[0]
    cells = int(side / rng.uniform(1.0, 10.0))
    small = cv2.resize(mask.astype(np.float32), (cells, cells), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.3:
        small = cv2.GaussianBlur(small, (0, 0), float(rng.uniform(0.4, 1.0)))
    level = 0.5 + rng.normal(0, 0.08)
    coarse: Mask = cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR) > level
    return coarse
