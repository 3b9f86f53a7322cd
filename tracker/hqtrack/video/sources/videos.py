"""Video files."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path

import av

from hqtrack.errors import DataError
from hqtrack.images import Levels, levels_among, source_of_levels
from hqtrack.video.sources.pictures import (
    deep_grey,
    image_of_picture,
    is_deep_grey,
    main_stream,
    open_container,
    whole_pictures,
)
from hqtrack.video.sources.source import IMAGE_RATE, Frame, FrameSource, FrameWindow

logger = logging.getLogger(__name__)


JUMP_SECONDS = 60
"""Seconds between frames that are a jump of a file's times rather than a pause."""

TOLERATED_MISSING_FRAMES = 3
"""Frames that may be missing at the end of a video: the last ones of a camera are often cut."""


class VideoFrames(FrameSource):
    """A video file. Frames keep their own times, so that a variable frame rate survives."""

    def __init__(self, path: Path, window: FrameWindow, levels: Levels | None = None) -> None:
        self.path, self.files, self.sound_file = path, [path], path
        self._given_levels = levels
        with open_container(path) as container:
            self.stream = main_stream(path, container)
            stream = container.streams.video[self.stream]
            rate = stream.average_rate or stream.guessed_rate
            self.fps = Fraction(rate) if rate else IMAGE_RATE
            self.aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
            places = [container.metadata, *(each.metadata for each in container.streams)]
            self.timecode = next((place["timecode"] for place in places if "timecode" in place), None)
            count = stream.frames or None
            self._length = _length(container, stream)
            # In all but streams with a length of their own it is the time of the end, not of the whole.
            self._counts_from_start = bool(stream.duration)
        super().__init__(start=window.start, end=window.end, stride=window.stride, count=count)

    def __str__(self) -> str:
        return str(self.path)

    @cached_property
    def size(self) -> tuple[int, int]:
        """Height and width of the first frame."""
        with closing(self._undecoded()) as frames:
            first = next(frames, None)
            if first is None:
                raise DataError(f"{self}: no frame could be read; is the file complete?")
            height, width = first().image.shape[:2]
        return height, width

    @cached_property
    def levels(self) -> Levels | None:
        """The values of grey pictures of 16 bits that become black and white in all; None for others."""
        with closing(self._pictures()) as pictures:
            position, found = levels_among(deep_grey(picture) for picture, _ in pictures)
        if found is None or self._given_levels is not None:
            return found and self._given_levels
        logger.warning(
            "%s: grey pictures of 16 bits; the range %g to %g, %s, is stretched in all "
            "(--range LOW,HIGH chooses another)",
            *(self, *found, source_of_levels(position, self.first + position)),
        )
        return found

    def times(self) -> Iterator[Fraction]:
        """Yield the time of each frame, in seconds since the first, as they are decoded."""
        with closing(self._pictures()) as pictures:
            yield from (seconds for _, seconds in pictures)

    def _undecoded(self) -> Generator[Callable[[], Frame], None, None]:
        with closing(self._pictures()) as pictures:
            for index, (picture, seconds) in enumerate(pictures):
                levels = self.levels if is_deep_grey(picture) else None
                yield partial(_frame_of_picture, picture, index, seconds, levels)

    def _pictures(self) -> Generator[tuple[av.VideoFrame, Fraction], None, None]:
        """Yield pictures with their times, in seconds since the first."""
        with open_container(self.path) as container:
            stream = container.streams.video[self.stream]
            stream.thread_type = "AUTO"
            begin: Fraction | None = None
            frames = whole_pictures(stream, container.decode(stream))
            origin = stream.start_time * stream.time_base if stream.start_time and stream.time_base else None
            origin = origin if self._counts_from_start else Fraction(0)
            late = Fraction(0)  # by which times are too large since they jumped
            last = None
            longest = max(Fraction(JUMP_SECONDS), 20 / self.fps)
            index = 0
            end = Fraction(0)
            damaged = False
            while True:
                try:
                    picture = next(frames)
                except StopIteration:
                    self._check_end(index, end)
                    return
                except (av.error.FFmpegError, OSError) as error:
                    if self._missing(index, end) == 0:
                        return
                    raise DataError(
                        f"{self.path}: frame {index} cannot be decoded: {_reason(error)}"
                    ) from error
                if picture.pts is None or picture.time_base is None:
                    seconds = index / self.fps
                else:
                    seconds = picture.pts * picture.time_base - late
                if last is not None and not last < seconds < last + longest:
                    self._length = None  # which counts the jump
                    logger.warning(
                        "%s: times jump from %.2f to %.2f s at frame %d; it follows the one before here",
                        *(self.path, last, seconds + late, index),
                    )
                    late += seconds - last - 1 / self.fps
                    seconds = last + 1 / self.fps
                last = seconds
                if picture.is_corrupt and not damaged:
                    damaged = True
                    logger.warning("%s: frame %d is damaged, and its picture may be wrong", self.path, index)
                begin = seconds if begin is None else begin
                length = picture.duration * picture.time_base if picture.duration and picture.time_base else 0
                skipped = begin - origin if origin is not None and origin < begin else 0
                end = max(end, seconds - begin + skipped + (length or 1 / self.fps))
                yield picture, seconds - begin
                index += 1

    def _missing(self, count: int, end: Fraction) -> int | None:
        """Describe how many frames are missing after so many, the last of which ended then; None if unknown.

        Frames count as missing only if both the time and the number show it, where both are known: edits can
        leave out frames that the file has, and the last frame may be shown for long.
        """
        if self._length is None:
            return None
        missing = round((self._length - end) * self.fps)
        if self.total is not None:
            missing = min(missing, self.total - count)
        return missing if missing > TOLERATED_MISSING_FRAMES else 0

    def _check_end(self, count: int, end: Fraction) -> None:
        """Notice a video that ends early: FFmpeg's threads keep errors to themselves."""
        missing = self._missing(count, end)
        if missing:
            raise DataError(
                f"{self.path}: {count} of about {count + missing} frames could be read; the file is damaged "
                "or cut short, copy it again"
            )


def _length(container: av.container.InputContainer, stream: av.VideoStream) -> Fraction | None:
    """Return how long a file's picture is by its header, in seconds; None if unknown."""
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    said = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if said:
        return 3600 * int(said[1]) + 60 * int(said[2]) + Fraction(said[3])
    if container.duration and len(container.streams) == 1:
        return Fraction(container.duration, av.time_base)
    return None


def _frame_of_picture(picture: av.VideoFrame, index: int, seconds: Fraction, levels: Levels | None) -> Frame:
    return Frame(image_of_picture(picture, levels), index, seconds, f"{index:08d}")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
