"""What the browser plays: frames as large as they are shown, with their masks, several to an answer."""

from __future__ import annotations

import json

import cv2
import numpy as np

from hqtrack.errors import DataError, InputError
from hqtrack.web.encoded import as_jpeg
from hqtrack.web.outlines import masks_in
from hqtrack.web.store import OpenSession

MOST_FRAMES = 30
"""In an answer."""

SMALLEST_WIDTH = 16


def played(opened: OpenSession, first: int, *, count: int, step: int, width: int) -> bytes:
    """Return every `step`-th frame from one on; at the end of the video the last frame is among them.

    Args:
        opened: The session with its frames.
        first: The first one's index.
        count: Number of frames at most.
        step: 1 for all frames, 2 for every second one.
        width: Width of the pictures in pixels; frames are not enlarged.

    Returns:
        A line of JSON, a list with for each frame its index, "masks" as `masks_in` has them, and the "bytes"
        of its JPEG, 0 where it cannot be read; then the JPEGs.

    Raises:
        InputError: The first one is not in the video, or count, step or width make no sense.
    """
    last = opened.session.count - 1
    if not 0 <= first <= last or not 1 <= count <= MOST_FRAMES or step < 1 or width < SMALLEST_WIDTH:
        raise InputError(f"frames {first}, {first + step} … ({count} of width {width}): cannot be played")
    indices = sorted({min(first + place * step, last) for place in range(count)})
    pictures = [_picture(opened, index, width) for index in indices]
    head = [
        {"frame": index, "bytes": len(picture), "masks": masks_in(opened.session, index)}
        for index, picture in zip(indices, pictures, strict=True)
    ]
    return b"\n".join([json.dumps(head).encode(), b"".join(pictures)])


def _picture(opened: OpenSession, index: int, width: int) -> bytes:
    """Return a frame as JPEG; nothing where it cannot be read."""
    try:
        image = opened.frames.reduced(index)
    except DataError:
        return b""
    if width < image.shape[1]:
        size = width, max(1, round(image.shape[0] * width / image.shape[1]))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    return as_jpeg(image)
