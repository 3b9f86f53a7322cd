"""The small picture by which a session is known on the start page."""

from __future__ import annotations

from pathlib import Path

import cv2

from hqtrack import files
from hqtrack.video.access import FrameAccess

POSTER_FILE = "thumbnail.jpg"
POSTER_EDGE = 160


def write_poster(file: Path, frames: FrameAccess) -> None:
    """Write a small picture of the first frame.

    Raises:
        DataError: The frame cannot be read.
        OSError: The picture cannot be written.
    """
    image = frames.reduced(0)
    factor = POSTER_EDGE / max(image.shape[:2])
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    files.write_whole(file, cv2.imencode(".jpg", small[..., ::-1])[1].tobytes())
