"""What a finished run leaves for later edits: its job, and each frame's masks before they were cleaned."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hqtrack import files
from hqtrack.errors import DataError, InputError
from hqtrack.video.folder import STATE_FOLDER
from hqtrack.video.job import Job
from hqtrack.video.objects import TrackedObject
from hqtrack.video.recorded_frame import RecordedFrame, digest, line_of, parsed
from hqtrack.video.tracked_frame import TrackedFrame

JOB_FILE, MASKS_FILE = "run.json", "masks.jsonl"
RECORD_VERSION = 1


@dataclass(frozen=True)
class FinishedRun:
    """A run that is finished."""

    job: Job
    objects: tuple[TrackedObject, ...]
    """In the order in which they join."""
    begins: Mapping[int, int]
    """Frame in which the object of an id is given, where it is seen before that."""


class RunRecord:
    """Records a run while its outputs are written; an earlier record is replaced at the end.

    Args:
        out: The folder of the outputs.
        run: The run.
    """

    def __init__(self, out: Path, run: FinishedRun) -> None:
        self._run = run
        folder = out / STATE_FOLDER
        self._job, self._masks = folder / JOB_FILE, folder / MASKS_FILE
        self._part = folder / f"{MASKS_FILE}.part"
        self._file = files.create(self._part)

    def write(self, tracked: TrackedFrame) -> None:
        """Record the next frame."""
        frame = tracked.frame
        marks: dict[str, Any] = {"scores": tracked.scores, "pixels": digest(frame.image)}
        marks |= {"ids": [each.id for each in tracked.objects], "parts": tracked.parts, "cut": tracked.cut}
        self._file.write(line_of(frame.name, tracked.masks.shape[1:], tracked.run_lengths, **marks))

    def finish(self) -> None:
        """Put the record in its place."""
        self._file.close()
        objects = [asdict(each) for each in self._run.objects]
        begins = {str(number): frame for number, frame in self._run.begins.items()}
        entry = {"version": RECORD_VERSION, "objects": objects, "begins": begins}
        files.put_in_place(self._part, self._masks)
        files.write_whole(self._job, json.dumps(entry | {"job": self._run.job.as_json()}, indent=1))

    def discard(self) -> None:
        """Remove what is unfinished; never raises."""
        with suppress(OSError):
            self._file.close()
        files.remove(self._part)


def forget_run(out: Path) -> None:
    """Remove the record of an earlier run, whose outputs are being replaced."""
    for name in (JOB_FILE, MASKS_FILE):
        (out / STATE_FOLDER / name).unlink(missing_ok=True)


def has_run(out: Path) -> bool:
    """Return whether a folder holds the record of a finished run."""
    return (out / STATE_FOLDER / JOB_FILE).exists()


def read_run(out: Path) -> FinishedRun:
    """Read which run is finished in a folder.

    Raises:
        InputError: There is none.
        DataError: Its record is damaged.
    """
    path = out / STATE_FOLDER / JOB_FILE
    files.check_own(path)
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        if entry["version"] != RECORD_VERSION:
            raise DataError(f"{path}: written by another version of hqtrack; track again with --force")
        objects = [
            TrackedObject(each["id"], each["name"], each["colour"] and tuple(each["colour"]))
            for each in entry["objects"]
        ]
        begins = {int(number): int(frame) for number, frame in entry["begins"].items()}
        return FinishedRun(Job.from_json(entry["job"]), tuple(objects), begins)
    except FileNotFoundError as error:
        raise InputError(
            f"{out}: holds no record of a run; give the folder (-o) of a video that was tracked"
        ) from error
    except DataError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: is damaged; track again with --force") from error


def read_masks(out: Path) -> Iterator[RecordedFrame]:
    """Yield what was recorded of each frame.

    Raises:
        DataError: The record is damaged.
    """
    path = out / STATE_FOLDER / MASKS_FILE
    files.check_own(path)
    with path.open("rb") as lines:
        for line in lines:
            try:
                yield parsed(line)
            except ValueError as error:
                raise DataError(f"{path}: is damaged; track again with --force") from error


def with_objects(run: FinishedRun, objects: Sequence[TrackedObject]) -> FinishedRun:
    """Return a run with other objects."""
    known = {each.id for each in objects}
    begins = {number: frame for number, frame in run.begins.items() if number in known}
    return FinishedRun(run.job, tuple(objects), begins)
