"""The one way to write files: as new files, never through a link, and whole or not at all.

A file is written under another name, the disk is asked to keep it, and then it gets its own name. So a crash,
a full disk or a power cut leaves either the earlier file or the new one. Whatever has the other name before
(a symbolic link, a second name of a foreign file, a named pipe) is removed and never written to.

    write_whole(path, "text")         all at once
    with whole(path) as part: …       by a library that wants a path
    with create(part) as file: …      piece by piece, until put_in_place(part, path)
"""

from __future__ import annotations

import io
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import filelock

from hqtrack.errors import InputError, naming

_BINARY = getattr(os, "O_BINARY", 0)  # of Windows alone
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)  # of all others


def create(path: Path) -> IO[bytes]:
    """Create a new file and open it for writing; what had its name before loses it, and is not written to.

    Raises:
        OSError: A folder has the name, or the disk refuses.
    """
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY, 0o666), "w+b")


def create_text(path: Path, encoding: str = "utf-8") -> IO[str]:
    """Create a new text file, as `create` does; lines end in a line feed on every system."""
    return io.TextIOWrapper(create(path), encoding=encoding, newline="\n")


def reopen(path: Path, buffering: int = -1) -> IO[bytes]:
    """Open a file of ours for reading and writing, from its start; it is created if missing.

    Raises:
        InputError: It is a link, has a second name, or is no plain file; writing could change foreign data.
        OSError: The disk refuses.
    """
    check_own(path)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _NO_FOLLOW | _BINARY, 0o666)
    return os.fdopen(descriptor, "r+b", buffering=buffering)


def check_own(path: Path) -> None:
    """Check that a file is missing, or a plain one with this name alone.

    Raises:
        InputError: It is a link, has a second name, or is no plain file.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        raise InputError(f"{path}: is a link or no plain file, and is not written to; remove it")


def lock(path: Path, seconds: float = 0) -> filelock.BaseFileLock:
    """Return a lock between processes, kept by a file of ours; it waits so long if it is taken, then fails.

    Raises:
        InputError: The file is a link, has a second name, or is no plain file: taking a lock empties it.
    """
    check_own(path)
    return filelock.FileLock(path, timeout=seconds)


def make_folder(path: Path) -> None:
    """Make a folder of ours and those above it, where they are missing.

    Raises:
        InputError: It is a link: its files would be written elsewhere.
        OSError: A file has the name, or the disk refuses.
    """
    if path.is_symlink():
        raise InputError(f"{path}: is a link to another folder, and is not written to; remove it")
    path.mkdir(parents=True, exist_ok=True)


def fresh_folder(path: Path) -> None:
    """Make an empty folder of ours; what had its name before is removed, and a link is not followed.

    Raises:
        OSError: The disk refuses.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.mkdir(parents=True)


def put_in_place(part: Path, path: Path, *, sync: bool = True) -> None:
    """Name a complete file; a link that has the name is replaced, not followed.

    Args:
        part: The file, in the same folder.
        path: Its name from now on.
        sync: Ask the disk first to keep the content. False only where there is a file for each frame: waiting
            for the disk would cost more than the frame, and the record can make them again.
    """
    if sync:
        with part.open("r+b") as file:
            os.fsync(file.fileno())
    part.replace(path)
    if sync:
        _sync_folder(path.parent)


@contextmanager
def whole(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """Lend another name to write to; at the end the file gets its own, and after an error it is removed.

    Args:
        path: The file; its folder exists.
        shared: Several processes may write it at the same time: each has another name of its own.

    Yields:
        An empty file next to `path`.

    Example:
        >>> with whole(Path("network.pth")) as part:  # doctest: +SKIP
        ...     torch.save(state, part)
    """
    part = _part_of(path, shared)
    try:
        create(part).close()
        yield part
        put_in_place(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: str | bytes, *, shared: bool = False) -> None:
    """Write a file whole or not at all.

    Args:
        path: The file; its folder exists.
        content: Text is written as UTF-8.
        shared: See `whole`.

    Raises:
        OSError: It cannot be written; an earlier file is as it was.
    """
    part = _part_of(path, shared)
    try:
        with naming(path), create(part) as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
        put_in_place(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def remove(path: Path) -> None:
    """Remove a file that may be missing; never raises."""
    with suppress(OSError):
        path.unlink()


def _part_of(path: Path, shared: bool) -> Path:
    return path.with_name(f"{path.name}{f'.{secrets.token_hex(4)}' if shared else ''}.part")


def _sync_folder(folder: Path) -> None:
    """Ask the disk to keep the names in a folder, where the system can."""
    with suppress(OSError):  # Windows opens no folders, and some network drives sync none
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
