"""What a person did with a video, and what was tracked of it: all of a session but its page.

A session is a folder. `session.json` holds what a person gave (objects with their first masks, corrections)
and of what the record was tracked; it is replaced whole at every change. `record.jsonl` is the record of
tracked frames. Both outlive a closed page and a killed process.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hqtrack.errors import InputError
from hqtrack.files import write_whole
from hqtrack.images import Size
from hqtrack.masks import MAX_OBJECTS, Mask, Masks
from hqtrack.video.mask_record import MaskRecord
from hqtrack.video.objects import Colour
from hqtrack.web import plan as planning
from hqtrack.web.objects import Region, SessionObject, SessionObjects, keys_of, ordered
from hqtrack.web.plan import Plan, Tracked
from hqtrack.web.saved import SESSION_FILE, Saved

RECORD_FILE = "record.jsonl"
UNDO_STEPS = 100


class Shown(NamedTuple):
    """An object in a frame."""

    object: SessionObject
    mask: Mask


class Session:
    """A video with its objects, corrections and tracked masks; safe to use from several threads.

    Objects are numbered from 1 as they are added, and keep their numbers. Every change can be undone. What
    was tracked is never lost by a change, but it is `stale` from the frame that changed until it is tracked
    again. Deleting, naming and colouring an object make nothing stale.

    Args:
        folder: The session's own; exists.
        owner: Whose it is.
        source: Path of the video or folder, from the root.
        title: What the page calls it.
        size: Height and width of the frames.
        count: Number of frames.
        tracked: Of what the record in the folder was tracked.
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
    ) -> None:
        self.folder, self.owner, self.source, self.title = folder, owner, source, title
        self.size, self.count = size, count
        self.objects: SessionObjects = ()
        """In the order in which they join."""
        self.tracked = tracked
        self.record = MaskRecord(folder / RECORD_FILE, [item.key for item in tracked.objects])
        self.version = 0
        """Grows with every change of what a person gave, or of what its record was tracked."""
        self._undo: list[SessionObjects] = []
        self._redo: list[SessionObjects] = []
        self._lock = threading.RLock()

    @classmethod
    def load(cls, folder: Path) -> Session:
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
        )
        session.objects = saved.objects
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
        )
        write_whole(self.folder / SESSION_FILE, saved.model_dump_json(indent=1))

    # What is seen

    def find(self, key: int) -> SessionObject:
        """Return an object.

        Raises:
            InputError: It was deleted.
        """
        found = next((item for item in self.objects if item.key == key), None)
        if found is None:
            raise InputError("this object was deleted")
        return found

    def mask(self, key: int, frame: int) -> Mask | None:
        """Return an object's mask in a frame, as given or else as tracked; None where neither is known."""
        return next((shown.mask for shown in self.shown(frame) if shown.object.key == key), None)

    def shown(self, frame: int) -> list[Shown]:
        """Return all objects whose mask in a frame is known."""
        with self._lock:
            objects, recorded = self.objects, self._recorded(frame)
        found = []
        for item in objects:
            given = item.given(frame)
            if given is not None:
                found.append(Shown(item, given.mask(self.size)))
            elif frame > item.first.frame and item.key in recorded:
                found.append(Shown(item, recorded[item.key]))
        return found

    def masks(self, frame: int, keys: Collection[int]) -> Masks:
        """Return masks (N, H, W) as they were tracked, of objects by their numbers.

        Raises:
            DataError: The record of the frame is damaged.
        """
        with self._lock:
            recorded = self._recorded(frame)
        unseen = np.zeros(self.size, bool)
        return np.array([recorded.get(key, unseen) for key in keys], bool).reshape(-1, *self.size)

    def _recorded(self, frame: int) -> dict[int, Mask]:
        if frame >= len(self.record):
            return {}
        return dict(zip(self.record.scores(frame), self.record.masks(frame), strict=False))

    def lost(self, key: int) -> int | None:
        """Return the frame since which an object is not seen, where it is not at the end of what is tracked.

        Raises:
            InputError: It was deleted.
        """
        begin, record = self.find(key).first.frame, self.record
        with self._lock:
            end = self.up_to_date()
            since = end
            while since > begin + 1 and record.scores(since - 1).get(key, 1) == 0:
                since -= 1
        return since if since < end else None

    # What a person does

    def add(self, frame: int, mask: Mask) -> SessionObject:
        """Add an object that begins in a frame.

        Raises:
            InputError: The mask is empty, or there are too many objects.
        """
        if not mask.any():
            raise InputError("the mask is empty: give the object at least one pixel")
        if len(self.objects) == MAX_OBJECTS:
            raise InputError(f"there are {MAX_OBJECTS} objects already, which is the most in one video")
        with self._lock:
            item = SessionObject(self._free_key(), Region.of(frame, mask))
            with self._change():
                self.objects = ordered((*self.objects, item))
        return item

    def _free_key(self) -> int:
        """Return a number that no object has, nor one that undoing or the record may bring back."""
        taken = set[int]().union(*(keys_of(objects) for objects in (self.objects, *self._undo)))
        return 1 + max({0, *taken, *keys_of(self.tracked.objects), *self.tracked.deleted})

    def set_mask(self, key: int, frame: int, mask: Mask) -> None:
        """Set an object's mask in a frame: its first one, or a correction.

        Raises:
            InputError: It begins later, its first mask would be empty, or the frame was not tracked yet.
        """
        with self._lock:
            item = self.find(key)
            name, begin = item.title, item.first.frame
            if frame < begin:
                raise InputError(
                    f"{name} begins in frame {begin}; go there, or choose “New object” to begin one here"
                )
            if frame == begin and not mask.any():
                raise InputError(f"{name} needs a pixel in the frame in which it begins; or delete it")
            if self.mask(key, frame) is None:
                raise InputError(f"{name} was not tracked to frame {frame} yet: track first, then correct")
            with self._change():
                self._replace(item.with_region(Region.of(frame, mask)))

    def remove_correction(self, key: int, frame: int) -> None:
        """Take a correction back."""
        with self._lock, self._change():
            self._replace(self.find(key).without_region(frame))

    def rename(self, key: int, name: str) -> None:
        """Name an object; a blank name is its number's."""
        with self._lock, self._change():
            self._replace(replace(self.find(key), name=name.strip()[:60]))

    def recolour(self, key: int, colour: Colour) -> None:
        """Return an object another colour."""
        with self._lock, self._change():
            self._replace(replace(self.find(key), colour=colour))

    def delete(self, key: int) -> None:
        """Delete an object."""
        with self._lock, self._change():
            self.objects = tuple(each for each in self.objects if each.key != key)

    def undo(self) -> bool:
        """Take the last change back; False if there is none."""
        return self._swap(self._undo, self._redo)

    def redo(self) -> bool:
        """Make the last change that was taken back again; False if there is none."""
        return self._swap(self._redo, self._undo)

    def _swap(self, source: list[SessionObjects], target: list[SessionObjects]) -> bool:
        with self._lock:
            if not source:
                return False
            before, self.objects = self.objects, source[-1]
            try:
                self.save()
            except OSError:
                self.objects = before
                raise
            source.pop()
            target.append(before)
            self.version += 1
            return True

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Save the change made inside, so that it can be undone; where that fails, nothing is changed."""
        before = self.objects
        yield
        if self.objects == before:
            return
        try:
            self.save()
        except OSError:
            self.objects = before
            raise
        self._undo = [*self._undo[-UNDO_STEPS + 1 :], before]
        self._redo.clear()
        self.version += 1

    def _replace(self, item: SessionObject) -> None:
        self.objects = tuple(item if each.key == item.key else each for each in self.objects)

    # What is tracked

    def stale(self) -> int | None:
        """Return the first recorded frame that is out of date."""
        return planning.stale(self.objects, self.tracked, len(self.record))

    def up_to_date(self) -> int:
        """Return how many frames from the first on are tracked of what is given now."""
        stale = self.stale()
        return len(self.record) if stale is None else stale

    def next_frame(self) -> int | None:
        """Return the frame from which tracking continues; None if all is tracked, or there is no object."""
        return planning.next_frame(self.objects, self.tracked, len(self.record), self.count)

    def plan(self) -> Plan:
        """Return how tracking continues.

        Raises:
            InputError: There is nothing to track.
        """
        with self._lock:
            return planning.plan(self.objects, self.tracked, len(self.record), self.count)

    def begin(self, plan: Plan, corrected: Masks | None) -> None:
        """Cut the record to the frames that stay, before tracking continues.

        Args:
            plan: See `plan`.
            corrected: (N, H, W) masks of all objects in the last frame that stays, where it is corrected.
        """
        with self._lock:
            last = plan.start - 1
            at_cut = last in self.record.cuts
            self.record.cut(last if plan.corrected else plan.start)
            self.tracked = plan.tracked
            if corrected is not None:
                self.append(f"{last:08d}", corrected, cut=at_cut)
            self.version += 1
            self.save()

    def append(
        self, name: str, masks: Masks, scores: Collection[float] | None = None, *, cut: bool = False
    ) -> None:
        """Record the next frame.

        Args:
            name: The frame's.
            masks: (N, H, W) bool, of the objects so far in the order in which they join.
            scores: How sure the tracker is of each; by default 1 for what is seen.
            cut: Whether another shot begins with it.
        """
        ids = [item.key for item in self.tracked.objects[: len(masks)]]
        self.record.append(name, masks, ids=ids, scores=None if scores is None else [*scores], cut=cut)
