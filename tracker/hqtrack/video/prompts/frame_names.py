"""How the frames of a source are named, by which annotations find theirs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath


@dataclass(frozen=True)
class FrameNames:
    """How the frames of a source are named, and which are read."""

    stems: Sequence[str] = ()
    """File names without suffix; none for a video."""
    indices: range | None = None
    """Frames that are read; None where the length of the source is unknown."""
    count: int | None = None
    """Frames of the whole source; None where it is unknown."""

    def reads(self, index: int) -> bool:
        """Return whether a frame is read."""
        return self.indices is None or index in self.indices

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
        return int(number[0]) if number else None

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
