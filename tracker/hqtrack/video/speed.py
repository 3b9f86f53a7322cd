"""How fast a card is on this machine."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from hqtrack.tracker import HQTrack

SIZE = (480, 854)
"""Of the frames that are timed: most data sets have it."""
WARM_UP, TIMED = 2, 10
"""Frames that are tracked before the clock runs, and with it."""


def frames_per_second(card: str | Path, size: tuple[int, int] = SIZE) -> float:
    """Return how many frames a card tracks in a second: one object, on the best device there is.

    Args:
        card: Name of a card, or path of a card file.
        size: Height and width of the frames.
    """
    rng = np.random.default_rng(0)
    height, width = size
    ground = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    image = np.ascontiguousarray(ground.repeat(8, 0).repeat(8, 1)[:height, :width])
    mask = np.zeros(size, bool)
    mask[height // 3 : height // 2, width // 3 : width // 2] = True
    image[mask] = (250, 40, 40)
    tracker = HQTrack.from_card(card)
    tracker.initialize(image, mask[None])
    for _ in range(WARM_UP):
        tracker.track(image)
    begin = time.perf_counter()
    for _ in range(TIMED):
        tracker.track(image)  # masks come back to the CPU, so that a GPU has finished
    return TIMED / (time.perf_counter() - begin)
