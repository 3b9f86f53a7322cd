"""What all formats have in common: a file, what it shows of objects, and the video that it is about."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from hqtrack.errors import DataError, InputError
from hqtrack.images import Size
from hqtrack.masks import Mask
from hqtrack.video.objects import Colour
from hqtrack.video.prompts.frame_names import FrameNames

logger = logging.getLogger(__name__)

LARGEST_FILE = 512 << 20
"""Bytes. JSON takes nine times as much memory, and some seconds a 100 MB."""

MOST_MEMORY = 2 << 30
"""Bytes that the values of a file may take once they are parsed: a file may have nothing but numbers."""

_COUNTED_FROM = 16 << 20
"""Bytes of a file from which on its values are counted; those of smaller files always fit."""

_VALUE_BYTES: dict[str, dict[bytes, int]] = {
    ".json": {b"{": 250, b"[": 80, b",": 40},
    ".geojson": {b"{": 250, b"[": 80, b",": 40},
    ".xml": {b"<": 130, b"=": 90},
    ".npy": {},
    ".npz": {},
}
"""Bytes of memory for each occurrence of what separates values, by the suffix of a file."""

_TABLE_BYTES = {mark: 60 for mark in (b",", b";", b"\t", b" ", b"\n")}
"""The same for files with a line for each object."""

Box = tuple[float, float, float, float]
"""x, y, width, height in pixels."""
Point = tuple[float, float]
"""x, y in pixels."""


@dataclass(frozen=True)
class Annotation:
    """An object, or a part of it, as a file shows it in one frame: by a mask, a box or points."""

    frame: int
    """Index in the whole source."""
    mask: Callable[[], Mask] | None = None
    """Returns (H, W) bool, which may be empty; called for the frames that are needed alone."""
    box: Box | None = None
    points: tuple[Point, ...] = ()
    track: int | str | None = None
    """What is the same for one object in all frames, and for all its parts in one; None if nothing is."""
    kind: str = ""
    """Its category or label."""
    kind_id: int | None = None
    """The id of an object that is alone of its kind."""
    name: str = ""
    """What outputs call it."""
    colour: Colour | None = None
    origin: str = ""
    """The name of its file."""

    def __post_init__(self) -> None:
        """Check what a file says: JSON has true, 1.5 and lists where numbers are meant.

        Raises:
            TypeError: A value is of another type.
            ValueError: The frame is negative.
        """
        for value, types in ((self.frame, (int,)), (self.track, (int, str)), (self.kind_id, (int,))):
            if value is not None and type(value) not in types:
                raise TypeError(f"{value!r} is no number of a frame or object")
        if self.frame < 0:
            raise ValueError(f"frame {self.frame}: frames count from 0")


@dataclass
class TargetVideo:
    """The video that annotations are about."""

    size: Size
    """Height and width of its frames."""
    start: int
    """The frame in which objects begin that are given without one."""
    frames: FrameNames
    _reported: set[str] = field(default_factory=set)

    def report(self, path: Path, what: str) -> None:
        """Log what was guessed about a file, once of all files."""
        if what not in self._reported:
            self._reported.add(what)
            logger.warning("annotations %s: %s", path, what)

    def check_size(self, path: Path, width: Any, height: Any) -> None:
        """Check the size of the picture that was annotated; a file that does not have it has None or 0.

        Raises:
            InputError: It is not that of the frames.
        """
        if width and height and (int(height), int(width)) != self.size:
            raise InputError(
                f"annotations {path}: are of pictures of {width} x {height} pixels, but the frames have "
                f"{self.size[1]} x {self.size[0]}"
            )

    def frame_of(self, path: Path, *names: str) -> int:
        """Return the frame of a file that annotates one picture: the first of the names that is a frame's."""
        names = (*(name for name in names if name), path.name)
        for name in names:
            frame = self.frames.index_of(name)
            if frame is not None:
                self._report_numbers(path)
                return frame
        number = self.start + self.frames.first
        self.report(path, f"{names[0]} is not the name of a frame; its objects begin in frame {number}")
        return self.start

    def frames_of(self, path: Path, names: Sequence[str]) -> list[int | None]:
        """Return the frames of several pictures by their names; None for pictures of other videos.

        Raises:
            InputError: No picture is a frame of this video, or two are the same.
        """
        found = [self.frames.index_of(name) for name in names]
        known = [index for index in found if index is not None]
        if not known and len(names) == 1:
            return [self.frame_of(path, names[0])]
        if names and not known:
            raise InputError(
                f"annotations {path}: {names[0]} is not the name of a frame" + self._named() + "; name the "
                "pictures like the frames, or keep one picture in the file"
            )
        if len(set(known)) < len(known):
            twice = next(index for index in known if known.count(index) > 1)
            both = [name for name, index in zip(names, found, strict=True) if index == twice]
            raise InputError(
                f"annotations {path}: {both[0]} and {both[1]} have the name of one frame; keep the "
                "pictures of one video in the file"
            )
        if len(known) < len(names):
            other = names[found.index(None)]
            count = len(names) - len(known)
            self.report(path, f"{other} and {count} in all are not names of frames, and are left out")
        self._report_numbers(path)
        return found

    def _report_numbers(self, path: Path) -> None:
        if not self.frames.stems:
            first = self.frames.first
            self.report(
                path, f"the numbers in names of pictures are read as frames, which count from {first}"
            )

    def _named(self) -> str:
        stems = self.frames.stems
        return f"; frames are named {stems[0]} to {stems[-1]}" if stems else ""


