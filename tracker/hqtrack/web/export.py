"""The outputs of `hqtrack track` of what was tracked on the page, and the command that repeats it."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import numpy as np

from hqtrack import files
from hqtrack.errors import InputError
from hqtrack.video.cleaning import AS_TRACKED, MaskCleaning, cleaned
from hqtrack.video.objects import TrackedObject
from hqtrack.video.sources import open_frames
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers import Outputs, facts_of
from hqtrack.web.command import GivenMasks, command_lines
from hqtrack.web.objects import SessionObjects
from hqtrack.web.session import Session
from hqtrack.web.settings import Settings
from hqtrack.web.tracking import message_of

EXPORT_FOLDER, MASKS_FOLDER, COMMAND_FILE = "export", "given", "command.txt"
STATE_FILE = "state.txt"
"""Of what was exported; the page reads it."""


class Exporting:
    """An export in a thread of its own, which continues whether anybody looks or not.

    Args:
        session: What is exported.
        kinds: Keys of `hqtrack.video.writers.WRITERS`.
        settings: With what it was tracked.
        cleaning: How the masks of outputs are cleaned.

    Raises:
        InputError: No output was chosen, or no frame is up to date.
    """

    def __init__(
        self,
        session: Session,
        kinds: Sequence[str],
        settings: Settings,
        cleaning: MaskCleaning = AS_TRACKED,
    ) -> None:
        check_exportable(session, kinds)
        self._work = (session, kinds, settings, cleaning)
        self.share = 0.0
        """What is done, 0 to 1."""
        self.state = "exporting"
        """exporting, or the end: done, failed."""
        self.error = ""
        threading.Thread(target=self._run, name="hqtrack-export", daemon=True).start()

    def _run(self) -> None:
        try:
            export(*self._work, progress=self._progress)
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
    backward = session.backward.holding(session.objects, session.card)
    content = repr((session.given, session.tracked, session.up_to_date(), sorted(backward)))
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def export(
    session: Session,
    kinds: Sequence[str],
    settings: Settings,
    cleaning: MaskCleaning = AS_TRACKED,
    *,
    progress: Callable[[float], None] = lambda share: None,
) -> Path:
    """Write outputs of all frames that are up to date into the session's folder, in place of earlier ones.

    With them come the masks that a person gave, as images, and the command that repeats the session from
    them; and everything once more in a zip archive.

    Args:
        session: What was tracked.
        kinds: Keys of `hqtrack.video.writers.WRITERS`.
        settings: With what it was tracked.
        cleaning: How the masks of outputs are cleaned; what was tracked stays as it is.
        progress: Called with the share that is done, 0 to 1.

    Returns:
        The folder.

    Raises:
        InputError: No output was chosen, or no frame is up to date.
        DataError: A frame cannot be read any more.
        OSError: A file cannot be written; the earlier outputs stay.
    """
    check_exportable(session, kinds)
    count, given, state = session.up_to_date(), session.given, state_of(session)
    objects = tuple(item for item in given.objects if item.first.frame < count)
    folder, part = session.folder / EXPORT_FOLDER, session.folder / f"{EXPORT_FOLDER}.part"
    try:
        files.fresh_folder(part)
        _write_outputs(session, objects, kinds, part, (count, cleaning, progress))
        masks = GivenMasks(session, given, count, part / MASKS_FOLDER, folder / MASKS_FOLDER)
        lines = command_lines(masks, session, kinds, settings, cleaning)
        (part / COMMAND_FILE).write_text(" &&\n".join(lines) + "\n", encoding="utf-8")
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
    work: tuple[int, MaskCleaning, Callable[[float], None]],
) -> None:
    count, cleaning, progress = work
    source = open_frames(session.source, end=count)
    titles = [TrackedObject(each.key, each.name, each.paint) for each in objects]
    both = bool(session.backward.holding(objects, session.card))
    begins = {each.key: each.first.frame for each in objects} if both else None
    outputs = Outputs(kinds, folder, facts_of(source, titles, begins))
    unseen = np.zeros(session.size, bool), 0.0
    try:
        for frame in source:
            there = titles if both else titles[: sum(each.first.frame <= frame.index for each in objects)]
            rows = session.rows(frame.index)
            found = [rows.get(each.id, unseen) for each in there]
            masks = np.array([mask for mask, _ in found], bool).reshape(-1, *session.size)
            outputs.write(
                TrackedFrame(
                    frame, cleaned(masks, cleaning), objects=there, scores=[score for _, score in found]
                )
            )
            progress((frame.index + 1) / count)
        outputs.finish()
    finally:
        outputs.discard()


def _pack(folder: Path) -> None:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    with ZipFile(folder / f"{EXPORT_FOLDER}.zip", "w", ZIP_STORED) as archive:
        for file in files:
            archive.write(file, file.relative_to(folder).as_posix())
