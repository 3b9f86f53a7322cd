"""Regions of the protocol: masks, rectangles and polygons, in frames and out of them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import trax

from hqtrack.errors import InputError
from hqtrack.masks import Mask, box_of

LARGEST_RATIO = 2.0
"""A region that is so many times as wide or high as the frame belongs to other frames."""

SMALLEST_REFINED_BOX = 8
"""A mask that is a full rectangle is a box from so many pixels a side on; a smaller one may be the object."""


class First(NamedTuple):
    """A first region, placed into the frame."""

    mask: Mask
    is_box: bool
    """True: it is a rectangle or polygon, or a mask that fills its box."""


def place(region: Any, size: tuple[int, int]) -> First:
    """Place a region of the protocol into a frame; what is beyond the frame is cut off.

    Args:
        region: A mask, rectangle or polygon; a special region describes an object that is not seen.
        size: Height and width of the frame.

    Raises:
        InputError: Nothing of it is within the frame, or it belongs to frames of another size.
    """
    if region.type == trax.Region.MASK:
        if min(region.size()) < 0:
            raise InputError(f"a first mask has the size {region.size()}; width and height are at least 0")
        mask = place_mask(region.array(), region.offset(), size)
        return First(mask, _is_full_rectangle(mask))
    if region.type == trax.Region.RECTANGLE:
        x, y, width, height = region.bounds()
        _check_numbers((x, y, width, height), "rectangle")
        corners = [(x, y), (x + width - 1, y), (x + width - 1, y + height - 1), (x, y + height - 1)]
        return First(place_polygon(corners, size), True)
    if region.type == trax.Region.POLYGON:
        return First(place_polygon(list(region), size), True)
    return First(np.zeros(size, bool), False)


def place_mask(region: npt.NDArray[Any], offset: tuple[int, int], size: tuple[int, int]) -> Mask:
    """Place a cropped mask into a frame; what is beyond the frame is cut off.

    Args:
        region: (h, w), nonzero is foreground.
        offset: Column and row of the crop's upper left corner in the frame.
        size: Height and width of the frame.

    Returns:
        (H, W) bool.

    Raises:
        InputError: Nothing of it is within the frame, or it belongs to frames of another size.
    """
    mask = np.zeros(size, bool)
    rows, columns = np.nonzero(region)
    if len(rows) == 0:
        return mask
    rows, columns = rows + offset[1], columns + offset[0]
    inside = (rows >= 0) & (columns >= 0) & (rows < size[0]) & (columns < size[1])
    _check_extent((columns.min(), rows.min(), columns.max(), rows.max()), bool(inside.any()), size)
    mask[rows[inside], columns[inside]] = True
    return mask


def place_polygon(corners: list[tuple[float, float]], size: tuple[int, int]) -> Mask:
    """Fill a polygon, borders included, in a frame; what is beyond the frame is cut off.

    Args:
        corners: Columns and rows.
        size: Height and width of the frame.

    Returns:
        (H, W) bool.

    Raises:
        InputError: Nothing of it is within the frame, or it belongs to frames of another size.
    """
    _check_numbers([value for corner in corners for value in corner], "polygon")
    points = np.round(np.array(corners)).astype(np.int32)
    filled = np.zeros(size, np.uint8)
    cv2.fillPoly(filled, [points], 1)
    mask: Mask = filled > 0
    left, top = points.min(0).tolist()
    right, bottom = points.max(0).tolist()
    _check_extent((left, top, right, bottom), bool(mask.any()), size)
    return mask


def _check_numbers(values: Any, kind: str) -> None:
    if not all(math.isfinite(value) and abs(value) < 2**30 for value in values):
        raise InputError(f"a first {kind} has the numbers {list(values)}; they must be pixels of the frame")


def _check_extent(extent: tuple[int, int, int, int], inside: bool, size: tuple[int, int]) -> None:
    left, top, right, bottom = (int(value) for value in extent)
    too_large = right - left + 1 > LARGEST_RATIO * size[1] or bottom - top + 1 > LARGEST_RATIO * size[0]
    if not inside or too_large:
        raise InputError(
            f"a first region reaches from ({left}, {top}) to ({right}, {bottom}), beyond the frame of "
            f"{size[1]} x {size[0]} pixels; check that regions and frames belong together"
        )


def _is_full_rectangle(mask: Mask) -> bool:
    box = box_of(mask)
    if box is None:
        return False
    x0, y0, x1, y1 = box
    large = min(x1 - x0, y1 - y0) + 1 >= SMALLEST_REFINED_BOX
    return large and bool(mask[y0 : y1 + 1, x0 : x1 + 1].all())


def encode_mask(mask: Mask) -> Any:
    """Turn a mask (H, W) into a TraX region: cropped to its box, which halves the cost of the round trip."""
    box = box_of(mask)
    if box is None:
        # The protocol's None would become a rectangle.
        return trax.Mask.create(np.zeros((1, 1), np.uint8))
    x0, y0, x1, y1 = box
    crop = np.ascontiguousarray(mask[y0 : y1 + 1, x0 : x1 + 1], dtype=np.uint8)
    return trax.Mask.create(crop, x=x0, y=y0)


def encode_rectangle(mask: Mask) -> Any:
    """Turn a mask (H, W) into the rectangle of its extent; of an empty mask it has no width and height."""
    box = box_of(mask)
    if box is None:
        return trax.Rectangle.create(0, 0, 0, 0)
    x0, y0, x1, y1 = box
    return trax.Rectangle.create(x0, y0, x1 - x0 + 1, y1 - y0 + 1)
