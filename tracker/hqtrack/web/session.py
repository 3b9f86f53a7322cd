"""The objects that a person selected in a video, their corrections, and the tracked masks: a session.

A session is a folder. `session.json` holds the objects with their first masks and corrections, and those that
the record was tracked with; it is replaced whole at every change. `record.jsonl` is the record of tracked
frames. Both outlive a closed page and a killed process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import AliasChoices, BaseModel, Field

from hqtrack.errors import DataError, InputError
from hqtrack.files import write_whole
from hqtrack.images import Size
from hqtrack.masks import MAX_OBJECTS, Mask, Masks, rle_decode, rle_encode
from hqtrack.video.drawing import colour_of
from hqtrack.video.mask_record import MaskRecord
from hqtrack.video.objects import Colour

SESSION_FILE, RECORD_FILE = "session.json", "record.jsonl"
UNDO_STEPS = 100


@dataclass(frozen=True)
class Region:
    """An object's mask in one frame, given by a person; immutable and small, so that undoing keeps many."""

    frame: int
    counts: str
    """Run lengths as COCO has them; the size is the frame's."""

    @classmethod
    def of(cls, frame: int, mask: Mask) -> Region:
        """Keep a mask (H, W)."""
        return cls(frame, rle_encode(mask)["counts"])

    def mask(self, size: Size) -> Mask:
        """Return the mask (H, W)."""
        return rle_decode({"size": list(size), "counts": self.counts})


@dataclass(frozen=True)
class SessionObject:
    """An object: its name and colour on the page, and its masks that a person gave."""

    key: int
    """Never used again in a session, whatever is deleted."""
    first: Region
    """Where it begins; never empty."""
    name: str = ""
    """As a person named it."""
    colour: Colour | None = None
    """As a person chose it; else its number's."""
    corrections: tuple[Region, ...] = ()
    """In later frames, at most one a frame, by frame; an empty one says that it is not seen there."""

    def given(self, frame: int) -> Region | None:
        """Return the mask that a person gave in a frame."""
        return next((region for region in (self.first, *self.corrections) if region.frame == frame), None)

    def with_region(self, region: Region) -> SessionObject:
        """Return the object with a mask in a frame, in place of an earlier one in the same frame."""
        if region.frame == self.first.frame:
            return replace(self, first=region)
        others = [each for each in self.corrections if each.frame != region.frame]
        return replace(self, corrections=tuple(sorted([*others, region], key=lambda each: each.frame)))


SessionObjects = tuple[SessionObject, ...]


@dataclass(frozen=True)
class Tracked:
    """The objects that the record was tracked with."""

    objects: Annotated[SessionObjects, Field(validation_alias=AliasChoices("objects", "things"))] = ()
    restarts: Annotated[tuple[int, ...], Field(validation_alias=AliasChoices("restarts", "gone_on"))] = ()
    """Frames from whose masks tracking started again, ascending: after a stop, or to track the next frame
    again. They are references, as corrected frames are."""


class Shown(NamedTuple):
    """An object in a frame."""

    number: int
    object: SessionObject
    mask: Mask

    @property
    def colour(self) -> Colour:
        """What it is drawn in."""
        return self.object.colour or colour_of(self.number)


class Plan(NamedTuple):
    """How tracking goes on; see `Session.plan`."""

    start: int
    """The first frame that is tracked."""
    corrected: bool
    """Whether the frame before it is recorded already, but corrected since."""
    tracked: Tracked
    """Of what the record will have been tracked."""


class Saved(BaseModel):
    """`session.json`. Files of earlier versions call objects `things`, and restarts `gone_on`."""

    owner: str
    source: str
    title: str
    size: Size
    count: int
    objects: Annotated[SessionObjects, Field(validation_alias=AliasChoices("objects", "things"))]
    tracked: Tracked
    next_key: int

    @classmethod
    def read(cls, folder: Path) -> Saved:
        """Read a session's file.

        Raises:
            DataError: It is damaged or missing.
        """
        file = folder / SESSION_FILE
        try:
            return cls.model_validate_json(file.read_bytes())
        except (OSError, ValueError) as error:
            raise DataError(f"{file}: cannot be read; remove the folder to start anew") from error


