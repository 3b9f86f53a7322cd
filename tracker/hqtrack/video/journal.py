"""What is kept on disk of a video that is being tracked, so that it can be resumed after any end.

Two files are in the folder of the outputs until the video is finished: the settings, and a line for each
tracked frame with the masks of all objects; a third one where frames are tracked backward, too. A killed
process loses at most the few frames that wait to be written. The disk is asked to keep the lines every few
seconds: a power cut loses what came after. Where a line is damaged, the record ends before it.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from hqtrack import files
from hqtrack.errors import DataError, InputError, naming
from hqtrack.video.job import Job
from hqtrack.video.objects import TrackedObject
from hqtrack.video.recorded_frame import RecordedFrame, digest, line_of, parsed
from hqtrack.video.sources import Frame
from hqtrack.video.tracked_frame import TrackedFrame

SETTINGS_FILE = "unfinished.json"
FRAMES_FILE = "unfinished.jsonl"
BACKWARD_FILE = "unfinished-backward.jsonl"
"""Of the frames that are tracked backward, where any are."""
JOURNAL_VERSION = 2


SECONDS_BETWEEN_SYNCS = 5.0
"""Seconds between two times at which the disk is asked to keep what was written."""

logger = logging.getLogger(__name__)


class ChangedSourceError(DataError):
    """A source that is not the one of the record: resuming cannot succeed."""


class Journal:
    """The record of a video that is being tracked.

    Frames of an earlier run come first: as long as any are `left`, `past` gives the next. `append` adds one.
    """

    def __init__(self, folder: Path, job: Job, name: str = FRAMES_FILE) -> None:
        self.job = job
        self._settings, self.path = folder / SETTINGS_FILE, folder / name
        self._past: Iterator[RecordedFrame] = iter(())
        self.frames = 0
        """Frames in the record."""
        self.left = 0
        """Frames of an earlier run that `past` has still to give."""
        self._file: IO[bytes] | None = None
        self._kept = time.monotonic()

    @classmethod
    def begin(cls, folder: Path, job: Job, name: str = FRAMES_FILE) -> Journal:
        """Start a record in a folder that exists; an earlier one is replaced."""
        journal = cls(folder, job, name)
        journal.path.unlink(missing_ok=True)
        journal._write_settings()
        journal._file = files.create(journal.path)
        return journal

    @classmethod
    def resume(
        cls, folder: Path, name: str = FRAMES_FILE, *, job: Job | None = None, most: int | None = None
    ) -> Journal:
        """Open the record of an earlier run, to resume it.

        Args:
            folder: Of the outputs.
            name: Of the record's file.
            job: What `read_job` returned, perhaps with another end.
            most: Frames that the source has up to the job's end; None where that is unknown.

        Raises:
            InputError: There is none in the folder.
            DataError: It cannot be read.
            ChangedSourceError: It has more frames than the source.
        """
        known = read_job(folder)
        job = known if job is None else job
        journal, moved = cls(folder, job, name), job.end != known.end
        file = journal._file = files.reopen(journal.path)
        journal.frames = journal._cut_off_damage(file)
        if most is not None and journal.frames > most:
            if not moved:
                journal.close()
                raise ChangedSourceError(
                    f"{job.source}: has only {most} frames, but {journal.frames} were tracked "
                    "before; restore it, or start over with --force"
                )
            journal._cut_off(file, most)
        journal.left = journal.frames
        if moved:
            journal._write_settings()
        journal._past = journal._read()
        file.seek(0, os.SEEK_END)
        return journal

    def past(self, frame: Frame, objects: Sequence[TrackedObject] | None = None) -> TrackedFrame:
        """Return the masks that the next frame of an earlier run has, of the first ones of `objects`.

        Raises:
            ChangedSourceError: The frame is not the one that was tracked then.
        """
        self.left -= 1
        line = next(self._past)
        same = line.pixels in (None, digest(frame.image))
        if line.frame != frame.name or line.size != frame.image.shape[:2] or not same:
            raise ChangedSourceError(
                f"frame {frame.name} is not the one that was tracked: the source has changed; "
                "start over with --force"
            )
        known = None if objects is None else objects[: len(line.masks)]
        return TrackedFrame(
            frame,
            line.decoded(),
            line.run_lengths,
            objects=known,
            scores=line.scores,
            parts=line.parts or (),
            cut=line.cut,
        )

    def append(self, tracked: TrackedFrame) -> None:
        """Record a frame."""
        assert self._file is not None
        with naming(self.path):
            frame, size = tracked.frame, tracked.masks.shape[1:]
            pixels = digest(frame.image)
            marks: dict[str, Any] = {"parts": tracked.parts, "cut": tracked.cut}
            line = line_of(
                frame.name, size, tracked.run_lengths, scores=tracked.scores, pixels=pixels, **marks
            )
            self._file.write(line)
            self._file.flush()
            self.frames += 1
            if time.monotonic() - self._kept > SECONDS_BETWEEN_SYNCS:
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
        self.path.unlink(missing_ok=True)

    def _write_settings(self) -> None:
        entry = {"version": JOURNAL_VERSION, **self.job.as_json()}
        files.write_whole(self._settings, json.dumps(entry, indent=1))

    def _cut_off(self, file: IO[bytes], count: int) -> None:
        """Leave the first frames alone in the record."""
        file.seek(0)
        for _ in range(count):
            file.readline()
        file.truncate(file.tell())
        self.frames = count

    def _cut_off_damage(self, file: IO[bytes]) -> int:
        """Count the lines before one that is damaged or was not finished, and cut the record off there."""
        count = end = objects = 0
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
            logger.warning("%s: is damaged; resumed after the %d frames before that", self.path, count)
        file.seek(end)
        file.truncate()
        return count

    def _read(self) -> Iterator[RecordedFrame]:
        with self.path.open("rb") as file:
            for line in file:
                yield parsed(line)


def read_job(folder: Path) -> Job:
    """Read which video is unfinished in a folder; nothing is changed.

    Raises:
        InputError: There is none in the folder.
        DataError: It cannot be read.
    """
    files.check_own(folder / SETTINGS_FILE)
    try:
        entry: dict[str, Any] = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
        if entry.pop("version") != JOURNAL_VERSION:
            raise DataError(f"{folder / SETTINGS_FILE}: written by another version of hqtrack; use --force")
        return Job.from_json(entry)
    except FileNotFoundError as error:
        raise InputError(f"{folder}: no unfinished video in this folder; leave out --resume") from error
    except DataError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{folder / SETTINGS_FILE}: is damaged; start over with --force") from error


def has_unfinished(folder: Path) -> bool:
    """Return whether a folder holds the record of a video that was not finished."""
    return os.path.lexists(folder / SETTINGS_FILE)
