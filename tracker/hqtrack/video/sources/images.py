"""Images as frames: files of a folder or pattern, and files of many pictures."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from fractions import Fraction
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from hqtrack.errors import DataError, InputError
from hqtrack.images import (
    Image,
    Levels,
    deep_values,
    levels_among,
    read_image,
    source_of_levels,
    stretched,
    too_large,
)
from hqtrack.video.presence import NUMBER
from hqtrack.video.sources.source import Frame, FrameSource, FrameWindow

logger = logging.getLogger(__name__)


def frames_among(files: Sequence[Path], left_out: Sequence[str | Path]) -> list[Path]:
    """Leave masks out of the images of a folder: those that are named, and those that are named alike.

    For 00000_mask.png these are 00001_mask.png and so on, where there is a frame 00001; for 00000.png, where
    there is 00000.jpg, all PNG files that have such a twin.

    Raises:
        DataError: No frame is left.
    """
    masks = {os.path.realpath(file) for file in left_out}
    named = [file for file in files if os.path.realpath(file) in masks]
    others = [file for file in files if file not in named]
    stems = {file.stem for file in others}
    alike = set(named)
    for mask in named:
        if mask.stem in stems:
            twins = Counter(file.stem for file in files)
            alike |= {file for file in files if file.suffix == mask.suffix and twins[file.stem] > 1}
        frame = max((stem for stem in stems if mask.stem.startswith(stem)), key=len, default=mask.stem)
        tail = mask.stem.removeprefix(frame)
        if tail:
            alike |= {file for file in others if file.stem.removesuffix(tail) in stems - {file.stem}}
    kept = [file for file in files if file not in alike]
    if not kept:
        raise DataError(f"{files[0].parent}: contains masks only, and no frames")
    if alike:
        first = min(alike).name
        more = f" and {len(alike) - 1} more like it" if len(alike) > 1 else ""
        logger.warning("%s%s: left out of the frames, since the masks are named so", first, more)
    kinds = Counter(file.suffix.lower() for file in kept)
    if len(kinds) > 1:
        counted = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        logger.warning("%s: holds images of several kinds, and all are frames: %s", kept[0].parent, counted)
    return kept


def numbered_files(pattern: str) -> list[Path] | None:
    """Return the files of a pattern of film people, shot.%04d.png or shot.####.png, by their numbers.

    Numbers that are missing between them are logged. None if it is not such a pattern.
    """
    path = Path(pattern)
    place = NUMBER.search(path.name)
    if place is None:
        return None
    digits = place[1] or (len(place[0]) if place[0][0] == "#" else 1)
    before, after = re.escape(path.name[: place.start()]), re.escape(path.name[place.end() :])
    names = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
    fitting = (re.fullmatch(rf"{before}(\d{{{digits},}}){after}", name) for name in names)
    found = sorted((int(match[1]), path.parent / match[0]) for match in fitting if match)
    twice = next(((a, b) for (n, a), (m, b) in pairwise(found) if n == m), None)
    if twice is not None:
        raise InputError(
            f"{pattern}: {twice[0].name} and {twice[1].name} have one number, so these are two sequences; "
            "move one of them to another folder"
        )
    gaps = [(a, b) for (a, _), (b, _) in pairwise(found) if b > a + 1]
    if gaps:
        missing = sum(b - a - 1 for a, b in gaps)
        logger.warning("%s: %d numbers are missing, first between %d and %d", pattern, missing, *gaps[0])
    return [file for _, file in found]


class ImageFrames(FrameSource):
    """Image files, one a frame."""

    def __init__(
        self,
        files: Sequence[Path],
        title: str,
        fps: Fraction,
        window: FrameWindow,
        levels: Levels | None = None,
    ) -> None:
        self._given_levels = levels
        self.files, self._title, self.fps = files, title, fps
        # A pattern may match files of one name in several folders.
        self.stems = [file.stem for file in files]
        self._distinct = len({*self.stems}) == len(files)
        super().__init__(start=window.start, end=window.end, stride=window.stride, count=len(files))

    def __str__(self) -> str:
        return self._title

    @cached_property
    def size(self) -> tuple[int, int]:
        """Height and width of the first frame."""
        height, width = self.image(self.start - self.first).shape[:2]
        return height, width

    @cached_property
    def levels(self) -> Levels | None:
        """The values that become black and white in all frames; None for frames of 8 bits."""
        if self._given_levels is not None:
            return self._given_levels
        position, found = levels_among(self._values())
        if found is not None:
            logger.warning(
                "%s: frames of more than 8 bits; the range %g to %g, %s, is stretched in "
                "all (--range LOW,HIGH chooses another)",
                *(self, *found, source_of_levels(position, self.first + position)),
            )
        return found

    def _values(self) -> Iterator[npt.NDArray[Any] | None]:
        """Yield what frames hold, None for those of 8 bits."""
        return (deep_values(file) for file in self.files)

    def image(self, index: int) -> Image:
        """Return the frame (H, W, 3) uint8 RGB of a position, counted from 0."""
        return read_image(self.files[index], self.levels)

    def name_of(self, index: int) -> str:
        """Return the name of a frame's file, or its number where several files have one name."""
        return self.files[index - self.first].name if self._distinct else super().name_of(index)

    def _own_first(self) -> int:
        """Return the number at the end of the first file's name; the others must follow without a gap."""
        found = [re.search(r"(\d{1,9})$", stem) for stem in self.stems]
        numbers = [int(each[1]) for each in found if each]
        if not numbers or len(numbers) < len(found):
            return super()._own_first()
        gap = next(((a, b) for a, b in pairwise(numbers) if b != a + 1), None)
        if gap is not None:
            raise InputError(
                f"first number auto: {self} has no frame between {gap[0]} and {gap[1]}; "
                f"take --first-number {numbers[0]}, which counts the files"
            )
        return numbers[0]

    def _undecoded(self) -> Generator[Callable[[], Frame], None, None]:
        for index, file in enumerate(self.files):
            yield partial(self._read, index, file)

    def _read(self, index: int, file: Path) -> Frame:
        return Frame(self.image(index), index, index / self.fps, self.name_of(self.first + index))