class AnnotationFile:
    """A file of any format, read once.

    Raises:
        DataError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.suffix = path, path.suffix.lower()
        try:
            if path.exists() and not path.is_file():
                raise DataError(f"annotations {path}: is not a file")
            if path.stat().st_size > LARGEST_FILE:
                raise InputError(
                    f"annotations {path}: has {path.stat().st_size >> 20} MB, and at most "
                    f"{LARGEST_FILE >> 20} are read; keep the annotations of this video in the file"
                )
            self.content = path.read_bytes()
        except OSError as error:
            raise DataError(f"annotations {path}: {error.strerror or error}") from error
        if not self.content.strip():
            raise InputError(f"annotations {path}: is an empty file, with no object")
        self._check_memory()

    def _check_memory(self) -> None:
        """Check before a file is parsed that its values fit into memory.

        Raises:
            InputError: They do not.
        """
        if len(self.content) < _COUNTED_FROM:
            return
        marks = _VALUE_BYTES.get(self.suffix, _TABLE_BYTES)
        counts = {mark: self.content.count(mark) for mark in marks}
        memory = sum(count * marks[mark] for mark, count in counts.items())
        if memory > MOST_MEMORY:
            raise InputError(
                f"annotations {self.path}: has {max(counts.values()):,} values or more, which would take "
                f"about {memory / (1 << 30):.1f} GB of memory; keep the annotations of this video in the file"
            )

    @cached_property
    def text(self) -> str:
        """The text of a file, in UTF-8 or 16, or else Latin letters."""
        for start, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8-sig")):
            if self.content.startswith(start):
                try:
                    return self.content.decode(encoding)
                except UnicodeDecodeError:
                    break
        return self.content.decode("latin-1")

    @cached_property
    def lines(self) -> list[str]:
        """The lines of a text file without spaces around them; blank ones, too, but for those at the end."""
        return [line.strip() for line in self.text.rstrip().split("\n")]

    @cached_property
    def json(self) -> Any:
        """What a JSON file holds; None in other files.

        Raises:
            DataError: It is damaged.
        """
        if self.suffix not in (".json", ".geojson"):
            return None
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"annotations {self.path}: is not readable JSON: {str(error)[:120]}") from error

    @cached_property
    def xml(self) -> ElementTree.Element | None:
        """The root of an XML file; None in other files.

        Raises:
            DataError: It is damaged.
        """
        if self.suffix != ".xml":
            return None
        plain = self.content.replace(b"\0", b"")  # UTF-16 and UTF-32 have zeros between the letters
        if b"<!ENTITY" in plain:  # by which a small file can become a huge one
            raise DataError(f"annotations {self.path}: defines entities, which are not read")
        try:
            return ElementTree.fromstring(self.content)
        except (ElementTree.ParseError, ValueError, LookupError) as error:
            raise DataError(f"annotations {self.path}: is not readable as XML: {error}") from error


@dataclass(frozen=True)
class PromptFormat:
    """A format that objects are read from."""

    title: str
    """As messages and docs name it."""
    content: str
    """What is read of it, in a few words."""
    suffixes: tuple[str, ...]
    """Of its files."""
    fits: Callable[[AnnotationFile], bool]
    """Returns whether a file with one of the suffixes is of this format."""
    read: Callable[[AnnotationFile, TargetVideo], list[Annotation]]
    """Reads it; raises InputError, or what Python raises where an entry is missing or of another type."""
