"""What is kept on disk of a video that is being tracked, so that it can be gone on with after any end.

Two files lie in the folder of the outputs until the video is finished: the settings, and a line for each
tracked frame with the masks of all objects. A killed process loses at most the few frames that wait to be
written. The disk is told to keep the lines every few seconds: a power cut loses what came after. Where a line
is damaged, the record ends before it.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from hqtrack.cards import DEFAULT_CARD
from hqtrack.errors import DataError, InputError, naming
from hqtrack.video.corrections import Correction
from hqtrack.video.lines import Line, line_of, parsed
from hqtrack.video.objects import TrackedObject
from hqtrack.video.prompts import Prompt
from hqtrack.video.sources import Frame
from hqtrack.video.tracked import Tracked

SETTINGS = "unfinished.json"
FRAMES = "unfinished.jsonl"
VERSION = 2


KEPT_EVERY = 5.0
"""Seconds between two times at which the disk is told to keep what was written."""

logger = logging.getLogger(__name__)


class ChangedSourceError(DataError):
    """A source that is not the one of the record: going on with it cannot succeed."""


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True))
class Job:
    """Which video is tracked, how, and to which outputs."""

    source: str
    """As for `hqtrack.video.sources.open_frames`, like the next four."""
    start: int = 0
    end: int | None = None
    stride: int = 1
    fps: float | None = None
    card: str = DEFAULT_CARD
    """Name or path of a card."""
    weights: str | None = None
    """File instead of the card's weights."""
    max_long_edge: int | None = None
    """Instead of the card's."""
    outputs: tuple[str, ...] = ("overlay",)
    """Keys of `hqtrack.video.outputs.WRITERS`."""
    prompts: tuple[Prompt, ...] = ()
    """The objects, in the order of the frames in which they begin."""
    corrections: tuple[Correction, ...] = ()
    left_out: tuple[str, ...] = ()
    """Files that are no frames, wherever they are."""


class Journal:
    """The record of a video that is being tracked.

    Frames of an earlier run come first: as long as any are `left`, `past` gives the next. `append` adds one.
    """

    def __init__(self, folder: Path, job: Job) -> None:
        self.job = job
        self._settings, self._path = folder / SETTINGS, folder / FRAMES
        self._past: Iterator[Line] = iter(())
        self.left = 0
        """Frames of an earlier run that `past` has still to give."""
        self._file: IO[bytes] | None = None
        self._kept = time.monotonic()

    @classmethod
    def begin(cls, folder: Path, job: Job) -> Journal:
        """Start a record in a folder that exists; an earlier one is replaced."""
        journal = cls(folder, job)
        entry = {
            "version": VERSION,
            **asdict(job),
            "prompts": [prompt.as_json() for prompt in job.prompts],
            "corrections": [correction.as_json() for correction in job.corrections],
        }
        journal._path.unlink(missing_ok=True)
        part = journal._settings.with_name(SETTINGS + ".part")
        try:
            with naming(part), part.open("w", encoding="utf-8") as file:
                json.dump(entry, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            part.unlink(missing_ok=True)
            raise
        part.replace(journal._settings)
        journal._file = journal._path.open("wb")
        return journal

    @classmethod
    def resume(cls, folder: Path) -> Journal:
        """Open the record of an earlier run, to go on with it.

        Raises:
            InputError: There is none in the folder.
            DataError: It cannot be read.
        """
        journal = cls(folder, read_job(folder))
        journal._path.touch()
        journal.left = journal._sound_lines()
        journal._past = journal._read()
        journal._file = journal._path.open("ab")
        return journal

    def past(self, frame: Frame, objects: Sequence[TrackedObject] | None = None) -> Tracked:
        """Return the masks that the next frame of an earlier run has, of the first ones of `objects`.

        Raises:
            ChangedSourceError: The frame is not the one that was tracked then.
        """
        self.left -= 1
        line = next(self._past)
        if line.frame != frame.name or line.size != frame.image.shape[:2]:
            raise ChangedSourceError(
                f"frame {frame.name} is not the one that was tracked before: the source has changed; "
                "start anew with --force"
            )
        known = None if objects is None else objects[: len(line.masks)]
        return Tracked(frame, line.decoded(), line.run_lengths, objects=known)

    def append(self, tracked: Tracked) -> None:
        """Record a frame."""
        assert self._file is not None
        with naming(self._path):
            self._file.write(line_of(tracked.frame.name, tracked.masks.shape[1:], tracked.run_lengths))
            self._file.flush()
            if time.monotonic() - self._kept > KEPT_EVERY:
                os.fsync(self._file.fileno())
                self._kept = time.monotonic()

    def close(self) -> None:
        """Leave the record for another run."""
        if self._file is not None:
            self._file.close()

    def remove(self) -> None:
        """End the record: the video is finished."""
        self.close()
        self._settings.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)

    def _sound_lines(self) -> int:
        """Count the lines before one that is damaged or was not finished, and cut the record off there."""
        count = end = objects = 0
        with self._path.open("rb+") as file:
            for line in file:
                try:
                    masks = parsed(line).masks
                except ValueError:
                    break
                if not line.endswith(b"\n") or len(masks) < objects:
                    break
                count, end, objects = count + 1, end + len(line), len(masks)
            file.seek(end)
            if b"\n" in file.read():
                logger.warning("%s: is damaged; going on after the %d frames before that", self._path, count)
            file.seek(end)
            file.truncate()
        return count

    def _read(self) -> Iterator[Line]:
        with self._path.open("rb") as file:
            for line in file:
                yield parsed(line)


def read_job(folder: Path) -> Job:
    """Read which video is unfinished in a folder; nothing is changed.

    Raises:
        InputError: There is none in the folder.
        DataError: It cannot be read.
    """
    try:
        entry: dict[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        if entry.pop("version") != VERSION:
            raise DataError(f"{folder / SETTINGS}: written by another version of hqtrack; use --force")
        prompts = tuple(Prompt.from_json(prompt) for prompt in entry.pop("prompts"))
        corrections = tuple(Correction.from_json(each) for each in entry.pop("corrections", ()))
        outputs = tuple(entry.pop("outputs"))
        left_out = tuple(entry.pop("left_out", ()))
        job = Job(**entry, left_out=left_out, outputs=outputs, prompts=prompts, corrections=corrections)
    except FileNotFoundError as error:
        raise InputError(f"{folder}: no unfinished video in this folder; leave out --resume") from error
    except DataError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{folder / SETTINGS}: is damaged; start anew with --force") from error
    return job


def has_unfinished(folder: Path) -> bool:
    """Whether a folder holds the record of a video that was not finished."""
    return os.path.lexists(folder / SETTINGS)
