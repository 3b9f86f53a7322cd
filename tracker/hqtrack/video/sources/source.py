"""What every source of frames has in common.

Frames are decoded in a thread of their own, a few ahead of the one in use, so that decoding costs no time
where the work on a frame takes longer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hqtrack.errors import DataError, InputError
from hqtrack.video.sources.prefetch import prefetch
from hqtrack.video.timecode import frame_number, seconds_of

if TYPE_CHECKING:
    from hqtrack.images import Image

PREFETCHED_FRAMES = 3
"""Frames decoded ahead: enough to even out slow ones, 75 MB at 3840 x 2160."""

LARGEST_FRAME_NUMBER = 10**9
"""Frames, of which no video has more: larger numbers are mistakes."""

IMAGE_RATE = Fraction(25)
"""Frames per second of images, which carry no rate of their own."""


LATEST_ROUNDING = Fraction(1, 2000)
"""Seconds by which a container may store a frame's time too late: some count milliseconds."""

FRAME_FORMS = "write a number, a time such as 1.5s, or a timecode such as 00:00:01:12"


@dataclass(frozen=True)
class FrameWindow:
    """Which frames of a source are read."""

    start: int = 0
    end: int | None = None
    stride: int = 1


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a source."""

    image: Image
    """(H, W, 3) uint8 RGB."""
    index: int
    """Number in the whole source, whatever start and stride are: from 0, or from `FrameSource.first` on."""
    time: Fraction
    """Seconds since the source's first frame."""
    name: str
    """File name of an image, or the index with 8 digits; no two frames differ only in its suffix."""


