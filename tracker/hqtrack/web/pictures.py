"""What the page shows of frames as JPEG; masks are drawn over them by the browser."""

from __future__ import annotations

import cv2
import numpy as np

from hqtrack.masks import box_of
from hqtrack.web.encoded import as_jpeg
from hqtrack.web.store import OpenSession

THUMBNAIL_SIDE = 64
THUMBNAIL_MARGIN = 0.15
"""Share of the object's longer side that is seen around it."""

UNSEEN_LIGHT = 0.35
"""Share of the light that pixels beside the object keep in its thumbnail."""


def jpeg(opened: OpenSession, index: int) -> bytes:
    """Return a frame as JPEG, reduced for the page.

    Args:
        opened: The session with its frames.
        index: The frame's.

    Raises:
        DataError: The frame cannot be read.
    """
    return opened.encoded.get(index)


def thumbnail_of(opened: OpenSession, key: int) -> bytes:
    """Return an object in the frame in which it begins, as a square JPEG.

    Args:
        opened: The session with its frames.
        key: The object's.

    Raises:
        InputError: The object was deleted.
        DataError: The frame cannot be read.
    """
    first = opened.session.find(key).first
    image, mask = opened.frames.reduced(first.frame), first.mask(opened.session.size).astype(np.uint8)
    mask = np.asarray(cv2.resize(mask, image.shape[1::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
    left, top, right, bottom = box_of(mask.astype(bool)) or (0, 0, image.shape[1] - 1, image.shape[0] - 1)
    side = max(right - left, bottom - top) + 1
    half = round(side * (0.5 + THUMBNAIL_MARGIN))
    x, y = (left + right) // 2 + half, (top + bottom) // 2 + half  # in the frame with a border
    dimmed = np.where(mask[..., None] > 0, image, (image * UNSEEN_LIGHT).astype(np.uint8))
    bordered = np.pad(dimmed, ((half, half), (half, half), (0, 0)))
    square = bordered[y - half : y + half + 1, x - half : x + half + 1]
    size = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    return as_jpeg(np.asarray(cv2.resize(square, size, interpolation=cv2.INTER_AREA), np.uint8))
