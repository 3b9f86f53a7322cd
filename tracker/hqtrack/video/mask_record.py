"""The masks of tracked frames on disk: a line for each frame, read again in any order."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hqtrack import files
from hqtrack.errors import DataError
from hqtrack.masks import Masks, rle_decode, rle_encode
from hqtrack.video.recorded_frame import RecordedFrame, line_of, parsed

Scores = dict[int, float]
"""How sure the tracker was of each object's mask, by the object's id; 0 where it is not seen."""


class MaskRecord:
    """Masks of the frames 0, 1, 2, … of a video, in a file of JSON lines; safe to use from several threads.

    A line is written when its frame is finished. What a killed process or a full disk left of a line is cut
    off when the file is opened again, or at once.

    Args:
        path: The file; made where there is none.
        ids: The objects of the masks in lines that do not name them, as earlier versions wrote them. They
            are written again with these.

    Example:
        >>> record = MaskRecord(Path("record.jsonl"))  # doctest: +SKIP
        >>> record.append("0.png", masks)  # doctest: +SKIP
        >>> len(record), record.masks(0).shape  # doctest: +SKIP
        (1, (2, 480, 854))
    """

    def __init__(self, path: Path, ids: Sequence[int] = ()) -> None:
        self._path = path
        self._lock = threading.Lock()
        if ids:
            _name_rows(path, ids)
        self._ends = [0]
        """Where the line of each frame starts, and the last one ends."""
        self._scores: list[Scores] = []
        self._shots: set[int] = set()
        """Frames with which another shot begins."""
        # Without a buffer: what a full disk refuses must not be written later.
        self._file = files.reopen(path, buffering=0)
        with path.open("rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    if b'"cut": true' in line:
                        self._shots.add(len(self))
                    self._ends.append(self._ends[-1] + len(line))
                    self._scores.append(_scores_of(line))
        self._file.truncate(self._ends[-1])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def scores(self, index: int) -> Scores:
        """Return the objects of the masks in a frame, in their order, with their scores."""
        return self._scores[index]

    @property
    def cuts(self) -> list[int]:
        """The frames with which another shot begins, ascending."""
        return sorted(self._shots)

    def masks(self, index: int) -> Masks:
        """Return the masks (N, H, W) of the objects so far in a frame.

        Raises:
            DataError: The line is damaged.
        """
        return self.frame(index).decoded()

    def frame(self, index: int) -> RecordedFrame:
        """Return what was recorded of a frame.

        Raises:
            DataError: The line is damaged.
        """
        with self._lock:
            self._file.seek(self._ends[index])
            line = self._file.read(self._ends[index + 1] - self._ends[index])
        try:
            return parsed(line)
        except ValueError as error:
            raise DataError(f"{self._path}: the record of frame {index} is damaged; track again") from error

    def append(
        self,
        name: str,
        masks: Masks,
        *,
        ids: Sequence[int] | None = None,
        scores: Sequence[float] | None = None,
        cut: bool = False,
    ) -> None:
        """Record the next frame.

        Args:
            name: The frame's.
            masks: (N, H, W) bool.
            ids: Of their objects; 1 to N by default.
            scores: How sure the tracker is of each; by default 1 for what is seen.
            cut: Whether another shot begins with it.

        Raises:
            OSError: The line cannot be written; the record stays as it was.
        """
        known = range(1, len(masks) + 1) if ids is None else ids
        sure = [float(mask.any()) for mask in masks] if scores is None else [round(s, 4) for s in scores]
        coded = [rle_encode(mask) for mask in masks]
        line = line_of(name, masks.shape[1:], coded, scores=sure, ids=known, cut=cut)
        with self._lock:
            self._file.seek(self._ends[-1])
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[self._file.write(rest) :]
            except OSError:
                self._file.truncate(self._ends[-1])
                raise
            if cut:
                self._shots.add(len(self))
            self._scores.append(dict(zip(known, sure, strict=True)))
            self._ends.append(self._ends[-1] + len(line))

    def cut(self, count: int) -> None:
        """Forget all frames but the first so many."""
        with self._lock:
            del self._ends[count + 1 :]
            del self._scores[count:]
            self._shots -= {each for each in self._shots if each >= count}
            self._file.truncate(self._ends[-1])

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _scores_of(line: bytes) -> Scores:
    """Return the scores of a line without reading its masks; none where it is damaged."""
    try:
        entry = json.loads(line)
        scores = entry.get("scores")
        if scores is None:
            scores = [float(mask.any()) for mask in parsed(line).decoded()]
        ids = entry.get("ids") or range(1, len(scores) + 1)
        return {int(number): float(score) for number, score in zip(ids, scores, strict=True)}
    except (ValueError, TypeError, AttributeError):
        return {}


def _name_rows(path: Path, ids: Sequence[int]) -> None:
    """Write the lines of a file that do not name their objects again, with the first ones of these."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return
    named = [_named(line, ids) for line in lines]
    if named != lines:
        files.write_whole(path, b"".join(named))


def _named(line: bytes, ids: Sequence[int]) -> bytes:
    if b'"ids"' in line or not line.endswith(b"\n"):
        return line
    try:
        read = parsed(line)
    except ValueError:
        return line
    scores = [float(np.any(rle_decode(coded))) for coded in read.run_lengths]
    return line_of(read.frame, read.size, read.run_lengths, scores=scores, ids=ids[: len(scores)])
