"""The sessions on disk, the videos that may be opened, and what is uploaded."""

from __future__ import annotations

import re
import secrets
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, count
from pathlib import Path

from hqtrack import files
from hqtrack.errors import DataError, InputError
from hqtrack.images import IMAGE_SUFFIXES
from hqtrack.video.access import FrameAccess
from hqtrack.video.sources import ImageFrames, VideoFrames, open_frames
from hqtrack.video.sources.pictures import open_container
from hqtrack.web.saved import SESSION_FILE, Saved
from hqtrack.web.session import Session

SHOWN_EDGE = 1280
"""Longer side of frames on the page, at most."""

VIDEO_SUFFIXES = frozenset(
    {".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ts", ".webm", ".wmv"}
)

NEW_UPLOAD_PREFIX, UPLOAD_FOLDER = ".new-", "upload"
"""Beginning of the names of uploads that were not opened yet; the folder with the files of an upload."""

LONGEST_STEM = 80
"""Bytes of the name of an uploaded file, of the 255 that file systems allow."""

MOST_VIDEOS_LISTED = 300
DEEPEST_FOLDER = 3


@dataclass(frozen=True)
class OpenSession:
    """A session with its frames."""

    session: Session
    frames: FrameAccess
    fps: Fraction


class Store:
    """Sessions, each of one owner, in a folder.

    Args:
        folder: Where sessions are kept; made where there is none.
        root: The video, or the folder of videos and images, that may be opened. Nothing else of the disk is.
        upload_limit: Bytes that the uploads of one session may have together.
    """

    def __init__(self, folder: Path, root: Path, *, upload_limit: int) -> None:
        self.folder, self.root, self.upload_limit = folder.resolve(), root.resolve(), upload_limit
        self.folder.mkdir(parents=True, exist_ok=True)
        self._open: dict[str, OpenSession] = {}
        self._expected: dict[str, str] = {}
        """Owners of uploads that were not opened yet."""
        self._received: dict[str, int] = {}
        """Bytes of each of them, those of files that are still arriving included."""
        for left in self.folder.glob(f"{NEW_UPLOAD_PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)
        self._lock = threading.Lock()

    # Videos

    def videos(self) -> list[str]:
        """Return the videos and folders of images that may be opened, relative to the root."""
        if self.root.is_file():
            return [self.root.name]
        return [path.relative_to(self.root).as_posix() for path in self._found(self.root, 0)][
            :MOST_VIDEOS_LISTED
        ]

    def _found(self, folder: Path, depth: int) -> Iterator[Path]:
        try:
            entries = sorted(folder.iterdir())
        except OSError:
            return
        if any(entry.suffix.lower() in IMAGE_SUFFIXES and entry.is_file() for entry in entries):
            yield folder
        for entry in entries:
            if entry.name.startswith(".") or entry == self.folder:
                continue
            if entry.is_dir() and depth < DEEPEST_FOLDER:
                yield from self._found(entry, depth + 1)
            elif entry.suffix.lower() in VIDEO_SUFFIXES:
                yield entry

    def path(self, text: str) -> Path:
        """Return the path of a video that may be opened.

        Raises:
            InputError: There is none, or it lies outside.
        """
        base = self.root.parent if self.root.is_file() else self.root
        try:
            path = (base / text.strip()).resolve(strict=True)
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"{text}: there is no such video or folder in {base}") from error
        self._check_inside(path)
        return path

    def _check_inside(self, path: Path) -> None:
        if path.is_relative_to(self.folder):
            raise InputError(f"{path.name}: is kept of a session; its owner finds it on the start page")
        if path != self.root and not (self.root.is_dir() and path.is_relative_to(self.root)):
            raise InputError(
                f"{path.name}: lies outside {self.root}, which was given when the page was started"
            )

    # Sessions

    def create(self, owner: str, path: Path, title: str) -> OpenSession:
        """Open a video for the first time.

        Args:
            owner: Whose session it will be.
            path: Of the video or folder, which may be an upload's.
            title: What the page calls it.

        Raises:
            DataError: It is not a video, or a frame of it cannot be read.
            InputError: A file of the folder lies outside what may be opened.
        """
        folder = self.folder / secrets.token_urlsafe(12)  # which cannot be guessed
        frames, fps = self._frames(path)
        upload = next((each for each in path.parents if each.parent == self.folder), None)
        if upload is None or not upload.name.startswith(NEW_UPLOAD_PREFIX):
            folder.mkdir()
        else:
            upload.rename(folder)
            path = folder / path.relative_to(upload)
            frames, fps = self._frames(path)
        session = Session(
            folder, owner=owner, source=str(path), title=title, size=frames.size, count=len(frames)
        )
        session.save()
        with self._lock:
            self._open[folder.name] = OpenSession(session, frames, fps)
        return self._open[folder.name]

    def get(self, owner: str, name: str) -> OpenSession:
        """Return a session.

        Raises:
            InputError: There is none of this name that belongs to the owner.
            DataError: Its file is damaged, or its video is gone or is another one now.
        """
        with self._lock:
            found = self._open.get(name)
            if found is None:
                folder = self.folder / name
                if not re.fullmatch(r"[\w-]{1,64}", name) or not (folder / SESSION_FILE).is_file():
                    raise InputError("there is no such session")
                session = Session.load(folder)
                if session.owner == owner:
                    path = Path(session.source)
                    frames, fps = self._frames(path)
                    if frames.size != session.size or len(frames) != session.count:
                        raise DataError(f"{session.source}: is another video than when the session began")
                    found = self._open[name] = OpenSession(session, frames, fps)
        if found is None or found.session.owner != owner:
            raise InputError("there is no such session")
        return found

    def of(self, owner: str) -> list[tuple[str, Saved]]:
        """Return the names and files of an owner's sessions, the one that changed last first."""
        files = sorted(
            self.folder.glob(f"*/{SESSION_FILE}"), key=lambda file: file.stat().st_mtime, reverse=True
        )
        found = []
        for file in files:
            with suppress(DataError):
                found.append((file.parent.name, Saved.read(file.parent)))
        return [(name, saved) for name, saved in found if saved.owner == owner]

    def _frames(self, path: Path) -> tuple[FrameAccess, Fraction]:
        if path.is_file() and path.suffix.lower() not in IMAGE_SUFFIXES:
            check_container(path)
        source = open_frames(path)
        if not isinstance(source, ImageFrames | VideoFrames):
            raise DataError(f"{path.name}: is no video or folder of images")
        if isinstance(source, ImageFrames) and not path.is_relative_to(self.folder):
            for file in source.files:
                self._check_inside(file.resolve())
        return FrameAccess(source, long_edge=SHOWN_EDGE), source.fps

    # Uploads

    def expect_upload(self, owner: str) -> str:
        """Return the name under which an owner may upload files, until one of them is opened."""
        name = f"{NEW_UPLOAD_PREFIX}{secrets.token_urlsafe(12)}"
        self._expected[name] = owner
        return name

    def uploaded(self, owner: str, name: str) -> Path:
        """Return what an owner uploaded: the video, or the folder of images.

        Raises:
            InputError: There is nothing, or videos and images together.
        """
        self._check_expected(owner, name)
        target = self.folder / name / UPLOAD_FOLDER
        files = sorted(target.iterdir()) if target.is_dir() else []
        if not files:
            raise InputError("nothing was uploaded")
        if len(files) == 1 and files[0].suffix in VIDEO_SUFFIXES:
            return files[0]
        if any(file.suffix in VIDEO_SUFFIXES for file in files):
            raise InputError("upload one video, or images that are its frames")
        return target

    def clear_upload(self, owner: str, name: str) -> None:
        """Remove what was uploaded so far, for another try."""
        self._check_expected(owner, name)
        shutil.rmtree(self.folder / name, ignore_errors=True)
        self._received.pop(name, None)

    def forget_upload(self, name: str) -> None:
        """Remove what was uploaded and not opened."""
        self._received.pop(name, None)
        if self._expected.pop(name, None) is not None:
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def _check_expected(self, owner: str, name: str) -> None:
        if self._expected.get(name) != owner:
            raise InputError("there is no such upload; load the page anew")

    async def upload(self, owner: str, name: str, file_name: str, chunks: AsyncIterator[bytes]) -> None:
        """Write an uploaded file; several of one upload may arrive at once, in one event loop.

        Args:
            owner: Who uploads.
            name: See `expect_upload`.
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
        if suffix not in VIDEO_SUFFIXES | IMAGE_SUFFIXES:
            raise InputError(f"{file_name}: is neither a video nor an image by its name")
        target = self.folder / name / UPLOAD_FOLDER
        target.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{secrets.token_hex(8)}.part")
        size, kept = 0, False
        try:
            with files.create(part) as file:
                async for chunk in chunks:
                    size += len(chunk)
                    self._received[name] = self._received.get(name, 0) + len(chunk)
                    if self._received[name] > self.upload_limit:
                        raise InputError(
                            f"{file_name}: uploads may have {self.upload_limit >> 20} MB together "
                            "(--max-upload); open it by its path instead"
                        )
                    file.write(chunk)
            self._check_expected(owner, name)  # its page may be gone meanwhile
            # Nothing else runs between the choice of a name and its use.
            files.put_in_place(part, target / f"{_free_stem(target, file_name)}{suffix}")
            kept = True
        finally:
            part.unlink(missing_ok=True)
            if not kept and name in self._received:
                self._received[name] = max(0, self._received[name] - size)


def _free_stem(folder: Path, file_name: str) -> str:
    """Return a short, plain name without suffix that no file of a folder has, in letters of either case."""
    stem = re.sub(r"[^\w.-]+", "_", Path(file_name).stem).lstrip(".")
    stem = stem.encode()[:LONGEST_STEM].decode(errors="ignore") or "upload"
    taken = {file.stem.casefold() for file in folder.iterdir()}
    numbered = (f"{stem}-{number}" for number in count(2))
    return next(each for each in chain([stem], numbered) if each.casefold() not in taken)


def check_container(path: Path) -> None:
    """Check that a file holds a video itself, before anything follows what it may name.

    Raises:
        DataError: It does not.
    """
    try:
        open_container(path).close()
    except DataError as error:  # on the page files have names, not places
        raise DataError(str(error).replace(str(path), path.name)) from error
