"""What tracking a video leaves: overlay video, label images, COCO masks, VOT trajectories, table of boxes.

Every writer takes one frame after another, and then either finishes its files or discards them. Files are
written under a name that ends in ".part" and get their own name when they are complete. Nothing of a frame is
kept in memory.
"""

from __future__ import annotations

import csv
import json
import logging
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import av
import cv2
import numpy as np
from PIL import Image as Pillow

from hqtrack.errors import DataError, HQTrackError, naming
from hqtrack.images import Image
from hqtrack.video.drawing import colour_of, draw_masks, palette
from hqtrack.video.objects import TrackedObject
from hqtrack.video.sources import FrameSource
from hqtrack.video.timecode import move_timecode
from hqtrack.video.tracked import Tracked

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

logger = logging.getLogger(__name__)


CODECS = ("libx264", "mpeg4")
"""Of the overlay, in the order of preference; FFmpeg always has the second."""

TICKS = 60_000
"""Frame times of the overlay are kept to about a second's part of this; MPEG-4 allows 65,535."""

ITU601 = 5
"""FFmpeg's number of the colour matrix with which RGB becomes YUV here, for players to turn back."""


@dataclass(frozen=True)
class VideoFacts:
    """What an overlay keeps of its source."""

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

    @property
    def marked(self) -> bool:
        """Whether a person named or coloured an object."""
        return any(each.name or each.colour for each in self.objects)


def facts_of(source: FrameSource, objects: Sequence[TrackedObject] = ()) -> VideoFacts:
    """Return what outputs keep of a source, counted from the first frame that is read of it."""
    given = source.timecode
    kept = None if given is None else move_timecode(given, source.start, source.fps, source.stride)
    lost = given if kept is None else None
    return VideoFacts(source.fps / source.stride, source.aspect, kept, lost, objects)


class Writer(ABC):
    """One kind of output.

    Args:
        folder: Where its file or folder is made; it exists.
        facts: What is known of the video.

    Example:
        >>> writer = BoxTable(Path("out"), facts)  # doctest: +SKIP
        >>> for tracked in results:  # doctest: +SKIP
        ...     writer.write(tracked)
        >>> writer.finish()  # doctest: +SKIP
    """

    name: str
    """Of the file or folder."""
    is_folder = False
    note: Callable[[Path], None] | None = None
    """Told of every file before it gets its name."""

    def __init__(self, folder: Path, facts: VideoFacts) -> None:
        self.path = folder / self.name
        self._facts = facts
        self._part = self.path.with_name(self.path.name + ".part")

    @abstractmethod
    def write(self, tracked: Tracked) -> None:
        """Take the next frame with the masks of all objects so far; they grow in number as objects join."""

    @abstractmethod
    def finish(self) -> None:
        """Complete the files and give them their names."""

    @abstractmethod
    def discard(self) -> None:
        """Remove what is unfinished; never raises."""

    def _name(self, part: Path, path: Path) -> None:
        """Return a complete file its name."""
        if self.note is not None:
            self.note(path)
        part.replace(path)


