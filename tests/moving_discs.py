"""A short clip of things that are easily tracked, drawn."""

from __future__ import annotations

import numpy as np


def clip(height: int, width: int) -> list[np.ndarray]:
    """Draw ten moving discs of unlike colours on a still pattern, in 15 frames."""
    random = np.random.default_rng(3)
    ground = np.kron(random.integers(60, 120, (height // 8 + 1, width // 8 + 1, 3)), np.ones((8, 8, 1)))
    return [
        painted(ground[:height, :width].astype(np.uint8), discs(frame, height, width)) for frame in range(15)
    ]


def discs(frame: int, height: int, width: int) -> np.ndarray:
    """Return the masks (10, H, W) of the discs."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack(
        [
            (rows - height * (1 + 2 * (index // 5)) / 4 - frame * (index % 3 - 1)) ** 2
            + (columns - width * (1 + 2 * (index % 5)) / 10 - frame) ** 2
            < (height / 9) ** 2
            for index in range(10)
        ]
    )


def painted(picture: np.ndarray, masks: np.ndarray) -> np.ndarray:
    colours = np.random.default_rng(5).integers(0, 256, (10, 3), np.uint8)
    for mask, colour in zip(masks, colours, strict=True):
        picture[mask] = colour
    return picture
