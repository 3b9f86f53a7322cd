"""An image whose red channel says which one it is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def picture(height: int = 24, width: int = 32, level: int = 0) -> np.ndarray:
    """Return an RGB image whose red channel holds `level`, and blue the column."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = level
    image[..., 2] = np.arange(width, dtype=np.uint8)
    return image


def write(path: Path, image: np.ndarray) -> Path:
    """Write an image (H, W, 3) of BGR, or (H, W)."""
    assert cv2.imwrite(str(path), image)
    return path
