"""From what a person names to a source of frames."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

from hqtrack.errors import DataError, InputError
from hqtrack.images import IMAGE_SUFFIXES, Levels, images_in, natural_order
from hqtrack.video.presence import check_source, is_stream, missing
from hqtrack.video.sources.camera import CameraFrames
from hqtrack.video.sources.images import (
    MOVING_SUFFIXES,
    ImageFrames,
    PageFrames,
    frames_among,
    numbered_files,
    page_count,
)
from hqtrack.video.sources.source import IMAGE_RATE, FrameSource, FrameWindow
from hqtrack.video.sources.streams import StreamFrames
from hqtrack.video.sources.videos import VideoFrames

LOWEST_RATE, HIGHEST_RATE = 0.0001, 1000
"""Frames per second that times and containers can express."""


ARCHIVE_SUFFIXES = frozenset({".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip"})
"""Files of files, which are not read."""


def open_frames(
    source: str | Path | int,
    *,
    start: int | str | None = None,
    end: int | str | None = None,
    stride: int = 1,
    first_number: int | Literal["auto"] = 0,
    fps: Fraction | float | None = None,
    left_out: Sequence[str | Path] = (),
    levels: Levels | None = None,
) -> FrameSource:
    """Open a source of frames.

    Args:
        source: A video file, a folder of images (in natural order: 2 before 10), an image, a pattern such as
            "shots/*.png", "shot.%04d.png" or "shot.####.png", the index of a camera, the address of a stream
            (rtsp, http, https, udp), or "-" for a video on standard input.
        start: First frame to read: its number, or a text such as "1.5s" (see `FrameSource.number_of`).
        end: First frame that is not read any more; None reads to the end.
        stride: Every how many frames one is read.
        first_number: Number of the source's first frame; "auto" takes that in the name of its file.
        fps: Frame rate of images, 25 if None; a video file has its own.
        left_out: Files, such as masks, that are no frames; images that are named alike are none either.
        levels: Values of images of 10 to 16 bits, or of a grey video of 16, that become black and white; by
            default percentiles of the first frame that is not flat.

    Raises:
        DataError: There is no such source, or it holds no frames.
        InputError: Start, end, stride or fps are out of range.

    Example:
        >>> for frame in open_frames("clip.mp4", stride=2):  # doctest: +SKIP
        ...     print(frame.index, float(frame.time), frame.image.shape)
    """
    if fps is not None and not LOWEST_RATE <= fps <= HIGHEST_RATE:
        raise InputError(f"fps = {fps}: must be {LOWEST_RATE} to {HIGHEST_RATE}")
    frames = _opened(source, fps, left_out, levels)
    frames.select(start, end, stride, first_number)
    return frames


def _opened(
    source: str | Path | int,
    fps: Fraction | float | None,
    left_out: Sequence[str | Path],
    levels: Levels | None,
) -> FrameSource:
    """Open a source, to be read whole."""
    path = Path(str(source))
    window = FrameWindow()
    rate = IMAGE_RATE if fps is None else exact_rate(fps)
    check_source(str(source))
    if is_stream(str(source)):
        return StreamFrames(str(source), window)
    if not path.exists():
        return _named_otherwise(str(source), left_out, rate, window, levels)
    if path.is_dir():
        return ImageFrames(frames_among(images_in(path), left_out), str(path), rate, window, levels)
    if not path.is_file():
        raise DataError(f"{path}: is no file of frames but a pipe or device; save its frames in a file first")
    suffix = path.suffix.lower()
    if suffix in ARCHIVE_SUFFIXES:
        raise DataError(f"{path}: is an archive; unpack it, and give the folder with the frames")
    pages = page_count(path) if suffix in MOVING_SUFFIXES else 1
    if pages > 1 and suffix not in (".png", ".apng"):
        return PageFrames(path, pages, rate, window, levels)
    if pages == 1 and suffix in IMAGE_SUFFIXES - {".avif"}:
        return ImageFrames([path], str(path), rate, window, levels)
    return VideoFrames(path, window, levels)


def _named_otherwise(
    source: str, left_out: Sequence[str | Path], rate: Fraction, window: FrameWindow, levels: Levels | None
) -> FrameSource:
    """Return the frames of a camera's number, or of a pattern."""
    if source.isdecimal():
        return CameraFrames(source, window)
    numbered = numbered_files(source)
    if numbered is None and not glob.has_magic(source):
        raise missing(source)  # it has just gone
    files = numbered or [Path(file) for file in glob.glob(source, recursive=True) if Path(file).is_file()]
    if not files:
        raise DataError(f"{source}: no file fits this pattern")
    return ImageFrames(frames_among(natural_order(files), left_out), source, rate, window, levels)


def exact_rate(fps: Fraction | float) -> Fraction:
    """Return a frame rate as a fraction that containers can hold, as it is written.

    Example:
        >>> exact_rate(0.0005), exact_rate(29.97)
        (Fraction(1, 2000), Fraction(2997, 100))
    """
    return Fraction(str(fps)).limit_denominator(100_000)