_TIFF_BITS = 258
"""The tag of a TIFF that has the bits of each channel."""

MOVING_SUFFIXES = frozenset({".apng", ".png", ".tif", ".tiff", ".webp"})
"""Images of which a file may hold many."""


def page_count(path: Path) -> int:
    """Return how many pictures a file has; 1 where it is not readable."""
    try:
        with Pillow.open(path) as image:
            return int(getattr(image, "n_frames", 1))
    except Exception:  # who reads it says what is wrong
        return 1


class PageFrames(ImageFrames):
    """The pictures of one file: an animated WebP, or the pages of a TIFF."""

    def __init__(
        self, path: Path, count: int, fps: Fraction, window: FrameWindow, levels: Levels | None
    ) -> None:
        super().__init__([path] * count, str(path), fps, window, levels)
        self.stems = ()
        self._lock = threading.Lock()
        self._opened = Pillow.open(
            path.open("rb")
        )  # by its path it mixes pixels of pages that are to be turned
        self._times = [Fraction(0)]
        for page in range(count - 1):
            self._seek(page)
            self._opened.load()  # then a WebP knows its duration
            shown = self._opened.info.get("duration", 0)
            self._times.append(self._times[-1] + (Fraction(shown) / 1000 if shown else 1 / fps))
        bits = getattr(self._opened, "tag_v2", {}).get(_TIFF_BITS, ())
        self._deep_colours = len(bits) > 1 and max(bits) > 8
        if self._opened.info.get("duration", 0):
            self.fps = (count - 1) / self._times[-1]

    def times(self) -> Iterator[Fraction]:
        """Yield the time of each picture, in seconds since the first."""
        return iter(self._times)

    def _values(self) -> Iterator[npt.NDArray[Any] | None]:
        """Yield what pages hold."""
        return (self._page(index) for index in range(len(self.files)))

    def _seek(self, index: int) -> None:
        self._opened.seek(index)
        if problem := too_large(self.files[0], *self._opened.size):
            raise problem

    def _page(self, index: int) -> npt.NDArray[Any]:
        with self._lock:
            if self._deep_colours:
                return self._deep_page(index)
            try:
                self._seek(index)
                deep = self._opened.mode[0] in "IF"
                return np.asarray(self._opened if deep else self._opened.convert("RGB"))
            except DataError:
                raise
            except Exception as error:  # Pillow raises many kinds for damaged files
                raise DataError(f"{self}: picture {index} is not readable; is the file complete?") from error

    def _deep_page(self, index: int) -> npt.NDArray[Any]:
        """Return a page (H, W, 3) of colours of more than 8 bits, of which Pillow keeps 8."""
        content = np.memmap(self.files[0], np.uint8, mode="r")
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
        good, pages = cv2.imdecodemulti(content, flags, None, (index, index + 1))
        if not good or not pages:
            raise DataError(f"{self}: picture {index} is not readable; is the file complete?")
        return np.asarray(pages[0])[..., ::-1]

    def image(self, index: int) -> Image:
        """Return a frame (H, W, 3) uint8 RGB."""
        page = self._page(index)
        if page.dtype != np.uint8:
            page = stretched(page, self.levels or (0, 65535))
        if page.ndim == 2:
            page = np.repeat(page[..., None], 3, 2)
        return np.asarray(page, dtype=np.uint8)

    def _read(self, index: int, file: Path) -> Frame:
        return Frame(self.image(index), index, self._times[index], f"{index:08d}")
