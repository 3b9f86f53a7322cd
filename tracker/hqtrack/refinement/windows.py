"""The part of a frame that the light refiner sees for one object, and the way back: pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from hqtrack.images import Image, Size, resize_alike
from hqtrack.masks import Mask

Floats = npt.NDArray[np.float32]
FramePoints = Sequence[Sequence[float]]

MARGIN = 0.2
"""Surroundings of a box on each side, as a fraction of the mean of its sides."""
STRETCH = 2.0
"""A window is at most so many times as long as it is wide: it is resized to a square."""
LEAST_SIDE = 24
"""Least side of a window, in pixels."""


class Window(NamedTuple):
    """A rectangle in pixels, the end excluded; it may reach beyond the frame."""

    x0: int
    y0: int
    x1: int
    y1: int


def window_around(box: Sequence[float], size: tuple[int, int], margin: float = MARGIN) -> Window:
    """Return the window around a box, moved and cut so that little of it is outside the frame.

    Args:
        box: x0, y0, x1, y1 in inclusive pixel coordinates.
        size: Height and width of the frame.
        margin: See `MARGIN`.
    """
    x0, y0, x1, y1 = box[0], box[1], box[2] + 1, box[3] + 1
    extra = margin * (x1 - x0 + y1 - y0) / 2
    spans = [
        _within(x0 - extra, x1 + extra, size[1]),
        _within(y0 - extra, y1 + extra, size[0]),
    ]
    longest = max(end - start for start, end in spans)
    for index, limit in enumerate((size[1], size[0])):
        start, end = spans[index]
        missing = max(longest / STRETCH, LEAST_SIDE) - (end - start)
        if missing > 0:
            spans[index] = _moved(start - missing / 2, end + missing / 2, limit)
    (left, right), (top, bottom) = spans
    left, top = int(np.floor(left)), int(np.floor(top))
    return Window(left, top, max(int(np.ceil(right)), left + 1), max(int(np.ceil(bottom)), top + 1))


def _within(start: float, end: float, limit: int) -> tuple[float, float]:
    return max(start, 0.0), min(end, float(limit))


def _moved(start: float, end: float, limit: int) -> tuple[float, float]:
    """Move a span into the frame where it fits."""
    if end - start > limit:
        return start, end
    shift = max(0.0, -start) - max(0.0, end - limit)
    return start + shift, end + shift


def cut(array: Image, window: Window, side: int, fill: Sequence[int] | int = 0) -> Image:
    """Resize a window of an image or map to a square.

    Args:
        array: (H, W, 3) or (H, W).
        window: What to cut out.
        side: Of the square, in pixels.
        fill: The value outside the array.
    """
    height, width = array.shape[:2]
    x0, y0, x1, y1 = window
    inside: Any = array[max(y0, 0) : min(y1, height), max(x0, 0) : min(x1, width)]
    outside = (max(-y0, 0), max(y1 - height, 0), max(-x0, 0), max(x1 - width, 0))
    if any(outside):
        inside = cv2.copyMakeBorder(inside, *outside, cv2.BORDER_CONSTANT, value=fill)
    smaller = inside.shape[0] > side or inside.shape[1] > side
    resized = resize_alike(inside, (side, side), cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.uint8)


UNDECIDED_LOGIT = 0.5
"""Between minus and plus this, a logit changes nothing of a mask that was given."""


def paste(logits: Floats, window: Window, size: Size, given: Mask | None = None) -> Mask:
    """Bring a crop's logits back to the frame: where they are above 0, resized bilinearly, is the object.

    Args:
        logits: (S, S).
        window: Where the crop was.
        size: Height and width of the frame.
        given: (H, W) bool, a coarse mask: it stays where the network is in doubt, so that what is too thin
            for the crop is not lost.
    """
    x0, y0, x1, y1 = window
    resized = resize_alike(logits, (y1 - y0, x1 - x0), cv2.INTER_LINEAR)
    mask = np.zeros(size, bool)
    top, left = max(y0, 0), max(x0, 0)
    shown = resized[top - y0 : size[0] - y0, left - x0 : size[1] - x0]
    place = np.s_[top : top + shown.shape[0], left : left + shown.shape[1]]
    mask[place] = (
        shown > 0
        if given is None
        else (shown > UNDECIDED_LOGIT) | ((shown > -UNDECIDED_LOGIT) & given[place])
    )
    return mask


def box_map(box: Sequence[float], window: Window, side: int) -> Floats:
    """Draw a box into a crop: 1 inside, -1 outside, soft where it cuts a pixel.

    Args:
        box: x0, y0, x1, y1 of the frame, inclusive.
        window: Where the crop is.
        side: Of the crop.
    """
    edges = np.arange(side, dtype=np.float32)

    def covered(start: float, end: float, first: int, last: int) -> Floats:
        scale = side / (last - first)
        low, high = (start - first) * scale, (end + 1 - first) * scale
        return np.clip(np.minimum(edges + 1, high) - np.maximum(edges, low), 0, 1).astype(np.float32)

    columns = covered(box[0], box[2], window.x0, window.x1)
    rows = covered(box[1], box[3], window.y0, window.y1)
    inside: Floats = rows[:, None] * columns[None] * 2 - 1
    return inside


POINT_RADIUS = 4
"""Of the discs that mark points, in pixels of the crop."""


def point_map(points: FramePoints, window: Window, side: int) -> Floats:
    """Draw points of a frame as discs into a crop: 1 in them, 0 elsewhere."""
    drawn = np.zeros((side, side), np.float32)
    for x, y in points:
        column = (x + 0.5 - window.x0) * side / (window.x1 - window.x0) - 0.5
        row = (y + 0.5 - window.y0) * side / (window.y1 - window.y0) - 0.5
        cv2.circle(drawn, (round(column), round(row)), POINT_RADIUS, 1.0, -1)
    return drawn
