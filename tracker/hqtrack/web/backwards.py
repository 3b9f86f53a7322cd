"""Masks of the frames before those in which objects begin."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hqtrack.video.editing import Rows
from hqtrack.video.mask_record import MaskRecord, Scores
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.web.objects import SessionObject, SessionObjects

EARLIER_FRAMES_FILE = "backward.jsonl"


@dataclass(frozen=True)
class Backwards:
    """Of what was tracked backward."""

    objects: SessionObjects = ()
    card: str = ""

    @property
    def last(self) -> int:
        """The frame from which it was tracked: the last one in which an object begins."""
        return max((each.first.frame for each in self.objects), default=0)


class BackwardRecord:
    """What was tracked backward; it holds for objects that begin with the same mask still.

    Args:
        folder: The session's.
        basis: Of what the record in it was tracked.
    """

    def __init__(self, folder: Path, basis: Backwards) -> None:
        self._path = folder / EARLIER_FRAMES_FILE
        self.basis = basis
        self._record: MaskRecord | None = MaskRecord(self._path) if self._path.exists() else None

    def __len__(self) -> int:
        return 0 if self._record is None else len(self._record)

    def begin(self, basis: Backwards) -> None:
        """Forget what was tracked, and track of something else."""
        if self._record is None:
            self._record = MaskRecord(self._path)
        self._record.cut(0)
        self.basis = basis

    def append(self, tracked: TrackedFrame) -> None:
        """Record the next frame toward the start of the video."""
        assert self._record is not None, "after `begin`"
        ids = [each.id for each in tracked.objects]
        self._record.append(tracked.frame.name, tracked.masks, ids=ids, scores=[*tracked.scores])

    def holding(self, objects: Collection[SessionObject], card: str) -> set[int]:
        """Return the numbers of objects of which it holds."""
        if not self or card != self.basis.card:
            return set()
        begins = {each.key: each.first for each in self.basis.objects}
        return {each.key for each in objects if each.first == begins.get(each.key)}

    def scores(self, frame: int, objects: Collection[SessionObject], card: str) -> Scores:
        """Return the scores in a frame of objects that begin later and of which it holds."""
        place = self.basis.last - frame
        if self._record is None or not 0 <= place < len(self):
            return {}
        later = {each.key for each in objects if each.first.frame > frame} & self.holding(objects, card)
        return {key: score for key, score in self._record.scores(place).items() if key in later}

    def rows(self, frame: int, objects: Collection[SessionObject], card: str) -> Rows:
        """Return masks (H, W) and scores in a frame of objects that begin later and of which it holds.

        Raises:
            DataError: The record of the frame is damaged.
        """
        wanted = self.scores(frame, objects, card)
        if not wanted or self._record is None:
            return {}
        place = self.basis.last - frame
        masks = dict(zip(self._record.scores(place), self._record.masks(place), strict=False))
        return {key: (np.ascontiguousarray(masks[key]), score) for key, score in wanted.items()}
