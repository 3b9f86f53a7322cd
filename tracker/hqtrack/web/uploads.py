"""Files that are uploaded, until one of them is opened."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import AsyncIterator
from itertools import chain, count
from pathlib import Path

from hqtrack import files
from hqtrack.errors import InputError
from hqtrack.images import IMAGE_SUFFIXES

VIDEO_SUFFIXES = frozenset(
    {".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ts", ".webm", ".wmv"}
)

MASK_SUFFIXES = IMAGE_SUFFIXES | {".json", ".jsonl", ".csv", ".txt", ".xml", ".npy", ".npz"}
"""Of label images, and of annotations of other tools."""

MASK_PREFIX = ".masks-"
"""Beginning of the names of uploaded masks, which go when they are read."""

NEW_UPLOAD_PREFIX, UPLOAD_FOLDER = ".new-", "upload"
"""Beginning of the names of uploads that were not opened yet; the folder with the files of an upload."""

LONGEST_STEM = 80
"""Bytes of the name of an uploaded file, of the 255 that file systems allow."""


class Uploads:
    """Uploaded files, each upload in a folder of its own.

    Args:
        folder: Where they are kept; uploads that an earlier server left there unopened are removed.
        limit: Bytes that the files of one upload may have together.
        prefix: Beginning of their names.
        suffixes: Of the files that are taken.
    """

    def __init__(
        self,
        folder: Path,
        limit: int,
        prefix: str = NEW_UPLOAD_PREFIX,
        suffixes: frozenset[str] = VIDEO_SUFFIXES | IMAGE_SUFFIXES,
    ) -> None:
        self.folder, self.limit = folder, limit
        self._prefix, self._suffixes = prefix, suffixes
        self._expected: dict[str, str] = {}
        """Owners of uploads that were not opened yet."""
        self._bytes: dict[str, int] = {}
        """Bytes of each of them, those of files that are still arriving included."""
        for left in self.folder.glob(f"{prefix}*"):
            shutil.rmtree(left, ignore_errors=True)

    def expect(self, owner: str) -> str:
        """Return the name under which an owner may upload files, until one of them is opened."""
        name = f"{self._prefix}{secrets.token_urlsafe(12)}"
        self._expected[name] = owner
        return name

    def received(self, owner: str, name: str) -> Path:
        """Return what an owner uploaded: the video, or the folder of images.

        Raises:
            InputError: There is nothing, or videos and images together.
        """
        self._check_expected(owner, name)
        target = self.folder / name / UPLOAD_FOLDER
        files = sorted(target.iterdir()) if target.is_dir() else []
        if not files:
            raise InputError("nothing was uploaded")
        if len(files) == 1 and files[0].suffix not in IMAGE_SUFFIXES:
            return files[0]
        if any(file.suffix in VIDEO_SUFFIXES for file in files):
            raise InputError("upload one video, or images that are its frames")
        return target

    def clear(self, owner: str, name: str) -> None:
        """Remove what was uploaded so far, for another try."""
        self._check_expected(owner, name)
        shutil.rmtree(self.folder / name, ignore_errors=True)
        self._bytes.pop(name, None)

    def forget(self, name: str) -> None:
        """Remove what was uploaded and not opened."""
        self._bytes.pop(name, None)
        if self._expected.pop(name, None) is not None:
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def _check_expected(self, owner: str, name: str) -> None:
        if self._expected.get(name) != owner:
            raise InputError("there is no such upload; reload the page")

    async def receive(self, owner: str, name: str, file_name: str, chunks: AsyncIterator[bytes]) -> None:
        """Write an uploaded file; several of one upload may arrive at once, in one event loop.

        Args:
            owner: Who uploads.
            name: See `expect`.
            file_name: What the file is called there; nothing of it but letters and its suffix is used.
                Where that makes two names equal, the later one gets a number.
            chunks: The content.

        Raises:
            InputError: It is neither video nor image, or too large together with the others.
            OSError: The disk is full.
        """
        self._check_expected(owner, name)
        file_name = Path(file_name).name
        suffix = Path(file_name).suffix.lower()
        if suffix not in self._suffixes:
            kinds = "neither a video nor an image" if ".mp4" in self._suffixes else "no file of masks"
            raise InputError(f"{file_name[:60]}: is {kinds} by its name")
        target = self.folder / name / UPLOAD_FOLDER
        target.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{secrets.token_hex(8)}.part")
        size, kept = 0, False
        try:
            with files.create(part) as file:
                async for chunk in chunks:
                    size += len(chunk)
                    self._bytes[name] = self._bytes.get(name, 0) + len(chunk)
                    if self._bytes[name] > self.limit:
                        raise InputError(
                            f"{file_name[:60]}: uploads may have {self.limit >> 20} MB together "
                            "(--max-upload); open it by its path instead"
                        )
                    file.write(chunk)
            self._check_expected(owner, name)  # its page may be gone meanwhile
            # Nothing else runs between the choice of a name and its use.
            files.put_in_place(part, target / f"{_free_stem(target, file_name)}{suffix}")
            kept = True
        finally:
            part.unlink(missing_ok=True)
            if not kept and name in self._bytes:
                self._bytes[name] = max(0, self._bytes[name] - size)


def _free_stem(folder: Path, file_name: str) -> str:
    """Return a short, plain name without suffix that no file of a folder has, in letters of either case."""
    stem = re.sub(r"[^\w.-]+", "_", Path(file_name).stem).lstrip(".")
    stem = stem.encode()[:LONGEST_STEM].decode(errors="ignore") or "upload"
    taken = {file.stem.casefold() for file in folder.iterdir()}
    numbered = (f"{stem}-{number}" for number in count(2))
    return next(each for each in chain([stem], numbered) if each.casefold() not in taken)
