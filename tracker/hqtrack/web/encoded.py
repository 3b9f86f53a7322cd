"""Frames as JPEG, made ahead for whoever plays them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor

import cv2

from hqtrack.images import Image
from hqtrack.video.access import FrameAccess

JPEG_QUALITY = 88

KEPT_FRAMES = 96
"""Frames that are kept; of 1280x720 pixels they take about 15 MB."""

AHEAD = 8
"""Frames that are made before they are asked for."""


def as_jpeg(image: Image) -> bytes:
    """Return an image (H, W, 3) uint8 RGB as JPEG."""
    swapped = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)  # a view in another order takes much longer
    _, encoded = cv2.imencode(".jpg", swapped, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return encoded.tobytes()


class EncodedFrames:
    """Reduced frames as JPEG; a worker makes the next ones while somebody looks at one after another.

    Safe to use from several threads: a frame that is being made is waited for, not made twice.

    Args:
        frames: The frames.
    """

    def __init__(self, frames: FrameAccess) -> None:
        self._frames = frames
        self._kept: OrderedDict[int, Future[bytes]] = OrderedDict()
        self._last = -1
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, "hqtrack-frames")

    def get(self, index: int) -> bytes:
        """Return a frame as JPEG.

        Raises:
            DataError: The frame cannot be read.
        """
        with self._lock:
            forward = self._last <= index <= self._last + AHEAD
            self._last = index
            known = self._kept.get(index)
            place = self._place(index) if known is None else known
            coming = range(index + 1, min(index + 1 + AHEAD, len(self._frames))) if forward else range(0)
            ahead = [each for each in coming if each not in self._kept]
        if known is None:
            self._make(index, place)
        for each in ahead:  # after the one asked for, or a video would be decoded twice
            self._worker.submit(self._make_ahead, each)
        return place.result()

    def _place(self, index: int) -> Future[bytes]:
        """Return the place of a frame that is made now; with the lock held."""
        place = self._kept[index] = Future()
        while len(self._kept) > KEPT_FRAMES:
            self._kept.popitem(last=False)
        return place

    def _make_ahead(self, index: int) -> None:
        with self._lock:
            # Somebody may have jumped elsewhere meanwhile, or have asked for it first.
            if index in self._kept or not self._last < index <= self._last + AHEAD:
                return
            place = self._place(index)
        self._make(index, place)

    def _make(self, index: int, place: Future[bytes]) -> None:
        try:
            place.set_result(as_jpeg(self._frames.reduced(index)))
        except Exception as error:
            with self._lock:
                self._kept.pop(index, None)  # another time it may be there
            place.set_exception(error)
