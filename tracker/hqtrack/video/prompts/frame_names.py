"""How the frames of a source are named, by which annotations find theirs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from hqtrack.errors import InputError
from hqtrack.video.timecode import frame_number

NumberOf = Callable[[str], int]
"""Returns the number of the frame that a text names; raises InputError where it names none."""


def plain_number(text: str) -> int:
    """Read the number of a frame.

    Raises:
        InputError: It is none.
    """
    number = frame_number(text)
    if number is None:
        raise InputError(f"frame {text[:20]} is not a number; frames count from 0")
    return number


@dataclass(frozen=True)
class FrameNames:
    """How the frames of a source are named, and which are read."""

    stems: Sequence[str] = ()
    """File names without suffix; none for a video."""
    indices: range | None = None
    """Frames that are read, counted from 0; None where the length of the source is unknown."""
    count: int | None = None
    """Frames of the whole source; None where it is unknown."""
    first: int = 0
    """Number of the source's first frame. Files of annotations count from 0; so do the indices here."""
    number_of: NumberOf = plain_number
    """Returns the number of the frame that a text names, such as 120 or 1.5s."""

    def reads(self, index: int) -> bool:
        """Return whether a frame is read."""
        return self.indices is None or index in self.indices

    @property
    def read_ones(self) -> str:
        """The frames that are read, for messages."""
        if self.indices is None or len(self.indices) != 1:
            return "the frames that are read"
        return f"frame {self.indices[0] + self.first}"

    def index_of(self, name: str) -> int | None:
        """Return the frame that a file name belongs to; None if it is none's.

        Frames of a video have no names: there it is the number at the end of the name.

        Example:
            >>> FrameNames(["00005", "00010"]).index_of("clip/00010.jpg"), FrameNames().index_of("f_012.png")
            (1, 12)
        """
        stem = stem_of(name)
        if self.stems:
            return self._places.get(stem)
        number = re.search(r"\d{1,9}$", stem)
        index = int(number[0]) - self.first if number else -1
        return index if index >= 0 else None

    @cached_property
    def _places(self) -> dict[str, int]:
        return {stem: index for index, stem in enumerate(self.stems)}


def stem_of(name: str) -> str:
    """Return the name of a file without folders and suffix, whichever system wrote it.

    Example:
        >>> stem_of(r"C:\\shots\\a.0001.png")
        'a.0001'
    """
    return PurePosixPath(name.replace("\\", "/")).stem
