"""Where frames come from: a folder or glob of images, a video file, a camera.

Frames are decoded in a thread of their own, a few ahead of the one in use, so that decoding costs no time
where the work on a frame takes longer.
"""

from __future__ import annotations

import glob
import logging
import os
import re
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from hqtrack.errors import DataError, InputError
from hqtrack.images import (
    IMAGE_SUFFIXES,
    Image,
    Levels,
    images_in,
    levels_in,
    levels_of,
    natural_order,
    read_image,
    stretched,
)
from hqtrack.video.pictures import image_of_picture, main_stream, whole_pictures
from hqtrack.video.prefetch import prefetch

logger = logging.getLogger(__name__)

PREFETCHED = 3
"""Frames decoded ahead: enough to even out slow ones, 75 MB at 3840 x 2160."""

MOST = 10**9
"""Frames, of which no video has more: larger numbers are mistakes."""

SLOWEST, FASTEST = 0.0001, 1000
"""Frames per second that times and containers can express."""

JUMP = 60
"""Seconds between frames that are a jump of a file's times rather than a pause."""

MISSING = 3
"""Frames that may be missing at the end of a video: the last ones of a camera are often cut."""

IMAGE_RATE = Fraction(25)
"""Frames per second of images, which carry no rate of their own."""


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
    """Frames of a folder, video or camera, to be iterated as often as wanted (a camera goes on).

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
        if max(start, stride, end or 0) > MOST:
            raise InputError(f"start, end and stride must be at most {MOST:,}: no video has more frames")
        if count is not None and start >= count:
            raise DataError(f"{self}: start = {start}, but there are only {count} frames")
        self.start, self.end, self.stride = start, end, stride
        self._total = count

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
        ends = [end for end in (self.end, self._total) if end is not None]
        return range(self.start, min(ends), self.stride) if ends else None

    def __len__(self) -> int:
        if self.indices is None:
            raise TypeError(f"{self}: the number of frames is unknown before they are read")
        return len(self.indices)

    def __iter__(self) -> Iterator[Frame]:
        frames = prefetch(self._decoded(), PREFETCHED)
        first = next(frames, None)
        if first is None:
            raise DataError(f"{self}: no frame could be read from frame {self.start} on")
        yield first
        yield from frames

    def _decoded(self) -> Iterator[Frame]:
        with closing(self._undecoded()) as frames:
            for decode in islice(frames, self.start, self.end, self.stride):
                yield decode()


def open_frames(
    source: str | Path | int,
    *,
    start: int = 0,
    end: int | None = None,
    stride: int = 1,
    fps: Fraction | float | None = None,
    left_out: Sequence[str | Path] = (),
    levels: Levels | None = None,
) -> FrameSource:
    """Open a source of frames.

    Args:
        source: A video file, a folder of images (in natural order: 2 before 10), an image, a glob such as
            "shots/*.png", or the index of a camera.
        start: First frame to read; frames count from 0.
        end: First frame that is not read any more; None reads to the end.
        stride: Every how many frames one is read.
        fps: Frame rate of images, 25 if None; a video file has its own.
        left_out: Files, such as masks, that are no frames; images that are named alike are none either.
        levels: Values of images of 10 to 16 bits that become black and white; by default percentiles of the
            first frame.

    Raises:
        DataError: There is no such source, or it holds no frames.
        InputError: Start, end, stride or fps are out of range.

    Example:
        >>> for frame in open_frames("clip.mp4", stride=2):  # doctest: +SKIP
        ...     print(frame.index, float(frame.time), frame.image.shape)
    """
    if fps is not None and not SLOWEST <= fps <= FASTEST:
        raise InputError(f"fps = {fps}: must be {SLOWEST} to {FASTEST}")
    path = Path(str(source))
    window = _Window(start, end, stride)
    rate = IMAGE_RATE if fps is None else exact_rate(fps)
    try:
        path.stat()
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:  # the second for names that no file can have
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{str(source)[:80]}: cannot be read: {reason}") from error
    if path.is_dir():
        return ImageFrames(frames_among(images_in(path), left_out), str(path), rate, window, levels)
    if path.suffix.lower() in MOVING_SUFFIXES and path.is_file():
        pages = _page_count(path)
        if pages > 1 and path.suffix.lower() in (".png", ".apng"):
            return VideoFrames(path, window)
        if pages > 1:
            return PageFrames(path, pages, rate, window, levels)
    if path.suffix.lower() in IMAGE_SUFFIXES - {".avif"} and path.is_file():
        return ImageFrames([path], str(path), rate, window, levels)
    if path.is_file():
        return VideoFrames(path, window)
    if path.exists():
        raise DataError(f"{path}: is no file of frames but a pipe or device; save its frames in a file first")
    if str(source).isdecimal():
        return CameraFrames(str(source), window)
    if glob.has_magic(str(source)):
        files = [Path(file) for file in glob.glob(str(source), recursive=True) if Path(file).is_file()]
        if not files:
            raise DataError(f"{source}: no file fits this pattern")
        return ImageFrames(frames_among(natural_order(files), left_out), str(source), rate, window, levels)
    raise DataError(
        f"{source}: no such file or folder; give a video file, a folder of images, a pattern in quotes, "
        "or the number of a camera"
    )


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
        raise DataError(f"{files[0].parent}: holds masks only, and no frames")
    if alike:
        first = min(alike).name
        more = f" and {len(alike) - 1} more like it" if len(alike) > 1 else ""
        logger.warning("%s%s: left out of the frames, since the masks are named so", first, more)
    return kept


def exact_rate(fps: Fraction | float) -> Fraction:
    """Return a frame rate as a fraction that containers can hold, as it is written.

    Example:
        >>> exact_rate(0.0005), exact_rate(29.97)
        (Fraction(1, 2000), Fraction(2997, 100))
    """
    return Fraction(str(fps)).limit_denominator(100_000)


@dataclass(frozen=True)
class _Window:
    """Which frames of a source are read."""

    start: int
    end: int | None
    stride: int


class ImageFrames(FrameSource):
    """Image files, one a frame."""

    def __init__(
        self,
        files: Sequence[Path],
        title: str,
        fps: Fraction,
        window: _Window,
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
        height, width = self.image(self.start).shape[:2]
        return height, width

    @cached_property
    def levels(self) -> Levels | None:
        """The values that become black and white in all frames; None for frames of 8 bits."""
        if self._given_levels is not None:
            return self._given_levels
        found = self._found_levels()
        if found is not None:
            logger.warning(
                "%s: frames of more than 8 bits; the range %g to %g, from the first, is stretched in "
                "all (--range LOW,HIGH chooses another)",
                *(self, *found),
            )
        return found

    def _found_levels(self) -> Levels | None:
        return levels_of(self.files[0])

    def image(self, index: int) -> Image:
        """Return a frame (H, W, 3) uint8 RGB."""
        return read_image(self.files[index], self.levels)

    def _undecoded(self) -> Generator[Callable[[], Frame], None, None]:
        for index, file in enumerate(self.files):
            yield partial(self._read, index, file)

    def _read(self, index: int, file: Path) -> Frame:
        name = file.name if self._distinct else f"{index:08d}"
        return Frame(self.image(index), index, index / self.fps, name)


MOVING_SUFFIXES = frozenset({".apng", ".png", ".tif", ".tiff", ".webp"})
"""Images of which a file may hold many."""


def _page_count(path: Path) -> int:
    try:
        with Pillow.open(path) as image:
            return int(getattr(image, "n_frames", 1))
    except Exception:  # who reads it says what is wrong
        return 1


class PageFrames(ImageFrames):
    """The pictures of one file: an animated WebP, or the pages of a TIFF."""

    def __init__(self, path: Path, count: int, fps: Fraction, window: _Window, levels: Levels | None) -> None:
        super().__init__([path] * count, str(path), fps, window, levels)
        self.stems = ()
        self._lock = threading.Lock()
        self._opened = Pillow.open(path)
        self._times = [Fraction(0)]
        for page in range(count - 1):
            self._opened.seek(page)
            self._opened.load()  # then a WebP knows its duration
            shown = self._opened.info.get("duration", 0)
            self._times.append(self._times[-1] + (Fraction(shown) / 1000 if shown else 1 / fps))
        if self._opened.info.get("duration", 0):
            self.fps = (count - 1) / self._times[-1]

    def _found_levels(self) -> Levels | None:
        return levels_in(self._page(0))

    def _page(self, index: int) -> npt.NDArray[Any]:
        with self._lock:
            try:
                self._opened.seek(index)
                deep = self._opened.mode[0] in "IF"
                return np.asarray(self._opened if deep else self._opened.convert("RGB"))
            except Exception as error:  # Pillow raises many kinds for damaged files
                raise DataError(f"{self}: picture {index} is not readable; is the file complete?") from error

    def image(self, index: int) -> Image:
        """Return a frame (H, W, 3) uint8 RGB."""
        page = self._page(index)
        if page.ndim == 2:
            page = np.repeat((stretched(page, self.levels) if self.levels else page >> 8)[..., None], 3, 2)
        return np.asarray(page, dtype=np.uint8)

    def _read(self, index: int, file: Path) -> Frame:
        return Frame(self.image(index), index, self._times[index], f"{index:08d}")


class VideoFrames(FrameSource):
    """A video file. Frames keep their own times, so that a variable frame rate survives."""

    def __init__(self, path: Path, window: _Window) -> None:
        self.path, self.files = path, [path]
        with self._open() as container:
            self.stream = main_stream(path, container)
            stream = container.streams.video[self.stream]
            rate = stream.average_rate or stream.guessed_rate
            self.fps = Fraction(rate) if rate else IMAGE_RATE
            self.aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
            places = [container.metadata, *(each.metadata for each in container.streams)]
            self.timecode = next((place["timecode"] for place in places if "timecode" in place), None)
            count = stream.frames or None
            self._length = _length(container, stream)
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

    def _open(self) -> av.container.InputContainer:
        try:
            container = av.open(os.path.abspath(self.path), metadata_errors="replace")
        except (av.error.FFmpegError, OSError) as error:
            raise DataError(f"{self.path}: not a readable video: {_reason(error)}") from error
        if not container.streams.video:
            container.close()
            raise DataError(f"{self.path}: there is no picture in this file")
        return container

    def _undecoded(self) -> Generator[Callable[[], Frame], None, None]:
        with self._open() as container:
            stream = container.streams.video[self.stream]
            stream.thread_type = "AUTO"
            begin: Fraction | None = None
            frames = whole_pictures(stream, container.decode(stream))
            origin = stream.start_time * stream.time_base if stream.start_time and stream.time_base else None
            late = Fraction(0)  # by which times are too large since they jumped
            last = None
            longest = max(Fraction(JUMP), 20 / self.fps)
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
                yield partial(_frame_of_picture, picture, index, seconds - begin)
                index += 1

    def _missing(self, count: int, end: Fraction) -> int | None:
        """Describe how many frames are missing after so many, the last of which ended then; None if unknown.

        Frames count as missing only if both the time and the number say so, where both are known: an edit can
        leave out frames that the file has, and the last frame may be shown for long.
        """
        if self._length is None:
            return None
        missing = round((self._length - end) * self.fps)
        if self._total is not None:
            missing = min(missing, self._total - count)
        return missing if missing > MISSING else 0

    def _check_end(self, count: int, end: Fraction) -> None:
        """Notice a video that ends early: FFmpeg's threads keep errors to themselves."""
        missing = self._missing(count, end)
        if missing:
            raise DataError(
                f"{self.path}: {count} of about {count + missing} frames could be read; the file is damaged "
                "or cut short, copy it again"
            )


