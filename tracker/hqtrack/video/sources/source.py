"""What every source of frames has in common.

Frames are decoded in a thread of their own, a few ahead of the one in use, so that decoding costs no time
where the work on a frame takes longer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from hqtrack.errors import DataError, InputError
from hqtrack.video.sources.prefetch import prefetch

if TYPE_CHECKING:
    from hqtrack.images import Image

PREFETCHED_FRAMES = 3
"""Frames decoded ahead: enough to even out slow ones, 75 MB at 3840 x 2160."""

LARGEST_FRAME_NUMBER = 10**9
"""Frames, of which no video has more: larger numbers are mistakes."""

IMAGE_RATE = Fraction(25)
"""Frames per second of images, which carry no rate of their own."""


@dataclass(frozen=True)
class FrameWindow:
    """Which frames of a source are read."""

    start: int
    end: int | None
    stride: int


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a source."""

    image: Image
    """(H, W, 3) uint8 RGB."""
    index: int
    """Position in the whole source, from 0, whatever start and stride are."""
    time: Fraction
    """Seconds since the source's first frame."""
    name: str
    """File name of an image, or the index with 8 digits; no two frames differ only in its suffix."""


class FrameSource(ABC):
    """Frames of a folder, video or camera, to be iterated as often as wanted (a camera continues).

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

    def __init__(self, *, start: int, end: int | None, stride: int, count: int | None) -> None:
        if start < 0:
            raise InputError(f"start = {start}: frames count from 0")
        if stride < 1:
            raise InputError(f"stride = {stride}: must be at least 1")
        if end is not None and end <= start:
            raise InputError(f"end = {end}: must be greater than start = {start}; frame {end} is not read")
        if max(start, stride, end or 0) > LARGEST_FRAME_NUMBER:
            raise InputError(
                f"start, end and stride must be at most {LARGEST_FRAME_NUMBER:,}: no video has more frames"
            )
        if count is not None and start >= count:
            raise DataError(f"{self}: start = {start}, but there are only {count} frames")
        self.start, self.end, self.stride = start, end, stride
        self.total = count
        """Frames of the whole source; None where it is unknown before they are read."""

    @cached_property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """Height and width of the first frame."""

    @abstractmethod
    def __str__(self) -> str:
        """Name of the source for messages."""

    @abstractmethod
    def _undecoded(self) -> Generator[Callable[[], Frame], None, None]:
        """Return for every frame of the source what decodes it; frames that are skipped are never decoded."""

    @property
    def indices(self) -> range | None:
        """Indices of the frames that will be read; None where the length of the source is unknown."""
        ends = [end for end in (self.end, self.total) if end is not None]
        return range(self.start, min(ends), self.stride) if ends else None

    def name_of(self, index: int) -> str:
        """Return the name of a frame: that of an image's file, or the index with 8 digits."""
        return f"{index:08d}"

    def __len__(self) -> int:
        if self.indices is None:
            raise TypeError(f"{self}: the number of frames is unknown before they are read")
        return len(self.indices)

    def __iter__(self) -> Iterator[Frame]:
        frames = prefetch(self._decoded(), PREFETCHED_FRAMES)
        first = next(frames, None)
        if first is None:
            raise DataError(f"{self}: no frame could be read from frame {self.start} on")
        yield first
        yield from frames

    def _decoded(self) -> Iterator[Frame]:
        with closing(self._undecoded()) as frames:
            for decode in islice(frames, self.start, self.end, self.stride):
                yield decode()