class OverlayVideo(Writer):
    """A video of the frames with the masks drawn over them: H.264, or MPEG-4 where that is missing.

    Frames keep their times, counted from the first one; pixels keep their aspect. H.264 needs even sides: an
    odd one is padded with a copy of the last column or row.
    """

    name = "overlay.mp4"

    def __init__(self, folder: Path, facts: VideoFacts) -> None:
        super().__init__(folder, facts)
        if facts.lost_timecode is not None:
            logger.warning(
                "the timecode %s is not kept: it cannot count the frames that are left", facts.lost_timecode
            )
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._begin = Fraction(0)
        self._last = -1

    def write(self, tracked: Tracked) -> None:
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
                self._container = av.open(os.path.abspath(self._part), "w", format="mp4")
                self._stream = self._add_stream(self._container, image)
            self._encode(image, frame.time - self._begin)

    def _encode(self, image: Image, time: Fraction) -> None:
        assert self._container is not None
        assert self._stream is not None
        picture = av.VideoFrame.from_ndarray(image, format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace=ITU601)
        base = self._stream.codec_context.time_base
        assert base is not None
        self._last = max(self._last + 1, round(time / base))
        picture.pts, picture.time_base = self._last, base
        self._container.mux(self._stream.encode(picture))

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
        context.colorspace = ITU601
        context.time_base = Fraction(1, max(1, TICKS // rate.numerator) * min(rate.numerator, TICKS))
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
        _remove(self._part)

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


class LabelImages(Writer):
    """A PNG for each frame, with its name: 0 background, else the object's id, in a palette's colours.

    Where an id is above 255 the images are grey with 16 bits, and cannot hold ids above 65535. A finished
    image stays when the rest is discarded.
    """

    name = "labels"
    is_folder = True

    def write(self, tracked: Tracked) -> None:
        """Write the frame's label image."""
        self.path.mkdir(parents=True, exist_ok=True)
        highest = max((each.id for each in [*self._facts.objects, *tracked.objects]), default=0)
        if highest > 255:
            labels = Pillow.fromarray(tracked.labels.astype(np.uint16))
        else:
            labels = Pillow.fromarray(tracked.labels, "P")
            labels.putpalette(palette().tobytes())
        labels.save(self._part_of_image(), format="PNG")
        self._name(self._part_of_image(), self.path / f"{Path(tracked.frame.name).stem}.png")

    def _part_of_image(self) -> Path:
        return self.path / "label.png.part"

    def finish(self) -> None:
        """Nothing is left to do."""

    def discard(self) -> None:
        """Remove an unfinished image."""
        _remove(self._part_of_image())


class _TextFile(Writer):
    """A writer of one text file."""

    def __init__(self, folder: Path, facts: VideoFacts) -> None:
        super().__init__(folder, facts)
        self._file: IO[str] = self._part.open("w", encoding="utf-8", newline="\n")

    def finish(self) -> None:
        """Close the file and give it its name."""
        self._file.close()
        self._name(self._part, self.path)

    def discard(self) -> None:
        """Remove the file."""
        with suppress(OSError):  # closing writes what is buffered, which a full disk refuses
            self._file.close()
        _remove(self._part)


class CocoMasks(_TextFile):
    """A COCO data set of all masks: images, annotations of the visible objects, a category for each object.

    An image's id is the frame's index in the source, a category's id and name are the object's. The file
    has one image or annotation a line.
    """

    name = "masks.json"

    def __init__(self, folder: Path, facts: VideoFacts) -> None:
        super().__init__(folder, facts)
        self._annotations = (
            folder / "masks.annotations.part"
        )  # the second of two lists that grow side by side
        self._second: IO[str] = self._annotations.open("w", encoding="utf-8", newline="\n")
        self._objects: Sequence[TrackedObject] = ()
        self._images_written = self._annotations_written = 0
        self._file.write('{\n"images": [')

    def write(self, tracked: Tracked) -> None:
        """Write the frame's image and annotations."""
        frame = tracked.frame
        height, width = frame.image.shape[:2]
        entry: dict[str, Any] = {
            "id": frame.index,
            "file_name": frame.name,
            "height": height,
            "width": width,
            "time": round(float(frame.time), 6),
        }
        self._images_written = _item(self._file, self._images_written, entry)
        self._objects = tracked.objects
        for each, box, run_lengths in zip(tracked.objects, tracked.boxes, tracked.run_lengths, strict=True):
            if box is None:
                continue
            entry = {
                "id": self._annotations_written + 1,
                "image_id": frame.index,
                "category_id": each.id,
                "segmentation": run_lengths,
                "bbox": box[:4],
                "area": box[4],
                "iscrowd": 0,
            }
            self._annotations_written = _item(self._second, self._annotations_written, entry)

    def finish(self) -> None:
        """Put the lists together."""
        self._second.close()
        categories = [
            {"id": each.id, "name": each.title} | ({"color": each.colour} if each.colour else {})
            for each in self._objects
        ]
        self._file.write(f'\n],\n"categories": {json.dumps(categories)},\n"annotations": [')
        with self._annotations.open(encoding="utf-8") as file:
            shutil.copyfileobj(file, self._file)
        self._file.write("\n]\n}\n")
        super().finish()
        self._annotations.unlink()

    def discard(self) -> None:
        """Remove both files."""
        super().discard()
        with suppress(OSError):
            self._second.close()
        _remove(self._annotations)


def _item(file: IO[str], earlier: int, entry: Mapping[str, Any]) -> int:
    """Write the next item of a JSON list; gives how many it has now."""
    file.write((",\n" if earlier else "\n") + json.dumps(entry))
    return earlier + 1


class Trajectories(Writer):
    """A text file for each object, one region a line, as the VOT toolkit writes results and reads them.

    As in the toolkit's results the line of the frame in which an object begins, whose mask is given, is 1,
    and that of each frame before is 0.
    """

    name = "trajectories"
    is_folder = True

    def __init__(self, folder: Path, facts: VideoFacts) -> None:
        super().__init__(folder, facts)
        from vot.region import Special  # slow to import
        from vot.region.io import write_trajectory
        from vot.region.shapes import Mask

        self._write_region, self._mask, self._special = write_trajectory, Mask, Special
        self._files: list[tuple[Path, IO[str]]] = []
        self._frames = 0
        self.path.mkdir(parents=True, exist_ok=True)

    def write(self, tracked: Tracked) -> None:
        """Write a line to each object's file."""
        joined = len(self._files)
        for (_, file), mask in zip(self._files, tracked.masks[:joined], strict=True):
            self._write_region(file, [self._mask(mask.astype(np.uint8), optimize=True)])
        for each in tracked.objects[joined:]:
            part = self.path / f"{each.id:03d}.txt.part"
            file = part.open("w", encoding="ascii", newline="\n")
            self._files.append((part, file))
            self._write_region(file, [self._special(0)] * self._frames + [self._special(1)])
        self._frames += 1

    def finish(self) -> None:
        """Close the files and give them their names."""
        for part, file in self._files:
            file.close()
            self._name(part, part.with_suffix(""))

    def discard(self) -> None:
        """Remove the files."""
        for part, file in self._files:
            with suppress(OSError):
                file.close()
            _remove(part)


class BoxTable(_TextFile):
    """A CSV table of boxes and areas in pixels: a row for each object in each frame since it began.

    The box of an object that is not seen is left blank, and its area is 0. Where a person named or coloured
    objects, two further columns have it.
    """

    name = "boxes.csv"
    columns = ("frame", "time", "object", "x", "y", "width", "height", "area")

    def __init__(self, folder: Path, facts: VideoFacts) -> None:
        super().__init__(folder, facts)
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(self.columns + (("name", "colour") if facts.marked else ()))

    def write(self, tracked: Tracked) -> None:
        """Write a row for each object."""
        frame = tracked.frame
        for each, box in zip(tracked.objects, tracked.boxes, strict=True):
            row = box or ("", "", "", "", 0)
            colour = "#{:02x}{:02x}{:02x}".format(*each.colour) if each.colour else ""
            marks = (each.name, colour) if self._facts.marked else ()
            self._rows.writerow((frame.index, f"{float(frame.time):.6f}", each.id, *row, *marks))


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


WRITERS: Mapping[str, type[Writer]] = {
    "overlay": OverlayVideo,
    "labels": LabelImages,
    "rle": CocoMasks,
    "trajectories": Trajectories,
    "csv": BoxTable,
}
"""Kinds of output by their names on the command line."""


def open_writer(kind: str, folder: Path, facts: VideoFacts) -> Writer:
    """Open a writer of one of `WRITERS` in a folder that exists."""
    return WRITERS[kind](folder, facts)


def earlier_files(kind: str, folder: Path) -> list[Path]:
    """Return the files that an earlier run left of a kind of output."""
    path = folder / WRITERS[kind].name
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix in (".png", ".txt"))
    return [path] if path.exists() else []


class Outputs:
    """All outputs of a video, side by side.

    Args:
        kinds: Keys of `WRITERS`.
        folder: Where they are made; it exists.
        facts: What is known of the video.
        note: Told of every file before it gets its name.
    """

    def __init__(
        self,
        kinds: Sequence[str],
        folder: Path,
        facts: VideoFacts,
        note: Callable[[Path], None] | None = None,
    ) -> None:
        self._writers: list[Writer] = []
        try:
            for kind in kinds:
                self._writers.append(open_writer(kind, folder, facts))
                self._writers[-1].note = note
        except BaseException:
            self.discard()
            raise

    @property
    def paths(self) -> tuple[Path, ...]:
        """File or folder of each output."""
        return tuple(writer.path for writer in self._writers)

    def write(self, tracked: Tracked) -> None:
        """Write the next frame to each of them."""
        for writer in self._writers:
            with naming(writer.path):
                writer.write(tracked)

    def finish(self) -> None:
        """Complete all of them; one that cannot be is discarded, and its error raised at the end."""
        failure: Exception | None = None
        for writer in self._writers:
            try:
                with naming(writer.path):
                    writer.finish()
            except (OSError, HQTrackError) as error:
                writer.discard()
                failure = failure or error
        if failure is not None:
            raise failure

    def discard(self) -> None:
        """Remove what is unfinished; never raises."""
        for writer in self._writers:
            writer.discard()
