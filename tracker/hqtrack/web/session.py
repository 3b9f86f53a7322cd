"""What a person has said about a video, and what was tracked of it: all of a session but its page.

A session is a folder. `session.json` holds what was said (objects with their first masks, corrections) and of
what the record was tracked; it is replaced whole at every change. `record.jsonl` is the record of tracked
frames. Both outlive a closed page and a killed process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from hqtrack.errors import DataError, InputError
from hqtrack.files import write_whole
from hqtrack.masks import MAX_OBJECTS, Mask, Masks, rle_decode, rle_encode
from hqtrack.video.drawing import colour_of
from hqtrack.video.mask_record import MaskRecord

Size = tuple[int, int]
Colour = tuple[int, int, int]

SETTINGS, RECORD = "session.json", "record.jsonl"
UNDO_STEPS = 100


@dataclass(frozen=True)
class Region:
    """An object's mask in one frame, said by a person; immutable and small, so that undoing keeps many."""

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
class Thing:
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
        """Return what was said of a frame."""
        return next((region for region in (self.first, *self.corrections) if region.frame == frame), None)

    def with_region(self, region: Region) -> Thing:
        """Say something of a frame, in place of what was said before of it."""
        if region.frame == self.first.frame:
            return replace(self, first=region)
        others = [each for each in self.corrections if each.frame != region.frame]
        return replace(self, corrections=tuple(sorted([*others, region], key=lambda each: each.frame)))


Things = tuple[Thing, ...]


@dataclass(frozen=True)
class Tracked:
    """Of what the record was tracked."""

    things: Things = ()
    gone_on: tuple[int, ...] = ()
    """Frames in which tracking was taken up again with the masks as they were, ascending: after a stop, or to
    track the next frame anew. They are references, as corrected frames are."""


class Shown(NamedTuple):
    """An object in a frame."""

    number: int
    thing: Thing
    mask: Mask

    @property
    def colour(self) -> Colour:
        """What it is drawn in."""
        return self.thing.colour or colour_of(self.number)


class Plan(NamedTuple):
    """How tracking goes on; see `Session.plan`."""

    start: int
    """The first frame that is tracked."""
    corrected: bool
    """Whether the frame before it is recorded already, but corrected since."""
    tracked: Tracked
    """Of what the record will have been tracked."""


class Saved(BaseModel):
    """`session.json`."""

    owner: str
    source: str
    title: str
    size: Size
    count: int
    things: Things
    tracked: Tracked
    next_key: int

    @classmethod
    def read(cls, folder: Path) -> Saved:
        """Read a session's file.

        Raises:
            DataError: It is damaged or missing.
        """
        file = folder / SETTINGS
        try:
            return cls.model_validate_json(file.read_bytes())
        except (OSError, ValueError) as error:
            raise DataError(f"{file}: cannot be read; remove the folder to start anew") from error


