"""What every writer has in common: it takes frame after frame, and then finishes its files or discards them.

Files are written under a name that ends in ".part" and get their own name when they are complete. Nothing of
a frame is kept in memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING

from hqtrack import files
from hqtrack.video.objects import TrackedObject
from hqtrack.video.sources import Frame, FrameSource
from hqtrack.video.timecode import move_timecode

if TYPE_CHECKING:
    from PIL import Image as Pillow

    from hqtrack.video.tracked_frame import TrackedFrame


@dataclass(frozen=True)
class OutputLook:
    """How the overlay draws masks, and what is hidden."""

    opacity: float = 0.45
    """Share of an object's colour in the pixels of its mask; 0 leaves the outline alone."""
    texts: bool = True
    """True: each object's name or number is written on it."""
    hide_rest: bool = False
    """True: what hides objects hides everything but them."""


@dataclass(frozen=True)
class VideoFacts:
    """What the outputs keep of their source."""

    fps: Fraction
    """Frames per second that are written."""
    aspect: Fraction = Fraction(1)
    """Width of a pixel relative to its height."""
    timecode: str | None = None
    """Of the first frame that is written."""
    lost_timecode: str | None = None
    """Timecode of a source that cannot count the frames that are written."""
    objects: Sequence[TrackedObject] = ()
    """All objects that may join, where they are known before."""
    begins: Mapping[int, int] = field(default_factory=dict)
    """Index of the frame in which the object of an id is given, where objects are seen before that."""
    title: str = "video"
    """What the source is called."""
    first: int = 0
    """Number of the source's first frame."""
    sound: Path | None = None
    """A file whose sound belongs to the frames."""
    look: OutputLook = OutputLook()

    @property
    def marked(self) -> bool:
        """Return whether a person named or coloured an object."""
        return any(each.name or each.colour for each in self.objects)


def facts_of(
    source: FrameSource,
    objects: Sequence[TrackedObject] = (),
    begins: Mapping[int, int] | None = None,
    look: OutputLook | None = None,
) -> VideoFacts:
    """Return what the outputs keep of a source, counted from the first frame that is read of it."""
    given = source.timecode
    kept = (
        None
        if given is None
        else move_timecode(given, source.start - source.first, source.fps, source.stride)
    )
    lost = given if kept is None else None
    return VideoFacts(
        fps=source.fps / source.stride,
        aspect=source.aspect,
        timecode=kept,
        lost_timecode=lost,
        objects=objects,
        begins=begins or {},
        title=Path(str(source)).stem,
        first=source.first,
        sound=source.sound_file,
        look=look or OutputLook(),
    )


def frame_stem(frame: Frame) -> str:
    """Return the name, without suffix, of an image that is made of a frame.

    Example:
        >>> frame_stem(Frame(image, 12, Fraction(1, 2), "00000012"))  # doctest: +SKIP
        'frame_000012'
    """
    return Path(frame.name).stem if Path(frame.name).suffix else f"frame_{frame.index:06d}"


def file_name_of(frame: Frame) -> str:
    """Return the image file that annotations of a frame name: the input's own, else that of `--frames`."""
    return frame.name if Path(frame.name).suffix else f"{frame_stem(frame)}.png"


class Writer(ABC):
    """One kind of output.

    Args:
        path: The file or folder that it makes, in a folder that exists.
        facts: What is known of the video.

    Example:
        >>> writer = BoxTable(Path("out/boxes.csv"), facts)  # doctest: +SKIP
        >>> for tracked in results:  # doctest: +SKIP
        ...     writer.write(tracked)
        >>> writer.finish()  # doctest: +SKIP
    """

    note: Callable[[Path], None] | None = None
    """Called with every file before it gets its name."""

    def __init__(self, path: Path, facts: VideoFacts) -> None:
        self.path = path
        self._facts = facts
        self._part = self.path.with_name(self.path.name + ".part")

    @abstractmethod
    def write(self, tracked: TrackedFrame) -> None:
        """Take the next frame with the masks of all objects so far; they grow in number as objects join."""

    @abstractmethod
    def finish(self) -> None:
        """Complete the files and give them their names."""

    @abstractmethod
    def discard(self) -> None:
        """Remove what is unfinished; never raises."""

    def _name(self, part: Path, path: Path, *, sync: bool = True) -> None:
        """Rename a complete file."""
        if self.note is not None:
            self.note(path)
        files.put_in_place(part, path, sync=sync)


class TextWriter(Writer):
    """A writer of one text file."""

    def __init__(self, path: Path, facts: VideoFacts) -> None:
        super().__init__(path, facts)
        self._file: IO[str] = files.create_text(self._part)

    def finish(self) -> None:
        """Close the file and give it its name."""
        self._file.close()
        self._name(self._part, self.path)

    def discard(self) -> None:
        """Remove the file."""
        with suppress(OSError):  # closing writes what is buffered, which a full disk refuses
            self._file.close()
        files.remove(self._part)


class ImageWriter(Writer):
    """A writer of PNG images into a folder; an image that is finished stays when the rest is discarded."""

    def save(self, image: Pillow.Image, name: str, *, compress_level: int = 6) -> None:
        """Write an image whole.

        Args:
            image: What to write.
            name: Below the folder, without suffix; it may have folders.
            compress_level: Of PNG, 0 to 9.
        """
        path = self.path / f"{name}.png"
        for folder in (self.path, path.parent):
            files.make_folder(folder)
        with files.create(self._image_part) as file:
            image.save(file, format="PNG", compress_level=compress_level)
        self._name(self._image_part, path, sync=False)

    @property
    def _image_part(self) -> Path:
        return self.path / "image.png.part"

    def finish(self) -> None:
        """Nothing is left to do."""

    def discard(self) -> None:
        """Remove an unfinished image."""
        files.remove(self._image_part)
