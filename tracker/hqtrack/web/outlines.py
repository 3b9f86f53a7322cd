"""Masks as the browser draws them: SVG paths along the edges of pixels, which stay sharp at any zoom."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hqtrack.masks import Mask, box_of
from hqtrack.web.session import Session

TEXT_CELLS = 64
"""Where a text goes in a mask is looked for in at most so many cells a side."""


def path_of(mask: Mask) -> str:
    """Return the edges of a mask (H, W) as an SVG path, for the fill rule "evenodd"; empty for an empty mask.

    Coordinates are pixels of the frame: the first pixel extends from 0 to 1.

    Example:
        >>> path_of(np.array([[True, True, False]]))
        'M0 0L0 1L2 1L2 0Z'
    """
    box = box_of(mask)
    if box is None:
        return ""
    left, top, right, bottom = box
    crop = mask[top : bottom + 1, left : right + 1].astype(np.uint8)
    # A grid of half pixels on which each pixel is 3x3 and shares its edges with its neighbours: what is a
    # contour there passes exactly along the edges of pixels, not through their middles.
    grid = np.zeros((2 * crop.shape[0] + 1, 2 * crop.shape[1] + 1), np.uint8)
    grid[1::2, 1::2] = crop
    grid = np.asarray(cv2.dilate(grid, np.ones((3, 3), np.uint8)), np.uint8)
    lines, _ = cv2.findContours(grid, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    return "".join(_closed(line.reshape(-1, 2) / 2 + (left, top)) for line in lines)


def _closed(line: npt.NDArray[np.float64]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in line.tolist()) + "Z"


def text_place(mask: Mask) -> tuple[float, float] | None:
    """Return the point (x, y) deep in a mask (H, W), where a text is on it; None for an empty mask."""
    box = box_of(mask)
    if box is None:
        return None
    left, top, right, bottom = box
    crop = mask[top : bottom + 1, left : right + 1].astype(np.uint8)
    step = 1 + max(crop.shape) // TEXT_CELLS
    depth = cv2.distanceTransform(np.pad(crop[::step, ::step], 1), cv2.DIST_L2, 3)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return left + max(0, int(column) - 1) * step + 0.5, top + max(0, int(row) - 1) * step + 0.5


def masks_in(session: Session, frame: int) -> list[dict[str, Any]]:
    """Return all objects that are seen in a frame, as JSON for the browser."""
    return [
        {
            "key": shown.object.key,
            "colour": "#{:02x}{:02x}{:02x}".format(*shown.object.paint),
            "path": path_of(shown.mask),
            "at": text_place(shown.mask),
        }
        for shown in session.shown(frame)
        if shown.mask.any()
    ]
