"""Boxes of persons and detectors, cut to the frame."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from hqtrack.errors import InputError
from hqtrack.images import Size

logger = logging.getLogger(__name__)


def within(box: Sequence[float], size: Size, title: str) -> tuple[float, ...]:
    """Cut a box x, y, width, height to a frame of the size (height, width).

    Detectors put boxes a little beyond the frame; one of which most is outside is a mistake.

    Raises:
        InputError: It is thinner than a pixel, or more than half of it is outside.
    """
    x, y, width, height = box
    if width < 1 or height < 1:
        raise InputError(f"{title}: width and height must be at least 1 (a box is x,y,w,h)")
    left, top, right, bottom = max(0.0, x), max(0.0, y), min(size[1], x + width), min(size[0], y + height)
    inside = max(0.0, right - left) * max(0.0, bottom - top)
    if inside < 0.5 * width * height or right - left < 1 or bottom - top < 1:
        raise InputError(
            f"{title}: reaches from ({x:g}, {y:g}) to ({x + width:g}, {y + height:g}), "
            f"beyond the frame of {size[1]} x {size[0]} pixels (a box is x,y,w,h)"
        )
    if (left, top, right, bottom) != (x, y, x + width, y + height):
        logger.warning(
            "%s: cut at the border of the frame to %g,%g,%g,%g", title, left, top, right - left, bottom - top
        )
    if inside > 0.95 * size[0] * size[1]:
        logger.warning("%s: covers the whole frame; a tighter box shows which object is meant", title)
    return left, top, right - left, bottom - top
