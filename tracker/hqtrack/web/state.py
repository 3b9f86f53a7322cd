"""The state of a session: what a person gave, what was tracked of it, and what is shown of both.

A session is a folder. `session.json` holds what a person gave (objects with their first masks, corrections,
swaps and merges) and of what the records were tracked; it is replaced whole at every change. `record.jsonl`
and `backward.jsonl` are the records of tracked frames. All outlive a closed page and a killed process.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from hqtrack.files import write_whole
from hqtrack.images import Size
from hqtrack.masks import Mask, Masks
from hqtrack.video.direction import settle
from hqtrack.video.editing import Rows
from hqtrack.video.mask_record import MaskRecord
from hqtrack.web import changes
from hqtrack.web import plan as planning
from hqtrack.web.backwards import BackwardRecord, Backwards
from hqtrack.web.history import Given
from hqtrack.web.identities import Scores, seen_rows, seen_scores
from hqtrack.web.objects import SessionObject, SessionObjects
from hqtrack.web.plan import Plan, Tracked
from hqtrack.web.saved import SESSION_FILE, Saved

RECORD_FILE = "record.jsonl"


class Shown(NamedTuple):
    """An object in a frame."""

    object: SessionObject
    mask: Mask


class SessionState:
    """A video with its objects, corrections and tracked masks; safe to use from several threads.

    What was tracked is never lost by a change, but it is `stale` from the frame that changed until it is
    tracked again.

    Args:
        folder: The session's own; exists.
        owner: Whose it is.
        source: Path of the video or folder, from the root.
        title: What the page calls it.
        size: Height and width of the frames.
        count: Number of frames.
        tracked: Of what the record in the folder was tracked.
        backwards: Of what the record of earlier frames was tracked.
    """

    def __init__(
        self,
        folder: Path,
        *,
        owner: str,
        source: str,
        title: str,
        size: Size,
        count: int,
        tracked: Tracked = Tracked(),  # noqa: B008 - immutable
        backwards: Backwards = Backwards(),  # noqa: B008 - immutable
    ) -> None:
        self.folder, self.owner, self.source, self.title = folder, owner, source, title
        self.size, self.count = size, count
        self.card, self.device = "", ""
        """With what it is tracked; empty: with what the server was started."""
        self.seconds: float | None = None
        """Length of the video; None: not known."""
        self.given = Given()
        """What a person gave."""
        self.tracked = tracked
        self.record = MaskRecord(folder / RECORD_FILE, [item.key for item in tracked.objects])
        self.backward = BackwardRecord(folder, backwards)
        self.version = 0
        """Grows with every change of what a person gave, or of what its record was tracked."""
        self._lock = threading.RLock()

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Take up a session.

        Raises:
            DataError: Its file is damaged or missing.
        """
        saved = Saved.read(folder)
        session = cls(
            folder,
            owner=saved.owner,
            source=saved.source,
            title=saved.title,
            size=saved.size,
            count=saved.count,
            tracked=saved.tracked,
            backwards=saved.backwards,
        )
        session.given = Given(saved.objects, saved.identities)
        session.card, session.device, session.seconds = saved.card, saved.device, saved.seconds
        return session

    def save(self) -> None:
        """Write the session's file; where that fails, the earlier one stays."""
        saved = Saved(
            owner=self.owner,
            source=self.source,
            title=self.title,
            size=self.size,
            count=self.count,
            objects=self.objects,
            tracked=self.tracked,
            identities=self.given.identities,
            backwards=self.backward.basis,
            card=self.card,
            device=self.device,
            seconds=self.seconds,
        )
        write_whole(self.folder / SESSION_FILE, saved.model_dump_json(indent=1))

    @property
    def objects(self) -> SessionObjects:
        """All objects, in the order in which they join."""
        return self.given.objects

    # What is seen

    def find(self, key: int) -> SessionObject:
        """Return an object.

        Raises:
            InputError: It was deleted.
        """
        return changes.find(self.objects, key)

    def mask(self, key: int, frame: int) -> Mask | None:
        """Return an object's mask in a frame, as given or else as tracked; None where neither is known."""
        return next((shown.mask for shown in self.shown(frame) if shown.object.key == key), None)

    def shown(self, frame: int) -> list[Shown]:
        """Return all objects whose mask in a frame is known."""
        with self._lock:
            objects, rows = self.objects, self.rows(frame)
        found = []
        for item in objects:
            given = item.given(frame)
            if given is not None:
                found.append(Shown(item, given.mask(self.size)))
            elif item.key in rows:
                found.append(Shown(item, rows[item.key][0]))
        return found

    def rows(self, frame: int) -> Rows:
        """Return masks (H, W) and scores as they were tracked to a frame, by the numbers of objects.

        An object is left out in frames before it begins, unless it was tracked backward.

        Raises:
            DataError: The record of the frame is damaged.
        """
        with self._lock:
            later = {item.key for item in self.objects if item.first.frame > frame}
            rows = {key: row for key, row in self._forward(frame).items() if key not in later}
            before = self.backward.rows(frame, self.objects, self.card)
        if not rows or not before:
            return rows or before
        rows |= before
        masks = np.stack([mask for mask, _ in rows.values()])
        scores = np.array([score for _, score in rows.values()])
        settle(masks, scores)
        return dict(zip(rows, zip(masks, scores.tolist(), strict=True), strict=True))

    def masks(self, frame: int, keys: Collection[int]) -> Masks:
        """Return masks (N, H, W) as they were tracked forward, of objects by their numbers.

        Raises:
            DataError: The record of the frame is damaged.
        """
        with self._lock:
            rows = self._forward(frame)
        unseen = np.zeros(self.size, bool), 0.0
        return np.array([rows.get(key, unseen)[0] for key in keys], bool).reshape(-1, *self.size)

    def scores(self, frame: int) -> Scores:
        """Return how sure the tracker was of each object in a frame, by number; 0 where it is not seen."""
        known = self.record.scores(frame) if frame < len(self.record) else {}
        seen = seen_scores(known, self.given.identities, frame)
        if not len(self.backward):
            return seen
        return {**seen, **self.backward.scores(frame, self.objects, self.card)}

    def _forward(self, frame: int) -> Rows:
        if frame >= len(self.record):
            return {}
        scores = self.record.scores(frame)
        rows = dict(zip(scores, zip(self.record.masks(frame), scores.values(), strict=False), strict=False))
        return seen_rows(rows, self.given.identities, frame)

    def lost(self, key: int) -> int | None:
        """Return the frame since which an object is not seen, where it is not at the end of what is tracked.

        Raises:
            InputError: It was deleted.
        """
        begin = self.find(key).first.frame
        with self._lock:
            end = self.up_to_date()
            since = end
            while since > begin + 1 and self.scores(since - 1).get(key, 1) == 0:
                since -= 1
        return since if since < end else None

    # What is out of date

    def stale(self) -> int | None:
        """Return the first recorded frame that is out of date."""
        return planning.stale(self.given, self._basis(), len(self.record))

    def up_to_date(self) -> int:
        """Return how many frames from the first on are tracked of what is given now."""
        stale = self.stale()
        return len(self.record) if stale is None else stale

    def next_frame(self) -> int | None:
        """Return the frame from which tracking continues; None if all is tracked, or there is no object."""
        return planning.next_frame(self.given, self._basis(), len(self.record), self.count)

    def _basis(self) -> Tracked:
        """Return of what the record was tracked; of nothing, where that was with another card."""
        known = self.tracked.card
        return Tracked() if known and self.card and known != self.card else self.tracked

    def plan(self, since: int | None = None) -> Plan:
        """Return how tracking continues: from the first frame that is not up to date, or after `since`.

        Raises:
            InputError: There is nothing to track.
        """
        with self._lock:
            found = planning.plan(self.given, self._basis(), len(self.record), self.count, since)
            return found._replace(tracked=replace(found.tracked, card=self.card))
