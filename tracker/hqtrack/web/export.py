"""The outputs of `hqtrack track` of what was tracked on the page, and the command that repeats it."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import numpy as np
from PIL import Image as Pillow

from hqtrack.cards import DEFAULT_CARD
from hqtrack.errors import InputError
from hqtrack.video.objects import TrackedObject
from hqtrack.video.sources import open_frames
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers import WRITERS, Outputs, facts_of
from hqtrack.web.session import Region, Session

EXPORT_FOLDER, MASKS_FOLDER, COMMAND_FILE = "export", "given", "command.txt"


@dataclass(frozen=True)
class Settings:
    """With what the page tracks, as the options of `hqtrack track` have it."""

    card: str = DEFAULT_CARD
    weights: str | None = None
    device: str = "auto"
    precision: str = "auto"
    max_long_edge: int | None = None

    def options(self) -> list[str]:
        """Return what differs from the command's own values."""
        values = vars(self)
        return [
            word
            for name, default in vars(Settings()).items()
            if values[name] != default
            for word in (f"--{name.replace('_', '-')}", str(values[name]))
        ]


def export(
    session: Session,
    kinds: Sequence[str],
    settings: Settings,
    progress: Callable[[float], None] = lambda share: None,
) -> Path:
    """Write outputs of all tracked frames into the session's folder, in place of earlier ones.

    Beside them are the masks that a person gave, as images, and the command that repeats the session from
    them; and everything once more in a zip archive.

    Args:
        session: What was tracked.
        kinds: Keys of `hqtrack.video.writers.WRITERS`.
        settings: With what it was tracked.
        progress: Told the share that is done, 0 to 1.

    Returns:
        The folder.

    Raises:
        InputError: No output was chosen, nothing is tracked, or something was changed since.
        DataError: A frame cannot be read any more.
        OSError: A file cannot be written; the earlier outputs stay.
    """
    if not kinds:
        raise InputError("choose at least one output")
    count, stale = len(session.record), session.stale()
    if count == 0:
        raise InputError("nothing is tracked yet: press “Track” first")
    if stale is not None:
        raise InputError(
            f"frames from {stale} on were tracked before your last change: go on first, or undo it"
        )
    folder, part = session.folder / EXPORT_FOLDER, session.folder / f"{EXPORT_FOLDER}.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir()
        _write_outputs(session, kinds, part, count, progress)
        words = _write_masks(session, part / MASKS_FOLDER, folder / MASKS_FOLDER)
        ending = [] if count == session.count else ["--end", str(count)]
        outputs = [f"--{kind}" for kind in kinds if not WRITERS[kind].wanted]
        outputs += [f"--no-{kind}" for kind, each in WRITERS.items() if each.wanted and kind not in kinds]
        command = ["hqtrack", "track", session.source, "-o", f"{Path(session.source).stem}-again"]
        line = shlex.join([*command, *words, *ending, *outputs, *settings.options()])
        (part / COMMAND_FILE).write_text(line + "\n", encoding="utf-8")
        _pack(part)
        shutil.rmtree(folder, ignore_errors=True)
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _write_outputs(
    session: Session, kinds: Sequence[str], folder: Path, count: int, progress: Callable[[float], None]
) -> None:
    source = open_frames(session.source, end=count)
    objects = _objects(session)
    outputs = Outputs(kinds, folder, facts_of(source, objects))
    try:
        for frame in source:
            line = session.record.frame(frame.index)
            masks, known = line.decoded(), objects[: len(line.masks)]
            outputs.write(TrackedFrame(frame, masks, line.run_lengths, objects=known, scores=line.scores))
            progress((frame.index + 1) / count)
        outputs.finish()
    finally:
        outputs.discard()


def _objects(session: Session) -> list[TrackedObject]:
    """Return the tracked objects with their names and colours of now."""
    now = {item.key: item for item in session.objects}
    objects = [now.get(item.key, item) for item in session.tracked.objects]
    return [TrackedObject(number, each.name, each.colour) for number, each in enumerate(objects, start=1)]


def _write_masks(session: Session, folder: Path, final: Path) -> list[str]:
    """Write the masks that a person gave; gives the options that name them where they will be."""
    folder.mkdir()
    words = []
    objects = _objects(session)
    for number, item in enumerate(session.tracked.objects, start=1):
        if item.first.frame >= len(session.record):
            continue
        name = _write_mask(session, folder, number, item.first)
        words += ["--object", f"frame={item.first.frame},mask={final / name}{_marks(objects[number - 1])}"]
        for region in item.corrections:
            if region.frame < len(session.record):
                name = _write_mask(session, folder, number, region)
                value = final / name if region.mask(session.size).any() else "none"
                words += ["--correct", f"frame={region.frame},object={number},mask={value}"]
    for frame in session.tracked.restarts:
        words += ["--correct", f"frame={frame}"]
    return words


def _marks(each: TrackedObject) -> str:
    """Return the parts of an option that keep an object's id, name and colour."""
    colour = ",colour=#{:02x}{:02x}{:02x}".format(*each.colour) if each.colour else ""
    # A comma would end the name.
    name = f",name={each.name.replace(',', ' ')}" if each.name else ""
    return f",id={each.id}{name}{colour}"


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
