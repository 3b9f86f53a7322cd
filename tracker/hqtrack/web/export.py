"""The outputs of `hqtrack track` of what was tracked on the page, and the command that repeats it."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import numpy as np
from PIL import Image as Pillow

from hqtrack import files
from hqtrack.defaults import DEFAULT_CARD
from hqtrack.errors import InputError
from hqtrack.video.objects import TrackedObject
from hqtrack.video.sources import open_frames
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers import WRITERS, Outputs, facts_of
from hqtrack.web.objects import Region, SessionObject, SessionObjects
from hqtrack.web.session import Session
from hqtrack.web.tracking import message_of

EXPORT_FOLDER, MASKS_FOLDER, COMMAND_FILE = "export", "given", "command.txt"
STATE_FILE = "state.txt"
"""Of what was exported; the page reads it."""


@dataclass(frozen=True)
class Settings:
    """With what the page tracks, as the options of `hqtrack track` have it."""

    card: str = DEFAULT_CARD
    weights: str | None = None
    device: str = "auto"
    precision: str = "auto"
    max_long_edge: int | None = None
    backend: str | None = None

    def options(self) -> list[str]:
        """Return what differs from the command's own values."""
        values = vars(self)
        return [
            word
            for name, default in vars(Settings()).items()
            if values[name] != default
            for word in (f"--{name.replace('_', '-')}", str(values[name]))
        ]


class Exporting:
    """An export in a thread of its own, which continues whether anybody looks or not.

    Args:
        session: What is exported.
        kinds: Keys of `hqtrack.video.writers.WRITERS`.
        settings: With what it was tracked.

    Raises:
        InputError: No output was chosen, or no frame is up to date.
    """

    def __init__(self, session: Session, kinds: Sequence[str], settings: Settings) -> None:
        check_exportable(session, kinds)
        self._work = (session, kinds, settings)
        self.share = 0.0
        """What is done, 0 to 1."""
        self.state = "exporting"
        """exporting, or the end: done, failed."""
        self.error = ""
        threading.Thread(target=self._run, name="hqtrack-export", daemon=True).start()

    def _run(self) -> None:
        try:
            export(*self._work, self._progress)
            self.state = "done"
        except Exception as error:
            self.error = message_of(error)
            self.state = "failed"

    def _progress(self, share: float) -> None:
        self.share = share


def check_exportable(session: Session, kinds: Sequence[str]) -> None:
    """Check that there is something to export.

    Raises:
        InputError: No output was chosen, nothing is tracked, or all of it is out of date.
    """
    if not kinds:
        raise InputError("choose at least one output")
    if len(session.record) == 0:
        raise InputError("nothing is tracked yet: press “Track” first")
    if not session.objects:
        raise InputError("all objects were deleted; undo that, or add one and track it")
    if session.up_to_date() == 0:
        raise InputError("all frames are out of date since your last change: track again, or undo it")


def state_of(session: Session) -> str:
    """Return a digest of all that an export depends on."""
    content = repr((session.objects, session.tracked, session.up_to_date()))
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def export(
    session: Session,
    kinds: Sequence[str],
    settings: Settings,
    progress: Callable[[float], None] = lambda share: None,
) -> Path:
    """Write outputs of all frames that are up to date into the session's folder, in place of earlier ones.

    With them come the masks that a person gave, as images, and the command that repeats the session from
    them; and everything once more in a zip archive.

    Args:
        session: What was tracked.
        kinds: Keys of `hqtrack.video.writers.WRITERS`.
        settings: With what it was tracked.
        progress: Called with the share that is done, 0 to 1.

    Returns:
        The folder.

    Raises:
        InputError: No output was chosen, or no frame is up to date.
        DataError: A frame cannot be read any more.
        OSError: A file cannot be written; the earlier outputs stay.
    """
    check_exportable(session, kinds)
    count, objects, state = session.up_to_date(), session.objects, state_of(session)
    objects = tuple(item for item in objects if item.first.frame < count)
    folder, part = session.folder / EXPORT_FOLDER, session.folder / f"{EXPORT_FOLDER}.part"
    try:
        files.fresh_folder(part)
        _write_outputs(session, objects, kinds, part, count, progress)
        words = _write_masks(session, objects, count, part / MASKS_FOLDER, folder / MASKS_FOLDER)
        ending = [] if count == session.count else ["--end", str(count)]
        outputs = [f"--{kind}" for kind in kinds if not WRITERS[kind].wanted]
        outputs += [f"--no-{kind}" for kind, each in WRITERS.items() if each.wanted and kind not in kinds]
        command = ["hqtrack", "track", session.source, "-o", f"{Path(session.source).stem}-again"]
        line = shlex.join([*command, *words, *ending, *outputs, *settings.options()])
        (part / COMMAND_FILE).write_text(line + "\n", encoding="utf-8")
        _pack(part)
        (part / STATE_FILE).write_text(state, encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _write_outputs(
    session: Session,
    objects: SessionObjects,
    kinds: Sequence[str],
    folder: Path,
    count: int,
    progress: Callable[[float], None],
) -> None:
    source = open_frames(session.source, end=count)
    titles = [TrackedObject(each.key, each.name, each.paint) for each in objects]
    outputs = Outputs(kinds, folder, facts_of(source, titles))
    try:
        for frame in source:
            keys = [item.key for item in objects if item.first.frame <= frame.index]
            known = session.record.scores(frame.index)
            outputs.write(
                TrackedFrame(
                    frame,
                    session.masks(frame.index, keys),
                    objects=titles[: len(keys)],
                    scores=[known.get(key, 0.0) for key in keys],
                )
            )
            progress((frame.index + 1) / count)
        outputs.finish()
    finally:
        outputs.discard()


def _write_masks(
    session: Session, objects: SessionObjects, count: int, folder: Path, final: Path
) -> list[str]:
    """Write the masks that a person gave; returns the options that name them where they will be."""
    folder.mkdir()
    words = []
    for item in objects:
        name = _write_mask(session, folder, item.key, item.first)
        words += ["--object", f"frame={item.first.frame},mask={final / name}{_marks(item)}"]
        for region in item.corrections:
            if region.frame < count:
                name = _write_mask(session, folder, item.key, region)
                value = final / name if region.mask(session.size).any() else "none"
                words += ["--correct", f"frame={region.frame},object={item.key},mask={value}"]
    for frame in session.tracked.restarts:
        if frame < count:
            words += ["--correct", f"frame={frame}"]
    return words


def _marks(item: SessionObject) -> str:
    """Return the parts of an option that keep an object's id, name and colour."""
    colour = ",colour=#{:02x}{:02x}{:02x}".format(*item.paint)
    # A comma would end the name.
    name = f",name={item.name.replace(',', ' ')}" if item.name else ""
    return f",id={item.key}{name}{colour}"


def _write_mask(session: Session, folder: Path, number: int, region: Region) -> str:
    name = f"object{number}-frame{region.frame}.png"
    pixels = region.mask(session.size).astype(np.uint8) * 255
    Pillow.fromarray(pixels).save(folder / name)
    return name


def _pack(folder: Path) -> None:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    with ZipFile(folder / f"{EXPORT_FOLDER}.zip", "w", ZIP_STORED) as archive:
        for file in files:
            archive.write(file, file.relative_to(folder).as_posix())
