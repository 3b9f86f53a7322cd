"""What is kept on disk of a video that is being tracked, so that it can be gone on with after any end.

Two files lie in the folder of the outputs until the video is finished: the settings, and a line for each
tracked frame with the masks of all objects. A line is written when its frame is finished, so that even a
killed process or a power cut loses at most the frame that was worked on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from hqtrack.errors import DataError, InputError, naming
from hqtrack.masks import Rle, rle_decode
from hqtrack.video.corrections import Correction
from hqtrack.video.prompts import Prompt
from hqtrack.video.sources import Frame
from hqtrack.video.tracked import Tracked

SETTINGS = "unfinished.json"
FRAMES = "unfinished.jsonl"
VERSION = 1


@dataclass(frozen=True)
class Job:
    """Which video is tracked, how, and to which outputs."""

    source: str
    """As for `hqtrack.video.sources.open_frames`, like the next four."""
    start: int = 0
    end: int | None = None
    stride: int = 1
    fps: float | None = None
    card: str = "hqtrack-light"
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


class Journal:
    """The record of a video that is being tracked.

    Frames of an earlier run come first: as long as any are `left`, `past` gives the next. `append` adds one.
    """

    def __init__(self, folder: Path, job: Job) -> None:
        self.job = job
        self._settings, self._path = folder / SETTINGS, folder / FRAMES
        self._past: Iterator[tuple[str, list[Rle]]] = iter(())
        self.left = 0
        """Frames of an earlier run that `past` has still to give."""
        self._file: IO[str] | None = None

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
        with naming(part):
            part.write_text(json.dumps(entry, indent=1), encoding="utf-8")
        part.replace(journal._settings)
        journal._file = journal._path.open("w", encoding="ascii")
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
        journal.left = journal._whole_lines()
        journal._past = journal._read()
        journal._file = journal._path.open("a", encoding="ascii")
        return journal

    def past(self, frame: Frame) -> Tracked:
        """Give the masks that the next frame of an earlier run has.

        Raises:
            DataError: The frame is not the one that was tracked then, or the record is damaged.
        """
        self.left -= 1
        name, run_lengths = next(self._past)
        masks = np.zeros((len(run_lengths), *frame.image.shape[:2]), bool)
        if name != frame.name or any(coded["size"] != [*masks.shape[1:]] for coded in run_lengths):
            raise DataError(
                f"frame {frame.name} is not the one that was tracked before: the source has changed; "
                "start anew with --force"
            )
        try:
            for mask, coded in zip(masks, run_lengths, strict=True):
                mask[:] = rle_decode(coded)
        except InputError as error:
            raise self._damaged() from error
        return Tracked(frame, masks, run_lengths)

    def append(self, tracked: Tracked) -> None:
        """Record a frame."""
        assert self._file is not None
        counts = [run_lengths["counts"] for run_lengths in tracked.run_lengths]
        entry = {"frame": tracked.frame.name, "size": tracked.masks.shape[1:], "masks": counts}
        with naming(self._path):
            json.dump(entry, self._file)
            self._file.write("\n")
            self._file.flush()

    def close(self) -> None:
        """Leave the record for another run."""
        if self._file is not None:
            self._file.close()

    def remove(self) -> None:
        """End the record: the video is finished."""
        self.close()
        self._settings.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)

    def _whole_lines(self) -> int:
        """Count the lines, and cut off a last one that was not finished."""
        count = whole = 0
        with self._path.open("rb+") as file:
            for line in file:
                if line.endswith(b"\n"):
                    count, whole = count + 1, whole + len(line)
            file.seek(whole)
            file.truncate()
        return count

    def _read(self) -> Iterator[tuple[str, list[Rle]]]:
        with self._path.open(encoding="ascii") as file:
            for line in file:
                try:
                    entry = json.loads(line)
                    size = entry["size"]
                    run_lengths: list[Rle] = [{"size": size, "counts": text} for text in entry["masks"]]
                    yield entry["frame"], run_lengths
                except (ValueError, KeyError, TypeError) as error:
                    raise self._damaged() from error

    def _damaged(self) -> DataError:
        return DataError(f"{self._path}: is damaged; start anew with --force")


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
        job = Job(**entry, outputs=outputs, prompts=prompts, corrections=corrections)
    except FileNotFoundError as error:
        raise InputError(f"{folder}: no unfinished video in this folder; leave out --resume") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{folder / SETTINGS}: cannot be read; start anew with --force") from error
    return job


def has_unfinished(folder: Path) -> bool:
    """Whether a folder holds the record of a video that was not finished."""
    return os.path.lexists(folder / SETTINGS)
