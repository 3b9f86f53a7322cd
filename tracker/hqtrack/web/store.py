"""The sessions on disk, the videos that may be opened, and what is uploaded."""

from __future__ import annotations

import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from hqtrack import files
from hqtrack.errors import DataError, HQTrackError, InputError
from hqtrack.images import IMAGE_SUFFIXES
from hqtrack.video.access import FrameAccess
from hqtrack.video.sources import ImageFrames, VideoFrames, open_frames
from hqtrack.video.sources.pictures import open_container
from hqtrack.web.changes import clean_name
from hqtrack.web.encoded import EncodedFrames
from hqtrack.web.poster import POSTER_FILE, write_poster
from hqtrack.web.saved import SESSION_FILE, Saved
from hqtrack.web.session import Session
from hqtrack.web.uploads import MASK_PREFIX, MASK_SUFFIXES, NEW_UPLOAD_PREFIX, VIDEO_SUFFIXES, Uploads

SHOWN_EDGE = 1280
"""Longer side of frames on the page, at most."""

TOKEN_FILE = ".link"
EMPTY_KEPT = 3600
"""Seconds for which a session without objects is kept."""

LONGEST_TITLE = 120

MOST_VIDEOS_LISTED = 300
DEEPEST_FOLDER = 3


@dataclass(frozen=True)
class OpenSession:
    """A session with its frames."""

    session: Session
    frames: FrameAccess
    fps: Fraction
    encoded: EncodedFrames
    """The frames as the page shows them."""


class Store:
    """Sessions, each of one owner, in a folder.

    Args:
        folder: Where sessions are kept; made where there is none.
        root: The video, or the folder of videos and images, that may be opened. Nothing else of the disk is.
        upload_limit: Bytes that the uploads of one session may have together.
        card: With which new sessions are tracked, until another one is chosen; empty: not known.
    """

    def __init__(self, folder: Path, root: Path, *, upload_limit: int, card: str = "") -> None:
        self.folder, self.root = folder.resolve(), root.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._card = card
        self._open: dict[str, OpenSession] = {}
        self.uploads = Uploads(self.folder, upload_limit)
        self.masks = Uploads(self.folder, upload_limit, MASK_PREFIX, MASK_SUFFIXES)
        self._lock = threading.Lock()
        self._remove_empty()

    def _remove_empty(self) -> None:
        """Remove older sessions in which nothing was begun; an upload stays, as it may be the only copy."""
        for file in self.folder.glob(f"*/{SESSION_FILE}"):
            with suppress(DataError, OSError):
                saved = Saved.read(file.parent)
                uploaded = Path(saved.source).is_relative_to(file.parent)
                age = time.time() - file.stat().st_mtime
                if age > EMPTY_KEPT and not (saved.objects or saved.tracked.objects or uploaded):
                    shutil.rmtree(file.parent)

    def token(self) -> str:
        """Return the secret of the printed link; it stays the same in this folder.

        Raises:
            OSError: It cannot be kept.
        """
        file = self.folder / TOKEN_FILE
        with suppress(OSError):
            known = file.read_text(encoding="ascii", errors="replace")
            if re.fullmatch(r"[\w-]{43}", known):
                return known
        token = secrets.token_urlsafe(32)
        part = file.with_name(f"{TOKEN_FILE}.part")
        with files.create(part) as secret:
            part.chmod(0o600)
            secret.write(token.encode())
        files.put_in_place(part, file)
        return token

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
            InputError: There is none, or it is outside.
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
            raise InputError(f"{path.name}: belongs to a session; its owner finds it on the start page")
        if path != self.root and not (self.root.is_dir() and path.is_relative_to(self.root)):
            raise InputError(
                f"{path.name}: is outside {self.root}, which was given when the page was started"
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
            InputError: A file of the folder is outside what may be opened.
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
            folder,
            owner=owner,
            source=str(path),
            title=clean_name(title, LONGEST_TITLE) or path.name,
            size=frames.size,
            count=len(frames),
        )
        session.card, session.seconds = self._card, float(len(frames) / fps)
        session.save()
        with suppress(HQTrackError, OSError):  # a session is opened without its picture too
            write_poster(folder / POSTER_FILE, frames)
        with self._lock:
            self._open[folder.name] = OpenSession(session, frames, fps, EncodedFrames(frames))
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
                        raise DataError(
                            f"{session.source}: has changed since the session began; open it as a new session"
                        )
                    found = self._open[name] = OpenSession(session, frames, fps, EncodedFrames(frames))
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

    def hand_over(self, earlier: str, owner: str) -> None:
        """Make all sessions of an earlier owner this owner's: a browser got the printed link."""
        for name, _ in self.of(earlier):
            with self._lock:
                found = self._open.get(name)
                session = Session.load(self.folder / name) if found is None else found.session
                session.owner = owner
                session.save()

    def rename(self, owner: str, name: str, title: str) -> None:
        """Change what the page calls a session; an empty title changes nothing.

        Raises:
            InputError: There is none of this name that belongs to the owner.
        """
        session = self._owned(owner, name)
        if title.strip():
            session.title = clean_name(title, LONGEST_TITLE)
            session.save()

    def delete(self, owner: str, name: str) -> None:
        """Remove a session with its upload, masks and exports; videos elsewhere stay.

        Raises:
            InputError: There is none of this name that belongs to the owner.
            OSError: A file cannot be removed.
        """
        self._owned(owner, name)
        with self._lock:
            self._open.pop(name, None)
        shutil.rmtree(self.folder / name)

    def _owned(self, owner: str, name: str) -> Session:
        """Return a session, whether its video is still there or not."""
        with self._lock:
            found = self._open.get(name)
        known = name in {each for each, _ in self.of(owner)}
        if not known:
            raise InputError("there is no such session")
        return Session.load(self.folder / name) if found is None else found.session

    def thumbnail(self, owner: str, name: str) -> Path:
        """Return the picture of a session.

        Raises:
            InputError: There is none that belongs to the owner.
        """
        file = self.folder / name / POSTER_FILE
        if name not in {each for each, _ in self.of(owner)} or not file.is_file():
            raise InputError("there is no such picture")
        return file

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


def check_container(path: Path) -> None:
    """Check that a file holds a video itself, before anything follows what it may name.

    Raises:
        DataError: It does not.
    """
    try:
        open_container(path).close()
    except DataError as error:  # on the page files have names, not places
        raise DataError(str(error).replace(str(path), path.name)) from error
