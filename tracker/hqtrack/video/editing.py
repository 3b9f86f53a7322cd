"""Edits of a finished run without tracking: objects are swapped, merged, removed, renamed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hqtrack.errors import DataError, InputError
from hqtrack.masks import Mask, rle_decode
from hqtrack.video.folder import OutputFolder
from hqtrack.video.job import open_source
from hqtrack.video.journal import ChangedSourceError, has_unfinished
from hqtrack.video.objects import TrackedObject
from hqtrack.video.recorded_frame import RecordedFrame, digest
from hqtrack.video.recorder import Recorder
from hqtrack.video.run_record import FinishedRun, RunRecord, read_masks, read_run, with_objects
from hqtrack.video.shown import facts_for
from hqtrack.video.sources import Frame, FrameSource
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers import WRITERS, Outputs

Rows = dict[int, tuple[Mask, float]]
"""Mask (H, W) and score of each object in a frame, by id."""


@dataclass(frozen=True)
class Edits:
    """Edits, in the order in which they are made."""

    swaps: tuple[tuple[int, int, int | None], ...] = ()
    """Two objects that are exchanged, from a frame on; None: in all frames."""
    merges: tuple[tuple[int, int, int | None], ...] = ()
    """An object that becomes part of another, and that one, from a frame on; None: in all frames."""
    removals: tuple[tuple[int, int | None], ...] = ()
    """An object that is removed, from a frame on; None: from all frames."""
    names: tuple[tuple[int, str], ...] = ()
    """An object, and its new name."""


def read_edits(
    swaps: Sequence[str],
    merges: Sequence[str],
    removals: Sequence[str],
    names: Sequence[str],
    number_of: Callable[[str], int],
) -> Edits:
    """Read edits as people write them.

    Args:
        swaps: "1,2", or "1,2,frame=40" each.
        merges: "3,1", or "3,1,frame=40" each: object 3 becomes part of object 1.
        removals: "4", or "4,from=100" each.
        names: "2=ball" each.
        number_of: Returns the number of the frame that a text names.

    Raises:
        InputError: A text is something else.

    Example:
        >>> read_edits(["1,2,frame=40"], [], ["4"], ["2=ball"], int)
        Edits(swaps=((1, 2, 40),), merges=(), removals=((4, None),), names=((2, 'ball'),))
    """

    def matched(kind: str, text: str, form: str, example: str) -> re.Match[str]:
        found = re.fullmatch(form, text)
        if found is None:
            raise InputError(f"--{kind} {text[:60]!r}: write it as {example}")
        return found

    two, when = r"\s*(\d{1,10})\s*,\s*(\d{1,10})\s*", r"(?:,\s*%s=([^,=]+))?"
    swapped = [matched("swap", text, two + when % "frame", "1,2 or 1,2,frame=40") for text in swaps]
    parts = "3,1 or 3,1,frame=40 (object 3 becomes part of object 1)"
    merged = [matched("merge", text, two + when % "frame", parts) for text in merges]
    one = r"\s*(\d{1,10})\s*"
    removed = [matched("remove", text, one + when % "from", "4 or 4,from=100") for text in removals]
    named = [matched("rename", text, one + r"=(.*)", "2=ball") for text in names]

    def frame_of(text: str | None) -> int | None:
        return None if text is None else number_of(text.strip())

    return Edits(
        tuple((int(each[1]), int(each[2]), frame_of(each[3])) for each in swapped),
        tuple((int(each[1]), int(each[2]), frame_of(each[3])) for each in merged),
        tuple((int(each[1]), frame_of(each[2])) for each in removed),
        tuple((int(each[1]), each[2].strip()) for each in named),
    )


def check_edits(edits: Edits, objects: Sequence[TrackedObject], first: int, last: int) -> None:
    """Check that edits are of objects that are there, in frames that are there, and leave an object.

    Args:
        edits: The edits.
        objects: Those of the run.
        first: Its first frame.
        last: Its last frame.

    Raises:
        InputError: They are not.
    """
    known = {each.id for each in objects}

    def check(*numbers: int) -> None:
        for number in numbers:
            if number not in known:
                ids = ", ".join(map(str, sorted(known))) or "none is left"
                raise InputError(f"there is no object {number} to edit; the ids are {ids}")

    _check_frames(edits, first, last)
    alone = next((a for a, b, _ in (*edits.swaps, *edits.merges) if a == b), None)
    if alone is not None:
        raise InputError(f"{alone},{alone}: an object cannot change places with itself, or be part of itself")
    for a, b, _ in edits.swaps:
        check(a, b)
    for a, b, frame in edits.merges:
        check(a, b)
        if frame is None:
            known.remove(a)
    for number, frame in edits.removals:
        check(number)
        if frame is None:
            known.remove(number)
    for number, _ in edits.names:
        check(number)
    if not known:
        raise InputError("no object would be left; delete the folder instead")


def _check_frames(edits: Edits, first: int, last: int) -> None:
    named = (*(each[2] for each in (*edits.swaps, *edits.merges)), *(each[1] for each in edits.removals))
    for frame in named:
        if frame is not None and not first <= frame <= last:
            raise InputError(f"frame {frame}: the run has the frames {first} to {last}")


def edited_rows(rows: Rows, edits: Edits, frame: int) -> Rows:
    """Return the masks of a frame after edits.

    Args:
        rows: Those of the objects that have joined; not changed.
        edits: The edits.
        frame: The frame's number.

    Example:
        >>> yes, no = np.ones((1, 1), bool), np.zeros((1, 1), bool)
        >>> found = edited_rows({1: (yes, 0.9), 2: (no, 0.0)}, Edits(swaps=((1, 2, 40),)), 41)
        >>> {number: bool(mask.any()) for number, (mask, _) in found.items()}
        {1: False, 2: True}
    """
    result = dict(rows)
    for a, b, since in edits.swaps:
        if since is None or frame >= since:
            there = {key: result.pop(key) for key in (a, b) if key in result}
            result |= {(b if key == a else a): value for key, value in there.items()}
    for a, b, since in edits.merges:
        if a in result and (since is None or frame >= since):
            mask, score = result.pop(a)
            other, score_of_other = result.get(b, (np.zeros_like(mask), 0.0))
            result[b] = mask | other, max(score, score_of_other)
    for number, since in edits.removals:
        if number in result and since is None:
            del result[number]
        elif number in result and since is not None and frame >= since:
            result[number] = np.zeros_like(result[number][0]), 0.0
    return {number: result[number] for number in sorted(result)}


class EditedRun:
    """A finished run whose outputs are made again after edits.

    Args:
        out: The folder of the outputs.

    Raises:
        InputError: There is no finished run in it.
        DataError: The record or the source cannot be read.
    """

    def __init__(self, out: str | Path) -> None:
        self.out = Path(out)
        if has_unfinished(self.out):
            raise InputError(f"{self.out}: holds an unfinished run; resume it first")
        self.run: FinishedRun = read_run(self.out)
        self.frames: FrameSource = open_source(self.run.job)
        if self.frames.live:
            raise InputError(f"{self.frames}: cannot be read again; record it to a file first")
        count = sum(1 for _ in read_masks(self.out))
        self._indices = range(
            self.frames.start, self.frames.start + count * self.frames.stride, self.frames.stride
        )

    def make(self, edits: Edits = Edits(), on_frame: Callable[[], None] = lambda: None) -> tuple[Path, ...]:
        """Make all outputs again, and record the result.

        Args:
            edits: What is changed.
            on_frame: Called after each frame.

        Returns:
            File or folder of each output.

        Raises:
            InputError: An edit is of an object or frame that is not there, or another run is writing there.
            ChangedSourceError: The source is not the one that was tracked.
        """
        check_edits(edits, self.run.objects, self._indices[0], self._indices[-1])
        objects = self._objects(edits)
        run = with_objects(self.run, objects)
        job, folder = self.run.job, OutputFolder(self.out)
        names = {WRITERS[kind].name for kind in job.outputs}
        with folder.claimed():
            self._check_all()
            folder.protect(names)
            folder.remove_written(names)
            outputs = Outputs(
                job.outputs, self.out, facts_for(job, self.frames, objects, run.begins), folder.note
            )
            with Recorder(None, outputs, job.cleaning, RunRecord(self.out, run)) as recorder:
                for tracked in self._edited(edits, objects):
                    recorder.write(tracked)
                    on_frame()
                recorder.finish(False)
        return outputs.paths

    def __len__(self) -> int:
        return len(self._indices)

    def _objects(self, edits: Edits) -> list[TrackedObject]:
        """Return the objects after edits, in the order in which they join."""
        first: dict[int, int] = {}
        nothing = np.zeros((1, 1), bool)
        for index, line in zip(self._indices, read_masks(self.out), strict=False):
            rows: Rows = {number: (nothing, 0.0) for number in line.ids or ()}
            for number in edited_rows(rows, edits, index):
                first.setdefault(number, index)
        names = dict(edits.names)
        places = {each.id: place for place, each in enumerate(self.run.objects)}
        left = [each for each in self.run.objects if each.id in first]
        left.sort(key=lambda each: (first[each.id], places[each.id]))
        self._first = first
        return [replace(each, name=names.get(each.id, each.name)) for each in left]

    def _check_all(self) -> None:
        """Check that the source is the one that was tracked and the record whole, before anything is removed.

        Raises:
            ChangedSourceError: A frame is another one, or is missing.
            DataError: The masks of a frame are damaged.
        """
        for line, frame in self._recorded():
            try:
                whole = line.size == frame.image.shape[:2] and len(_rows(line)) == len(line.masks)
            except ValueError:  # more ids than masks, or fewer
                whole = False
            if not whole:
                raise DataError(
                    f"{self.out}: the record of frame {frame.index} is damaged; track again with --force"
                )

    def _recorded(self) -> Iterator[tuple[RecordedFrame, Frame]]:
        """Yield what was recorded of each frame, with the frame."""
        count = 0
        for line, frame in zip(read_masks(self.out), self.frames, strict=False):
            count += 1
            if line.frame != frame.name or line.pixels not in (None, digest(frame.image)):
                raise _changed(self.frames, frame.name)
            yield line, frame
        if count < len(self):
            raise _changed(self.frames, "the last one")

    def _edited(self, edits: Edits, objects: Sequence[TrackedObject]) -> Iterator[TrackedFrame]:
        """Yield the frames with their masks after edits."""
        for line, frame in self._recorded():
            rows = edited_rows(_rows(line), edits, frame.index)
            there = [each for each in objects if self._first[each.id] <= frame.index]
            empty = np.zeros(line.size, bool), 0.0
            found = [rows.get(each.id, empty) for each in there]
            ids = {each.id for each in there}
            masks = np.stack([mask for mask, _ in found]) if found else np.zeros((0, *line.size), bool)
            yield TrackedFrame(
                frame,
                masks,
                objects=there,
                scores=[score for _, score in found],
                parts=[pair for pair in line.parts or () if {*pair} <= ids],
                cut=line.cut,
            )


def _rows(line: RecordedFrame) -> Rows:
    scores = line.scores or [1.0] * len(line.masks)
    coded = zip(line.ids or (), line.run_lengths, scores, strict=True)
    return {number: (np.ascontiguousarray(rle_decode(each)), score) for number, each, score in coded}


def _changed(frames: FrameSource, name: str) -> ChangedSourceError:
    return ChangedSourceError(
        f"{frames}: {name} is not as it was tracked, so the video has changed; restore it, or track again"
    )
