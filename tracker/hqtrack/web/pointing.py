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

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The box x, y, width, height from the first point to the last."""
        (x0, y0), (x1, y1) = self.points[0], self.points[-1]
        return min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0)


@dataclass(frozen=True)
class Clicks:
    """The points of which an object's mask was made last: more of them can be added."""

    frame: int
    key: int
    points: Points
    """On the object."""
    beside: Points
    """Not on it."""


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


def svg_of(drag: Drag, tool: Tool, *, brush: int, scale: float) -> str:
    """Return what shows a box or stroke while it is drawn.

    Args:
        drag: What is drawn.
        tool: With what.
        brush: Width of strokes.
        scale: Pixels of the frame for each of the image that is shown.
    """
    if tool == "point":
        return ""
    if tool == "box":
        x, y, width, height = (value / scale for value in drag.box)
        place = f'x="{x}" y="{y}" width="{width}" height="{height}" fill="none"'
        line = 'stroke-width="2" vector-effect="non-scaling-stroke"'
        return (
            f'<rect {place} stroke="black" {line} />'
            f'<rect {place} stroke="white" stroke-dasharray="6 4" {line} />'
        )
    points = drag.points if len(drag.points) > 1 else drag.points * 2
    path = " ".join(f"{x / scale:.1f},{y / scale:.1f}" for x, y in points)
    return (
        f'<polyline points="{path}" fill="none" stroke="{"white" if tool == "paint" else "black"}" '
        f'stroke-opacity="0.5" stroke-width="{brush / scale:.1f}" stroke-linecap="round" />'
    )
