"""Frames of the protocol: files, pixels in memory, and images that were encoded into a message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import trax

from hqtrack.errors import InputError
from hqtrack.images import Image, Levels, levels_in, levels_of, read_image, stretched

IMAGES = [trax.Image.PATH, trax.Image.MEMORY, trax.Image.BUFFER]
"""Kinds of images that are announced; the toolkit sends paths."""


class FrameReader:
    """Reads the frames of a session; the first frame of a sequence says how deep images are shown."""

    def __init__(self) -> None:
        self._levels: Levels | None = None

    def read(self, image: Any, begins: bool) -> Image:
        """Return a frame (H, W, 3) uint8 RGB.

        Args:
            image: Of the protocol's library.
            begins: Whether a sequence begins with it.

        Raises:
            HQTrackError: It cannot be read.
        """
        kind = image.type()
        if kind == trax.Image.PATH:
            path = Path(image.path())
            if begins:
                self._levels = levels_of(path)
            return read_image(path, self._levels)
        if kind == trax.Image.MEMORY:
            pixels = image.array()
        elif kind == trax.Image.BUFFER:
            pixels = _decoded(image.buffer())
        else:
            raise InputError(
                f"the frame is sent as {kind}; send a file, pixels in memory or an encoded image"
            )
        if begins:
            self._levels = levels_in(pixels)
        if pixels.dtype != np.uint8:
            pixels = stretched(pixels, self._levels or (0, 65535))
        return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def _decoded(content: bytes) -> Any:
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if pixels is None:
        raise InputError(f"the frame is sent as {len(content)} bytes that are no JPEG or PNG image")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
