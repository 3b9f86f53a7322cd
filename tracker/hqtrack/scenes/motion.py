"""How things move: functions of time, which is counted in frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np


def path(points: list[tuple[float, float]], length: int) -> Callable[[float], tuple[float, float]]:
    """A smooth path through points at equal times (Catmull-Rom)."""
    p = np.array([points[0], *points, points[-1]], float)

    def place(t: float) -> tuple[float, float]:
        s = np.clip(t / (length - 1), 0, 1) * (len(points) - 1)
        k = min(int(s), len(points) - 2)
        u = s - k
        a, b, c, d = p[k : k + 4]
        point = 0.5 * (
            2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u**2 + (3 * b - a - 3 * c + d) * u**3
        )
        return float(point[0]), float(point[1])

    return place


def wave(rng: np.random.Generator, amount: float, period: float) -> Callable[[float], float]:
    """A swing around 0 with a random phase."""
    phase = rng.uniform(0, 2 * math.pi)
    return lambda t: amount * math.sin(2 * math.pi * t / period + phase)


def standing(x: float, y: float) -> Callable[[float], tuple[float, float]]:
    """Stay at a point."""
    return lambda t: (x, y)


def spin(speed: float) -> Callable[[float], float]:
    """Turn by as many radians a frame."""
    return lambda t: speed * t


def about(value: float, swing: Callable[[float], float]) -> Callable[[float], float]:
    """Vary around a value by a share of it."""
    return lambda t: value * (1 + swing(t))


def around(
    rng: np.random.Generator, points: Sequence[tuple[float, float]], spread: float
) -> list[tuple[float, float]]:
    """Move points by a random amount."""
    return [(x + rng.normal(0, spread), y + rng.normal(0, spread)) for x, y in points]