def _length(container: av.container.InputContainer, stream: av.VideoStream) -> Fraction | None:
    """Return how long a file says its picture is, in seconds; None if it does not say."""
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    said = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if said:
        return 3600 * int(said[1]) + 60 * int(said[2]) + Fraction(said[3])
    if container.duration and len(container.streams) == 1:
        return Fraction(container.duration, av.time_base)
    return None


def _frame_of_picture(picture: av.VideoFrame, index: int, seconds: Fraction) -> Frame:
    return Frame(image_of_picture(picture), index, seconds, f"{index:08d}")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def may_be_camera(number: str) -> bool:
    """Whether a number can be a camera's: OpenCV, asked for one that is not there, prints a page."""
    return len(number) <= 3 and (sys.platform != "linux" or Path(f"/dev/video{int(number)}").exists())


class CameraFrames(FrameSource):
    """A camera, read until the reader stops."""

    live = True

    def __init__(self, number: str, window: _Window) -> None:
        if not may_be_camera(number):
            raise DataError(f"{number[:40]}: there is no file or folder of this name, and no such camera")
        self._camera = camera = int(number)
        self._capture = cv2.VideoCapture(camera)
        if not self._capture.isOpened():
            raise DataError(
                f"camera {camera} cannot be opened; is it connected, and used by no other program?"
            )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = Fraction(rate).limit_denominator(1001) if 0 < rate <= 1000 else IMAGE_RATE
        super().__init__(start=window.start, end=window.end, stride=window.stride, count=None)

    def __str__(self) -> str:
        return f"camera {self._camera}"

    @cached_property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames."""
        get = self._capture.get
        return int(get(cv2.CAP_PROP_FRAME_HEIGHT)), int(get(cv2.CAP_PROP_FRAME_WIDTH))

    def _undecoded(self) -> Generator[Callable[[], Frame], None, None]:
        begin = time.monotonic()
        index = 0
        while self._capture.grab():
            seconds = Fraction(time.monotonic() - begin).limit_denominator(90_000)
            yield partial(self._retrieve, index, seconds)
            index += 1

    def _retrieve(self, index: int, seconds: Fraction) -> Frame:
        good, picture = self._capture.retrieve()
        if not good:
            raise DataError(f"{self}: frame {index} cannot be read; was the camera unplugged?")
        image: Image = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8)
        return Frame(image, index, seconds, f"{index:08d}")
