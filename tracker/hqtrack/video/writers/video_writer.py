"""What writers of videos have in common: times, pixel aspect and timecode of the source, and its sound."""

from __future__ import annotations

import logging
import os
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from hqtrack import files
from hqtrack.errors import DataError
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers.writer import VideoFacts, Writer

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

    from hqtrack.video.writers.sound import Sound

logger = logging.getLogger(__name__)

CODECS = ("libx264", "mpeg4")
"""In the order of preference; FFmpeg always has the second."""

X264_OPTIONS = {"crf": "19", "preset": "veryfast", "x264-params": "mbtree=0"}
"""Faster than the default by three times, and as good to look at: it is not to delay the tracker.

With macroblock trees and AVX-512, x264 gives now and then other pictures for the same small frames, even
with one thread; without the trees it never did. A step of quality more makes up for them: 60 frames
of a real clip take 1.74 MB at 35.8 dB instead of 1.72 MB at 35.8 dB.
"""

TICKS_PER_SECOND = 60_000
"""Frame times are kept to about a second's part of this; MPEG-4 allows 65,535."""

LONGEST_GAP_SECONDS = 3600
"""Seconds between two frames at most: MP4 stores a gap in 31 bits of ticks."""

ITU601_MATRIX = 5
"""FFmpeg's number of the colour matrix with which RGB becomes YUV here, for players to turn back."""


class VideoWriter(Writer):
    """A video of the frames as `picture` shows them: H.264, or MPEG-4 where that is missing.

    Frames keep their times, counted from the first one; pixels keep their aspect. Most players need even
    sides: an odd one is padded with a copy of the last column or row.
    """

    container_format: ClassVar[str] = "mp4"
    pixel_format: ClassVar[str] = "yuv420p"
    keeps_sound: ClassVar[bool] = True

    def __init__(self, path: Path, facts: VideoFacts) -> None:
        super().__init__(path, facts)
        if facts.lost_timecode is not None:
            logger.warning(
                "the timecode %s is not kept: it cannot count the frames that are left", facts.lost_timecode
            )
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._sound: Sound | None = None
        self._begin = Fraction(0)
        self._cut = Fraction(0)
        self._last = -1

    @abstractmethod
    def picture(self, tracked: TrackedFrame) -> npt.NDArray[np.uint8]:
        """Return what is shown of a frame: (H, W, 3) RGB, or (H, W, 4) RGBA where the format has alpha."""

    def codec(self) -> tuple[str, dict[str, str]]:
        """Return the name of the encoder, and its options.

        Raises:
            DataError: It is missing.
        """
        codec = best_codec(self.path.name)
        return codec, X264_OPTIONS if codec == CODECS[0] else {"qscale": "3"}

    def write(self, tracked: TrackedFrame) -> None:
        """Draw and encode a frame."""
        import av

        from hqtrack.video.writers.sound import Sound

        frame = tracked.frame
        image = _even(self.picture(tracked))
        with self._errors():
            if self._container is None:
                self._begin = frame.time
                codec, options = self.codec()
                files.create(self._part).close()  # what FFmpeg opens is a new file, not what a link names
                self._container = av.open(os.path.abspath(self._part), "w", format=self.container_format)
                self._stream = self._add_stream(self._container, image, codec, options)
                if self.keeps_sound and self._facts.sound is not None:
                    self._sound = Sound.join(self._facts.sound, self._container, self._begin)
            self._encode(image, frame.time - self._begin)

    def _encode(self, image: npt.NDArray[np.uint8], time: Fraction) -> None:
        import av

        assert self._container is not None
        assert self._stream is not None
        picture = av.VideoFrame.from_ndarray(image, format="rgba" if image.shape[2] == 4 else "rgb24")
        picture = picture.reformat(format=self.pixel_format, dst_colorspace=ITU601_MATRIX)
        base = self._stream.codec_context.time_base
        assert base is not None
        picture.pts, picture.time_base = self._next_tick(time, base), base
        self._last = picture.pts
        self._container.mux(self._stream.encode(picture))
        if self._sound is not None:
            self._sound.write_until(time)

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

    def _add_stream(
        self, container: OutputContainer, image: npt.NDArray[np.uint8], codec: str, options: dict[str, str]
    ) -> VideoStream:
        import av

        rate = max(self._facts.fps.limit_denominator(100_000), Fraction(1, 100_000))
        stream = container.add_stream(codec, rate=rate, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = self.pixel_format
        context = stream.codec_context
        context.sample_aspect_ratio = self._facts.aspect.limit_denominator(255)
        context.colorspace = ITU601_MATRIX
        ticks = max(1, TICKS_PER_SECOND // rate.numerator) * min(rate.numerator, TICKS_PER_SECOND)
        context.time_base = Fraction(1, ticks)
        if self._facts.timecode is not None:
            container.metadata["timecode"] = self._facts.timecode
        return stream

    def finish(self) -> None:
        """Encode what waits, and close the file."""
        if self._container is None or self._stream is None:
            return
        with self._errors():
            self._container.mux(self._stream.encode())
            if self._sound is not None:
                base = self._stream.codec_context.time_base or Fraction(0)
                self._sound.finish(self._last * base + 1 / self._facts.fps)
            self._container.close()
        self._name(self._part, self.path)
        self._container = None

    def discard(self) -> None:
        """Remove what is unfinished."""
        import av

        if self._sound is not None:
            self._sound.close()
        if self._container is not None:
            with suppress(OSError, av.error.FFmpegError):
                self._container.close()
            self._container = None
        files.remove(self._part)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        import av

        try:
            yield
        except av.error.FFmpegError as error:
            raise DataError(f"{self.path}: cannot be written: {error.strerror or error}") from error


def best_codec(name: str) -> str:
    """Return the best codec that is here for a video of this name; logs a notice if it is not H.264."""
    for codec in CODECS:
        if not has_encoder(codec):
            continue
        if codec != CODECS[0]:
            logger.warning(
                "this PyAV has no H.264 encoder (%s): %s is MPEG-4, which browsers do not show",
                *(CODECS[0], name),
            )
        return codec
    raise DataError(f"this PyAV has none of the encoders {', '.join(CODECS)}; install av from its wheel")


def has_encoder(name: str) -> bool:
    """Return whether FFmpeg has an encoder here."""
    import av

    try:
        av.Codec(name, "w")
    except ValueError:
        return False
    return True


def _even(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height, width = image.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return image
    import cv2

    padded = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return np.asarray(padded, np.uint8)
