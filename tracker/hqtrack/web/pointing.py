"""What the mouse draws on a frame, and the mask of a stroke: pure functions, in pixels of the frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np

from hqtrack.masks import Mask

Point = tuple[float, float]
Points = tuple[tuple[float, ...], ...]
"""x and y each."""
Tool = Literal["box", "point", "paint", "erase"]


@dataclass
class Drag:
    """A box or stroke that is being drawn."""

    frame: int
    points: list[Point] = field(default_factory=list)
    add: bool = False
    """A point counts for the chosen object, on whatever mask it is."""
    exclude: bool = False
    """A point is not on the object."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The box x, y, width, height from the first point to the last."""
        (x0, y0), (x1, y1) = self.points[0], self.points[-1]
        return min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0)


def stroked(mask: Mask, points: Sequence[Point], width: int, *, paint: bool) -> Mask:
    """Return a mask with a stroke painted, or erased.

    Args:
        mask: (H, W); not changed.
        points: Along the stroke, x and y; one makes a dot.
        width: Of the stroke.
        paint: Whether it is painted.

    Returns:
        (H, W) bool.
    """
    canvas = mask.astype(np.uint8, order="C")  # in which alone OpenCV draws
    path = np.round(np.array(points)).astype(np.int32)
    if (path == path[0]).all():
        cv2.circle(canvas, path[0].tolist(), width // 2, int(paint), -1)
    else:
        cv2.polylines(canvas, [path.reshape(-1, 1, 2)], False, int(paint), width)
    return canvas.astype(bool)
