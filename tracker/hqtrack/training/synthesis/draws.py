"""All random choices of a synthetic sequence, from one generator."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


class Draws:
    """Random numbers, and smooth random motions over time.

    Args:
        seed: Of the generator.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def uniform(self, low: float, high: float) -> float:
        """Return a number between two others."""
        return float(self.rng.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """Return True with a probability."""
        return bool(self.rng.random() < probability)

    def path(self, t: NDArray[np.float64], wobble: float = 0.15) -> NDArray[np.float64]:
        """Return a smooth motion (T,) that starts at 0: velocity, acceleration, jitter."""
        velocity, acceleration = self.rng.normal(), 0.35 * self.rng.normal()
        path = velocity * t + 0.5 * acceleration * np.minimum(t, 3) * t + self.rng.normal(0, wobble, len(t))
        return np.asarray(path - path[0])

    def ease(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a saturating change (T,) from 0 towards 1."""
        return 1 - np.exp(-t / self.uniform(2, 12))

    def excursion(self, count: int, reach: float) -> NDArray[np.float64]:
        """Return a way out of the frame, and perhaps back: (count, 2)."""
        angle = self.uniform(0, 2 * math.pi)
        turn = self.uniform(0.5, 1.0) * math.pi
        distance = reach * self.uniform(0.7, 1.4) * np.sin(np.linspace(0, turn, count))
        return distance[:, None] * np.array([math.cos(angle), math.sin(angle)])