class FrameSource(ABC):
    """Frames of a folder, video, camera or stream, to be iterated as often as wanted (live ones continue).

    Use `open_frames`. `len` works where the number of frames is known.
    """

    fps: Fraction
    """Average frames per second of the source, before any stride."""
    timecode: str | None = None
    """Timecode of the source's first frame, such as "01:00:00:00", where it has one."""
    aspect: Fraction = Fraction(1)
    """Width of a pixel relative to its height."""
    files: Sequence[Path] = ()
    """Where the frames are read from."""
    sound_file: Path | None = None
    """A file that may have the source's sound."""
    stems: Sequence[str] = ()
    """File names of images without their suffixes, one for each frame."""
    live: bool = False
    """A live source cannot be read a second time."""
    first: int = 0
    """Number of the source's first frame; start, end and frames are counted from there."""

    def __init__(self, *, start: int, end: int | None, stride: int, count: int | None) -> None:
        self.total = count
        """Frames of the whole source; None where it is unknown before they are read."""
        self.start, self.end, self.stride = start, end, stride
        self.select(start, end, stride)

    def select(
        self,
        start: int | str | None = None,
        end: int | str | None = None,
        stride: int = 1,
        first: int | Literal["auto"] = 0,
    ) -> None:
        """Choose which frames are read, and how they are numbered.

        Args:
            start: The first one; None is the source's first.
            end: The first that is not read any more; None reads to the end.
            stride: Every how many frames one is read.
            first: Number of the source's first frame, or "auto" for that in its file's name.

        Raises:
            InputError: A number is out of range, or a text names no frame.
            DataError: The source ends before.
        """
        self.first = self._own_first() if first == "auto" else first
        if not 0 <= self.first <= LARGEST_FRAME_NUMBER:
            raise InputError(f"first number = {first}: must be 0 to {LARGEST_FRAME_NUMBER:,}, or auto")
        self.start = self.first if start is None else self.number_of(start)
        self.end = None if end is None else self.number_of(end, is_end=True)
        self.stride = stride
        self._check()

    def _check(self) -> None:
        """Check that the frames that are to be read can be there."""
        start, end, stride, count, first = self.start, self.end, self.stride, self.total, self.first
        if start < first:
            raise InputError(f"start = {start}: frames count from {first}")
        if stride < 1:
            raise InputError(f"stride = {stride}: must be at least 1")
        if end is not None and end <= start:
            raise InputError(f"end = {end}: must be greater than start = {start}; frame {end} is not read")
        if max(start, stride, end or 0) > LARGEST_FRAME_NUMBER:
            raise InputError(
                f"start, end and stride must be at most {LARGEST_FRAME_NUMBER:,}: no video has more frames"
            )
        if count is not None and start >= first + count:
            numbered = f", numbered {first} to {first + count - 1}" if first else ""
            raise DataError(f"{self}: start = {start}, but there are only {count} frames{numbered}")

    def number_of(self, text: str | int, *, is_end: bool = False) -> int:
        """Return the number of the frame that a text names: 120, 1.5s or 00:00:01:12.

        A time names the frame that is shown then, by the frames' own times, counted from the first one. A
        timecode counts from that of the source, where it has one.

        Args:
            text: What a person wrote.
            is_end: Whether the end of the source may be named, too.

        Raises:
            InputError: It names no frame.
        """
        number = text if isinstance(text, int) else frame_number(text)
        if number is not None:
            return number
        text = str(text).strip()
        seconds = seconds_of(text, self.fps, self.timecode)
        if seconds is None:
            raise InputError(f"frame {text[:40]} is not a number; {FRAME_FORMS}")
        return self.first + self._position_at(seconds, text, is_end)

    def _position_at(self, seconds: Fraction, text: str, is_end: bool) -> int:
        """Return the position of the frame that is shown at a time."""
        if self.live:
            raise InputError(f"frame {text}: frames of {self} are named by their numbers alone")
        last = Fraction(0)
        position = -1
        for time in self.times():
            if time > seconds + LATEST_ROUNDING:
                return max(0, position)
            position, last = position + 1, time
        length = last + 1 / self.fps
        if seconds + LATEST_ROUNDING < length:
            return max(0, position)
        if is_end and seconds - LATEST_ROUNDING <= length:
            return position + 1
        raise InputError(
            f"{text}: is beyond the end of {self}, which has {position + 1} frames "
            f"and is {float(length):.3f} s long"
        )

    def times(self) -> Iterator[Fraction]:
        """Yield the time of each frame of the source, in seconds since the first."""
        return (position / self.fps for position in range(self.total or 0))

    def _own_first(self) -> int:
        """Return the number of the first frame that the source's files have in their names."""
        raise InputError(f"first number auto: {self} has no numbers in names of files; give a number instead")

    @cached_property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """Height and width of the first frame."""

    @abstractmethod
    def __str__(self) -> str:
        """Name of the source for messages."""

    @abstractmethod
    def _undecoded(self) -> Generator[Callable[[], Frame], None, None]:
        """Return for every frame of the source what decodes it; frames that are skipped are never decoded.

        Frames are counted from 0 there.
        """

    @property
    def indices(self) -> range | None:
        """Indices of the frames that will be read; None where the length of the source is unknown."""
        whole = None if self.total is None else self.first + self.total
        ends = [end for end in (self.end, whole) if end is not None]
        return range(self.start, min(ends), self.stride) if ends else None

    @property
    def positions(self) -> range | None:
        """The same, counted from 0 whatever the first frame's number is."""
        found = self.indices
        if found is None:
            return None
        return range(found.start - self.first, found.stop - self.first, found.step)

    def name_of(self, index: int) -> str:
        """Return the name of the frame of a number: that of an image's file, or the number with 8 digits."""
        return f"{index:08d}"

    def __len__(self) -> int:
        if self.indices is None:
            raise TypeError(f"{self}: the number of frames is unknown before they are read")
        return len(self.indices)

    def __iter__(self) -> Iterator[Frame]:
        frames = self._ahead()
        first = next(frames, None)
        if first is None:
            raise DataError(f"{self}: no frame could be read from frame {self.start} on")
        yield first
        yield from frames

    def _ahead(self) -> Iterator[Frame]:
        """Return the frames, decoded a few ahead of the one in use."""
        return prefetch(self._decoded(), PREFETCHED_FRAMES)

    def _decoded(self) -> Iterator[Frame]:
        with closing(self._undecoded()) as frames:
            end = None if self.end is None else self.end - self.first
            for decode in islice(frames, self.start - self.first, end, self.stride):
                yield self._numbered(decode())

    def _numbered(self, frame: Frame) -> Frame:
        if not self.first:
            return frame
        number = self.first + frame.index
        return replace(frame, index=number, name=self.name_of(number))