class Session:
    """A video with its objects, corrections and tracked masks; safe to use from several threads.

    Objects are numbered from 1 as `hqtrack track` numbers them: by the frame in which they begin, then as
    they were added. Changes can be undone. A change never removes tracked masks, but from its
    frame on they are `stale`, until they are tracked again.

    Args:
        folder: The session's own; exists.
        owner: Whose it is.
        source: Path of the video or folder, from the root.
        title: What the page calls it.
        size: Height and width of the frames.
        count: Number of frames.
    """

    def __init__(self, folder: Path, *, owner: str, source: str, title: str, size: Size, count: int) -> None:
        self.folder, self.owner, self.source, self.title = folder, owner, source, title
        self.size, self.count = size, count
        self.objects: SessionObjects = ()
        """In the order of their numbers."""
        self.tracked = Tracked()
        self.record = MaskRecord(folder / RECORD_FILE)
        self.version = 0
        """Grows with every change of the objects or of the record."""
        self._next_key = 1
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
        )
        session.objects, session.tracked, session._next_key = saved.objects, saved.tracked, saved.next_key
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
            next_key=self._next_key,
        )
        write_whole(self.folder / SESSION_FILE, saved.model_dump_json(indent=1))

    # What is seen

    def number(self, key: int) -> int:
        """Return an object's number.

        Raises:
            InputError: It was deleted.
        """
        return 1 + self.objects.index(self.find(key))

    def name_of(self, key: int) -> str:
        """Return an object's name, or else "object" and its number."""
        return self.find(key).name or f"object {self.number(key)}"

    def find(self, key: int) -> SessionObject:
        """Return an object.

        Raises:
            InputError: It was deleted.
        """
        found = next((item for item in self.objects if item.key == key), None)
        if found is None:
            raise InputError("this object was deleted")
        return found

    def colour_of(self, key: int) -> Colour:
        """Return the colour in which an object is drawn."""
        return self.find(key).colour or colour_of(self.number(key))

    def mask(self, key: int, frame: int) -> Mask | None:
        """Return an object's mask in a frame, as given or else as tracked; None where neither is known."""
        return next((shown.mask for shown in self.shown(frame) if shown.object.key == key), None)

    def shown(self, frame: int) -> list[Shown]:
        """Return all objects whose mask in a frame is known."""
        with self._lock:
            objects, tracked = self.objects, self.tracked.objects
            rows = self.record.masks(frame) if frame < len(self.record) else ()
        recorded = {item.key: row for item, row in zip(tracked, rows, strict=False)}
        found = []
        for number, item in enumerate(objects, start=1):
            given = item.given(frame)
            if given is not None:
                found.append(Shown(number, item, given.mask(self.size)))
            elif frame > item.first.frame and item.key in recorded:
                found.append(Shown(number, item, recorded[item.key]))
        return found

    # Changes

    def add(self, frame: int, mask: Mask) -> SessionObject:
        """Let an object begin in a frame.

        Raises:
            InputError: The mask is empty, or there are too many objects.
        """
        if not mask.any():
            raise InputError("the mask is empty: give the object at least one pixel")
        if len(self.objects) == MAX_OBJECTS:
            raise InputError(f"there are {MAX_OBJECTS} objects already, which is the most in one video")
        with self._lock:
            key = self._next_key
            item = SessionObject(key, Region.of(frame, mask))
            with self._change():
                self._next_key += 1
                self.objects = tuple(sorted((*self.objects, item), key=lambda each: each.first.frame))
        return item

    def set_mask(self, key: int, frame: int, mask: Mask) -> None:
        """Set an object's mask in a frame: its first one, or a correction.

        Raises:
            InputError: It begins later, its first mask would be empty, or the frame was not tracked yet.
        """
        with self._lock:
            item = self.find(key)
            name, begin = self.name_of(key), item.first.frame
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
            item = self.find(key)
            left = tuple(each for each in item.corrections if each.frame != frame)
            self._replace(replace(item, corrections=left))

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
        """Save a change, so that it can be undone; where saving fails, nothing changes."""
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
        """Return the first recorded frame that was tracked with other masks than those given now."""
        changed = _given_masks(self.objects) ^ _given_masks(self.tracked.objects)
        first = min((region.frame for _, region in changed), default=len(self.record))
        return first if first < len(self.record) else None

    def next_frame(self) -> int | None:
        """Return the frame from which tracking goes on; None if all is tracked, or there is no object."""
        if not self.objects:
            return None
        stale = self.stale()
        if stale is not None:
            return stale
        return len(self.record) if len(self.record) < self.count else None

    def plan(self) -> Plan:
        """Describe how tracking goes on.

        Frames before the first change stay. Where that change only corrects a frame as it was tracked, this
        frame stays too, with the corrections. Else the last frame that stays becomes a reference: what the
        tracker remembers beyond references is not kept.

        Raises:
            InputError: There is nothing to track.
        """
        with self._lock:
            frame = self.next_frame()
            if frame is None:
                raise InputError(
                    "all frames are tracked; correct one, and go on from there"
                    if self.objects
                    else "there is no object yet: drag a box around one, click on it, or paint it"
                )
            if frame < len(self.record) and self._is_only_corrected(frame):
                restarts = tuple(each for each in self.tracked.restarts if each < frame)
                return Plan(frame + 1, True, Tracked(self.objects, restarts))
            restarts = tuple(each for each in self.tracked.restarts if each < frame)
            if any(item.first.frame < frame for item in self.objects) and not any(
                region.frame == frame - 1 for item in self.objects for region in item.corrections
            ):
                restarts = (*(each for each in restarts if each != frame - 1), frame - 1)
            return Plan(frame, False, Tracked(self.objects, restarts))

    def _is_only_corrected(self, frame: int) -> bool:
        """Whether all that is new in a frame are corrections of masks as they were tracked."""
        given, tracked = _given_masks(self.objects), _given_masks(self.tracked.objects)
        begun = {item.key for item in self.tracked.objects if item.first.frame < frame}
        return (
            all(key in begun for key, region in given - tracked if region.frame == frame)
            and not any(region.frame == frame for _, region in tracked - given)
            and not any(region.frame == frame for item in self.tracked.objects for region in item.corrections)
        )

    def references(self, plan: Plan) -> list[int]:
        """Return the frames whose masks the tracker is told before it goes on, ascending."""
        begun = [item.first.frame for item in plan.tracked.objects]
        corrected = [region.frame for item in plan.tracked.objects for region in item.corrections]
        return sorted({each for each in (*begun, *corrected, *plan.tracked.restarts) if each < plan.start})

    def begin(self, plan: Plan, corrected: Masks | None) -> None:
        """Cut the record to the frames that stay, before tracking goes on.

        Args:
            plan: See `plan`.
            corrected: (N, H, W) masks of all objects in the last frame that stays, where it is corrected.
        """
        with self._lock:
            last = plan.start - 1
            self.record.cut(last if plan.corrected else plan.start)
            self.tracked = plan.tracked
            if corrected is not None:
                self.record.append(f"{last:08d}", corrected)
            self.version += 1
            self.save()


def _given_masks(objects: SessionObjects) -> set[tuple[int, Region]]:
    """Return all that tracking depends on."""
    return {(item.key, region) for item in objects for region in (item.first, *item.corrections)}
