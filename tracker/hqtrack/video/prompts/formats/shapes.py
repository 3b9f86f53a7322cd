"""Shapes of annotation tools as masks: polygons, ellipses, turned rectangles, run lengths within a box."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np

from hqtrack.errors import InputError
from hqtrack.images import Size
from hqtrack.masks import MAX_PIXELS, Mask
from hqtrack.video.prompts.formats.annotation import Box, Point

_FARTHEST = 1e6
"""Pixels from the frame that points of polygons are kept within, which the filling can count."""


MOST_POINTS = 100_000
"""Points of a polygon; outlines of masks at 8,192 x 8,192 pixels have fewer."""

_WHOLE = 1e-3
"""Pixels that whole numbers may be off: six decimals of a frame's side are not exact."""


def number(value: Any) -> float:
    """Return a number of a file.

    Raises:
        ValueError: It is none, or not finite.
    """
    result = float(value)
    if not math.isfinite(result):
        raise ValueError(f"{value} is not a number of pixels")
    return result


def box(x: Any, y: Any, width: Any, height: Any) -> Box:
    """Return a box of values of a file."""
    return number(x), number(y), number(width), number(height)


def box_of_corners(left: Any, top: Any, right: Any, bottom: Any) -> Box:
    """Return a box of two opposite corners, in any order."""
    xs, ys = sorted((number(left), number(right))), sorted((number(top), number(bottom)))
    return xs[0], ys[0], xs[1] - xs[0], ys[1] - ys[0]


def box_around(points: Iterable[Point]) -> Box:
    """Return the smallest box with all points."""
    xs, ys = zip(*points, strict=True)
    return box_of_corners(min(xs), min(ys), max(xs), max(ys))


def points_of(values: Sequence[Any]) -> list[Point]:
    """Return points of values x, y, x, y, …

    Raises:
        ValueError: They are not pairs of numbers, or too many.
    """
    if len(values) > 2 * MOST_POINTS:
        raise ValueError(
            f"a polygon has {len(values) // 2} points, and at most {MOST_POINTS} are read: simplify it"
        )
    if len(values) % 2:
        raise ValueError(f"a polygon has {len(values)} values, which are no pairs of x and y")
    return [(number(x), number(y)) for x, y in zip(values[::2], values[1::2], strict=True)]


def polygon_mask(polygons: Sequence[Sequence[Point]], size: Size, *, contours: bool = True) -> Mask:
    """Return the mask (H, W) of polygons, of which each is filled; those of two points or less have no pixel.

    Args:
        polygons: Their points.
        size: Height and width.
        contours: Points that are whole numbers are pixels of the object, as OpenCV's contours have them.
            Others are measured from the frame's corner: pixels are inside whose centres are.
    """
    mask: Mask = np.zeros(size, bool)
    for polygon in polygons:
        if len(polygon) > 2:
            points = np.clip(np.array(polygon, np.float64), -_FARTHEST, _FARTHEST)
            mask |= _filled(points, size, contours)
    return mask


def _filled(points: np.ndarray[Any, np.dtype[np.float64]], size: Size, contours: bool) -> Mask:
    if contours and np.allclose(points, np.round(points), rtol=0, atol=_WHOLE):
        canvas = np.zeros(size, np.uint8)
        cv2.fillPoly(canvas, [np.round(points).astype(np.int32)], 1)
        return canvas.astype(bool)
    height, width = size
    crossings = np.zeros((height, width + 1), np.int32)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        first, last = (min(max(math.ceil(y - 0.5), 0), height) for y in sorted((y0, y1)))
        rows = np.arange(first, last)
        if len(rows):
            xs = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            np.add.at(crossings, (rows, np.clip(np.ceil(xs - 0.5), 0, width).astype(np.int64)), 1)
    inside: Mask = np.cumsum(crossings[:, :width], axis=1) % 2 == 1
    return inside


def ellipse(x: float, y: float, x_radius: float, y_radius: float, turn: float = 0) -> list[Point]:
    """Return an ellipse as a polygon; it is turned clockwise by degrees."""
    angles = np.linspace(0, 2 * math.pi, 90, endpoint=False)
    around = [(x + x_radius * math.cos(a), y + y_radius * math.sin(a)) for a in angles.tolist()]
    return turned(around, (x, y), turn)


def corners(rectangle: Box) -> list[Point]:
    """Return the corners of a box."""
    x, y, width, height = rectangle
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


def turned(points: Sequence[Point], centre: Point, degrees: float) -> list[Point]:
    """Turn points clockwise around a centre.

    Example:
        >>> [(round(x), round(y)) for x, y in turned([(2, 0)], (1, 0), 90)]
        [(1, 1)]
    """
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [
        (
            centre[0] + (x - centre[0]) * cosine - (y - centre[1]) * sine,
            centre[1] + (x - centre[0]) * sine + (y - centre[1]) * cosine,
        )
        for x, y in points
    ]


def mask_within(runs: Sequence[int], left: int, top: int, width: int, height: int, size: Size) -> Mask:
    """Return the mask (H, W) of run lengths, in rows from the left, within a box that may leave the frame.

    Raises:
        InputError: They do not fill the box, but for background at its end.
    """
    if min(width, height, *runs, 0) < 0 or width * height > MAX_PIXELS or sum(runs) > width * height:
        raise InputError(f"run lengths fill {sum(runs)} pixels, but the mask has {width} x {height}")
    runs = [*runs, *([0] if len(runs) % 2 else []), width * height - sum(runs)]
    values = np.arange(len(runs)) % 2 == 1
    values[-1] = False
    return placed(np.repeat(values, runs).reshape(height, width), left, top, size)


def placed(part: Mask, left: int, top: int, size: Size) -> Mask:
    """Return a mask (H, W) with a part at a place; what is beyond the frame is cut."""
    mask: Mask = np.zeros(size, bool)
    rows = slice(max(top, 0), max(min(top + part.shape[0], size[0]), 0))
    columns = slice(max(left, 0), max(min(left + part.shape[1], size[1]), 0))
    inside = part[max(-top, 0) :, max(-left, 0) :][
        : max(rows.stop - rows.start, 0), : max(columns.stop - columns.start, 0)
    ]
    mask[rows, columns] = inside
    return mask