class Session:
    """A video with its objects, corrections and tracked masks; safe to use from several threads.

    Objects are numbered from 1 as `hqtrack track` numbers them: by the frame in which they begin, then as
    they were added. What was said can be undone. What was tracked is never lost by saying something else,
    but it is `stale` from the frame of which that is said, until it is tracked again.

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
        self.things: Things = ()
        """In the order of their numbers."""
        self.tracked = Tracked()
        self.record = MaskRecord(folder / RECORD)
        self.version = 0
        """Grows with every change of what was said or of what its record was tracked."""
        self._next_key = 1
        self._undo: list[Things] = []
        self._redo: list[Things] = []
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
        session.things, session.tracked, session._next_key = saved.things, saved.tracked, saved.next_key
        return session

    def save(self) -> None:
        """Write the session's file; where that fails, the earlier one stays."""
        saved = Saved(
            owner=self.owner,
            source=self.source,
            title=self.title,
            size=self.size,
            count=self.count,
            things=self.things,
            tracked=self.tracked,
            next_key=self._next_key,
        )
        write_whole(self.folder / SETTINGS, saved.model_dump_json(indent=1))

    # What is seen

    def number(self, key: int) -> int:
        """Return an object's number.

        Raises:
            InputError: It was deleted.
        """
        return 1 + self.things.index(self.thing(key))

    def name_of(self, key: int) -> str:
        """Return an object's name, or else "object" and its number."""
        return self.thing(key).name or f"object {self.number(key)}"

    def thing(self, key: int) -> Thing:
        """Return an object.

        Raises:
            InputError: It was deleted.
        """
        found = next((thing for thing in self.things if thing.key == key), None)
        if found is None:
            raise InputError("this object was deleted")
        return found

    def colour_of(self, key: int) -> Colour:
        """Return the colour in which an object is drawn."""
        return self.thing(key).colour or colour_of(self.number(key))

    def mask(self, key: int, frame: int) -> Mask | None:
        """Return an object's mask in a frame, as said or else as tracked; None where neither is known."""
        return next((shown.mask for shown in self.shown(frame) if shown.thing.key == key), None)

    def shown(self, frame: int) -> list[Shown]:
        """Return all objects whose mask in a frame is known."""
        with self._lock:
            things, tracked = self.things, self.tracked.things
            rows = self.record.masks(frame) if frame < len(self.record) else ()
        recorded = {thing.key: row for thing, row in zip(tracked, rows, strict=False)}
        found = []
        for number, thing in enumerate(things, start=1):
            given = thing.given(frame)
            if given is not None:
                found.append(Shown(number, thing, given.mask(self.size)))
            elif frame > thing.first.frame and thing.key in recorded:
                found.append(Shown(number, thing, recorded[thing.key]))
        return found

    # What is said

    def add(self, frame: int, mask: Mask) -> Thing:
        """Let an object begin in a frame.

        Raises:
            InputError: The mask is empty, or there are too many objects.
        """
        if not mask.any():
            raise InputError("the mask is empty: give the object at least one pixel")
        if len(self.things) == MAX_OBJECTS:
            raise InputError(f"there are {MAX_OBJECTS} objects already, which is the most in one video")
        with self._lock:
            key = self._next_key
            thing = Thing(key, Region.of(frame, mask))
            with self._change():
                self._next_key += 1
                self.things = tuple(sorted((*self.things, thing), key=lambda each: each.first.frame))
        return thing

    def say(self, key: int, frame: int, mask: Mask) -> None:
        """Say an object's mask in a frame: its first one, or a correction.

        Raises:
            InputError: It begins later, its first mask would be empty, or the frame was not tracked yet.
        """
        with self._lock:
            thing = self.thing(key)
            name, begin = self.name_of(key), thing.first.frame
            if frame < begin:
                raise InputError(
                    f"{name} begins in frame {begin}; go there, or choose “New object” to begin one here"
                )
            if frame == begin and not mask.any():
                raise InputError(f"{name} needs a pixel in the frame in which it begins; or delete it")
            if self.mask(key, frame) is None:
                raise InputError(f"{name} was not tracked to frame {frame} yet: track first, then correct")
            with self._change():
                self._replace(thing.with_region(Region.of(frame, mask)))

    def withdraw(self, key: int, frame: int) -> None:
        """Take a correction back."""
        with self._lock, self._change():
            thing = self.thing(key)
            left = tuple(each for each in thing.corrections if each.frame != frame)
            self._replace(replace(thing, corrections=left))

    def rename(self, key: int, name: str) -> None:
        """Name an object; a blank name is its number's."""
        with self._lock, self._change():
            self._replace(replace(self.thing(key), name=name.strip()[:60]))

    def recolour(self, key: int, colour: Colour) -> None:
        """Return an object another colour."""
        with self._lock, self._change():
            self._replace(replace(self.thing(key), colour=colour))

    def delete(self, key: int) -> None:
        """Delete an object."""
        with self._lock, self._change():
            self.things = tuple(each for each in self.things if each.key != key)

    def undo(self) -> bool:
        """Take the last change back; False if there is none."""
        return self._swap(self._undo, self._redo)

    def redo(self) -> bool:
        """Make the last change that was taken back again; False if there is none."""
        return self._swap(self._redo, self._undo)

    def _swap(self, source: list[Things], target: list[Things]) -> bool:
        with self._lock:
            if not source:
                return False
            before, self.things = self.things, source[-1]
            try:
                self.save()
            except OSError:
                self.things = before
                raise
            source.pop()
            target.append(before)
            self.version += 1
            return True

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Save what is said inside, so that it can be undone; where that fails, nothing was said."""
        before = self.things
        yield
        if self.things == before:
            return
        try:
            self.save()
        except OSError:
            self.things = before
            raise
        self._undo = [*self._undo[-UNDO_STEPS + 1 :], before]
        self._redo.clear()
        self.version += 1

    def _replace(self, thing: Thing) -> None:
        self.things = tuple(thing if each.key == thing.key else each for each in self.things)

    # What is tracked

    def stale(self) -> int | None:
        """Return the first recorded frame that was tracked of something else than what is said now."""
        changed = _said(self.things) ^ _said(self.tracked.things)
        first = min((region.frame for _, region in changed), default=len(self.record))
        return first if first < len(self.record) else None

    def next_frame(self) -> int | None:
        """Return the frame from which tracking goes on; None if all is tracked, or there is no object."""
        if not self.things:
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
                    if self.things
                    else "there is no object yet: drag a box around one, click on it, or paint it"
                )
            if frame < len(self.record) and self._is_only_corrected(frame):
                gone_on = tuple(each for each in self.tracked.gone_on if each < frame)
                return Plan(frame + 1, True, Tracked(self.things, gone_on))
            gone_on = tuple(each for each in self.tracked.gone_on if each < frame)
            if any(thing.first.frame < frame for thing in self.things) and not any(
                region.frame == frame - 1 for thing in self.things for region in thing.corrections
            ):
                gone_on = (*(each for each in gone_on if each != frame - 1), frame - 1)
            return Plan(frame, False, Tracked(self.things, gone_on))

    def _is_only_corrected(self, frame: int) -> bool:
        """Whether all that is new in a frame are corrections of masks as they were tracked."""
        said, tracked = _said(self.things), _said(self.tracked.things)
        begun = {thing.key for thing in self.tracked.things if thing.first.frame < frame}
        return (
            all(key in begun for key, region in said - tracked if region.frame == frame)
            and not any(region.frame == frame for _, region in tracked - said)
            and not any(
                region.frame == frame for thing in self.tracked.things for region in thing.corrections
            )
        )

    def references(self, plan: Plan) -> list[int]:
        """Return the frames whose masks the tracker is told before it goes on, ascending."""
        begun = [thing.first.frame for thing in plan.tracked.things]
        corrected = [region.frame for thing in plan.tracked.things for region in thing.corrections]
        return sorted({each for each in (*begun, *corrected, *plan.tracked.gone_on) if each < plan.start})

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


def _said(things: Things) -> set[tuple[int, Region]]:
    """Return all that tracking depends on."""
    return {(thing.key, region) for thing in things for region in (thing.first, *thing.corrections)}
