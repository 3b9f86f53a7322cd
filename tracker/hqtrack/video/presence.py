"""Check that what a user names is there, before NumPy, OpenCV and FFmpeg, which are slow to import."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from hqtrack.errors import DataError, InputError

PIPE = "-"
"""As a source: the video that another program writes into standard input."""

STREAMS = ("rtsp", "http", "https", "udp")
"""Schemes of addresses that are read as streams."""

NUMBER = re.compile(r"%(?:0(\d))?d|#+")
"""The place of a frame's number in a pattern of film people: shot.%04d.png or shot.####.png."""


def is_stream(source: str) -> bool:
    """Return whether a source is a stream's address, or standard input.

    Example:
        >>> is_stream("rtsp://camera/1"), is_stream("-"), is_stream("clip.mp4")
        (True, True, False)
    """
    return source == PIPE or source.lower().startswith(tuple(f"{scheme}://" for scheme in STREAMS))


def split_address(address: str) -> SplitResult:
    """Divide a stream's address into its parts.

    Raises:
        InputError: It is none; the message leaves out what may be a password.
    """
    try:
        return urlsplit(address)
    except ValueError as error:
        raise InputError(
            f"{address.partition('://')[0]}://…: is not the address of a stream: {error}"
        ) from error


def check_source(source: str) -> None:
    """Check that a video, a folder or a pattern can be there. All else is for who opens it.

    Raises:
        DataError: There is no file of this name, and it is no pattern, camera's number or stream.
    """
    if is_stream(source):
        return
    if re.match(r"\w+://", source):
        raise DataError(
            f"{source[:80]}: no such stream can be read; give an address that begins with "
            f"{', '.join(f'{scheme}://' for scheme in STREAMS)}, or pipe the video in (-)"
        )
    try:
        Path(source).stat()
    except FileNotFoundError:
        if not (source.isdecimal() or glob.has_magic(source) or NUMBER.search(Path(source).name)):
            raise missing(source) from None
    except (OSError, ValueError) as error:  # the second for names that no file can have
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{source[:80]}: cannot be read: {reason}") from error


def missing(source: str) -> DataError:
    """Return the error for a source of frames that is not there."""
    return DataError(
        f"{source}: no such file or folder; give a video file, a folder of images, a pattern in quotes, "
        "the number of a camera, or the address of a stream"
    )


def parsed_reference(text: str) -> tuple[Path, Path, int | None]:
    """Return the picture, the mask and the object, if one is named, of a reference as people write it.

    Raises:
        InputError: The text is something else.

    Example:
        >>> [str(part) for part in parsed_reference("ball.jpg,ball.png,object=1")]
        ['ball.jpg', 'ball.png', '1']
    """
    found = re.fullmatch(r"([^,]+),([^,]+?)(?:,\s*object=\s*(\d{1,9})\s*)?", text)
    if found is None:
        raise InputError(
            f"reference {text[:80]!r}: write it as picture.jpg,mask.png or picture.jpg,mask.png,object=1; "
            "names of files have no commas"
        )
    return Path(found[1].strip()), Path(found[2].strip()), None if found[3] is None else int(found[3])


def check_masks(paths: Iterable[str | Path]) -> None:
    """Check that mask files, or folders of them, are there.

    Raises:
        DataError: One is not.
    """
    for path in paths:
        _check_there("mask", path)


def check_pictures(paths: Iterable[str | Path]) -> None:
    """Check that pictures of references are there.

    Raises:
        DataError: One is not.
    """
    for path in paths:
        _check_there("reference", path)


def _check_there(what: str, path: str | Path) -> None:
    try:
        Path(path).stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{what} {path}: {reason}") from error
