"""What bodies, floor and wall look like: photographs, and crops of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from hqtrack.images import Image, read_image, resize_alike

SKIN_SIDE = 160
"""Side of a body's texture, in pixels."""


def photograph(rng: np.random.Generator, files: Sequence[Path]) -> Image:
    """Draw a photograph, (H, W, 3) uint8 RGB.

    Raises:
        DataError: Its file cannot be read.
    """
    return read_image(files[int(rng.integers(len(files)))])


def skin(rng: np.random.Generator, files: Sequence[Path]) -> Image:
    """Draw a crop of a photograph as a body's texture: half of them nearly plain, most of livelier colours.

    Returns:
        (SKIN_SIDE, SKIN_SIDE, 3) uint8 RGB.

    Raises:
        DataError: The photograph cannot be read.
    """
    image = photograph(rng, files)
    side = max(2, int(min(image.shape[:2]) * rng.uniform(0.25, 0.8)))
    top, left = (int(rng.integers(length - side + 1)) for length in image.shape[:2])
    crop = np.ascontiguousarray(image[top : top + side, left : left + side])
    colours = resize_alike(crop, (SKIN_SIDE, SKIN_SIDE), cv2.INTER_LINEAR).astype(np.float32)
    hue = np.array([[[rng.integers(180), rng.integers(60, 256), rng.integers(120, 256)]]], np.uint8)
    paint = cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32)
    colours += rng.choice((0.0, rng.uniform(0.3, 0.9))) * (paint - colours.mean((0, 1)))
    grey = colours.mean(-1, keepdims=True)
    lively = grey + (colours - grey) * rng.uniform(0.9, 1.8) + rng.uniform(0, 40)
    return np.clip(lively, 0, 255).astype(np.uint8)
