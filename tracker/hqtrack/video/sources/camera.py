"""A camera."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path

import cv2
import numpy as np

from hqtrack.errors import DataError
from hqtrack.images import Image
from hqtrack.video.sources.source import IMAGE_RATE, Frame, FrameSource, FrameWindow


def may_be_camera(number: str) -> bool:
    """Return whether a number can be a camera's: OpenCV, asked for one that is not there, prints a page."""
    return len(number) <= 3 and (sys.platform != "linux" or Path(f"/dev/video{int(number)}").exists())


class CameraFrames(FrameSource):
    """A camera, read until the reader stops."""

    live = True

    def __init__(self, number: str, window: FrameWindow) -> None:
        if not may_be_camera(number):
            raise DataError(f"{number[:40]}: there is no file or folder of this name, and no such camera")
        self._camera = camera = int(number)
        self._capture = cv2.VideoCapture(camera)
        if not self._capture.isOpened():
            raise DataError(
                f"camera {camera} cannot be opened; is it connected, and used by no other program?"
            )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = Fraction(rate).limit_denominator(1001) if 0 < rate <= 1000 else IMAGE_RATE
        super().__init__(start=window.start, end=window.end, stride=window.stride, count=None)

    def __str__(self) -> str:
        return f"camera {self._camera}"

    @cached_property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames."""
        get = self._capture.get
        return int(get(cv2.CAP_PROP_FRAME_HEIGHT)), int(get(cv2.CAP_PROP_FRAME_WIDTH))

    def _undecoded(self) -> Generator[Callable[[], Frame], None, None]:
        begin = time.monotonic()
        index = 0
        while self._capture.grab():
            seconds = Fraction(time.monotonic() - begin).limit_denominator(90_000)
            yield partial(self._retrieve, index, seconds)
            index += 1

    def _retrieve(self, index: int, seconds: Fraction) -> Frame:
        good, picture = self._capture.retrieve()
        if not good:
            raise DataError(f"{self}: frame {index} cannot be read; was the camera unplugged?")
        image: Image = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8)
        return Frame(image, index, seconds, f"{index:08d}")
