"""A short clip of a square that moves past a post, drawn."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIZE = 64, 96
"""Height and width, in pixels."""


def square(index: int) -> np.ndarray:
    """Return the square's mask in a frame."""
    mask = np.zeros(SIZE, bool)
    mask[16:40, 10 + 2 * index : 34 + 2 * index] = True
    return mask


def post() -> np.ndarray:
    """Return the post's mask in every frame."""
    mask = np.zeros(SIZE, bool)
    mask[46:60, 70:84] = True
    return mask


def picture(index: int) -> np.ndarray:
    """Draw a frame."""
    image = np.random.default_rng(3).integers(0, 50, (*SIZE, 3)).astype(np.uint8)
    image[square(index)] = (230, 180, 40)
    image[post()] = (30, 170, 60)
    return image


def write_clip(folder: Path, count: int) -> Path:
    """Write frames as images into a new folder."""
    folder.mkdir()
    for index in range(count):
        cv2.imwrite(str(folder / f"{index}.png"), picture(index)[..., ::-1])
    return folder
