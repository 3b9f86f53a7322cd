"""The overlay: a video of the frames with the masks drawn over them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np

from hqtrack import files
from hqtrack.errors import DataError
from hqtrack.images import Image
from hqtrack.video.drawing import colour_of, draw_masks
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers.writer import VideoFacts, Writer

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

logger = logging.getLogger(__name__)

CODECS = ("libx264", "mpeg4")
"""Of the overlay, in the order of preference; FFmpeg always has the second."""

TICKS_PER_SECOND = 60_000
"""Frame times of the overlay are kept to about a second's part of this; MPEG-4 allows 65,535."""

LONGEST_GAP_SECONDS = 3600
"""Seconds between two frames of the overlay at most: MP4 stores a gap in 31 bits of ticks."""

ITU601_MATRIX = 5
"""FFmpeg's number of the colour matrix with which RGB becomes YUV here, for players to turn back."""


class OverlayVideo(Writer):
    """A video of the frames with the masks drawn over them: H.264, or MPEG-4 where that is missing.

    Frames keep their times, counted from the first one; pixels keep their aspect. H.264 needs even sides: an
    odd one is padded with a copy of the last column or row.
    """

    option = "overlay"
    title = "Overlay video"
    help = "the video with the masks drawn over it."
    name = "overlay.mp4"
    suffix = ".mp4"
    wanted = True

    def __init__(self, folder: Path, facts: VideoFacts) -> None:
        super().__init__(folder, facts)
        if facts.lost_timecode is not None:
            logger.warning(
                "the timecode %s is not kept: it cannot count the frames that are left", facts.lost_timecode
            )
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._begin = Fraction(0)
        self._cut = Fraction(0)
        self._last = -1

    def write(self, tracked: TrackedFrame) -> None:
        """Draw and encode a frame."""
        frame = tracked.frame
        objects = tracked.objects
        drawn = draw_masks(
            frame.image,
            tracked.masks,
            # OpenCV has no letters beyond ASCII.
            names=[each.name if each.name.isascii() and each.name else str(each.id) for each in objects],
            colours=[each.colour or colour_of(each.id) for each in objects],
        )
        image = _even(drawn)
        with self._errors():
            if self._container is None:
                self._begin = frame.time
                files.create(self._part).close()  # what FFmpeg opens is a new file, not what a link names
                self._container = av.open(os.path.abspath(self._part), "w", format="mp4")
                self._stream = self._add_stream(self._container, image)
            self._encode(image, frame.time - self._begin)

    def _encode(self, image: Image, time: Fraction) -> None:
        assert self._container is not None
        assert self._stream is not None
        picture = av.VideoFrame.from_ndarray(image, format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace=ITU601_MATRIX)
        base = self._stream.codec_context.time_base
        assert base is not None
        picture.pts, picture.time_base = self._next_tick(time, base), base
        self._last = picture.pts
        self._container.mux(self._stream.encode(picture))

    def _next_tick(self, time: Fraction, base: Fraction) -> int:
        """Return the tick of a frame: after that of the last one, but not by more than MP4 can store."""
        tick = max(self._last + 1, round((time - self._cut) / base))
        excess = tick - self._last - round(LONGEST_GAP_SECONDS / base)
        if excess <= 0:
            return tick
        if not self._cut:
            logger.warning(
                "%s: a gap of %.0f hours between two frames is shown as one of %.0f hour",
                self.path.name,
                float((tick - self._last) * base) / 3600,
                LONGEST_GAP_SECONDS / 3600,
            )
        self._cut += excess * base
        return tick - excess

    def _add_stream(self, container: OutputContainer, image: Image) -> VideoStream:
        codec = best_codec()
        rate = max(self._facts.fps.limit_denominator(100_000), Fraction(1, 100_000))
        # Faster than the default by three times, and as good to look at: it is not to delay the tracker.
        options = {"crf": "20", "preset": "veryfast"} if codec == CODECS[0] else {"qscale": "3"}
        stream = container.add_stream(codec, rate=rate, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.sample_aspect_ratio = self._facts.aspect.limit_denominator(255)
        context.colorspace = ITU601_MATRIX
        context.time_base = Fraction(
            1, max(1, TICKS_PER_SECOND // rate.numerator) * min(rate.numerator, TICKS_PER_SECOND)
        )
        if self._facts.timecode is not None:
            container.metadata["timecode"] = self._facts.timecode
        return stream

    def finish(self) -> None:
        """Encode what waits, and close the file."""
        if self._container is None or self._stream is None:
            return
        with self._errors():
            self._container.mux(self._stream.encode())
            self._container.close()
        self._name(self._part, self.path)
        self._container = None

    def discard(self) -> None:
        """Remove what is unfinished."""
        if self._container is not None:
            with suppress(OSError, av.error.FFmpegError):
                self._container.close()
            self._container = None
        files.remove(self._part)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except av.error.FFmpegError as error:
            raise DataError(f"{self.path}: cannot be written: {error.strerror or error}") from error


def best_codec() -> str:
    """Return the best codec that is here; logs a notice if it is not H.264."""
    for codec in CODECS:
        try:
            av.Codec(codec, "w")
        except ValueError:
            continue
        if codec != CODECS[0]:
            logger.warning(
                "this PyAV has no H.264 encoder (%s): the overlay is MPEG-4, which browsers do not show",
                CODECS[0],
            )
        return codec
    raise DataError(f"this PyAV has none of the encoders {', '.join(CODECS)}; install av from its wheel")


def _even(image: Image) -> Image:
    height, width = image.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return image
    padded = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return np.asarray(padded, np.uint8)
