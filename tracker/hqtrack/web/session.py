"""What a person does with a video, and what is tracked of it: all of a session but its page."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hqtrack.errors import InputError
from hqtrack.masks import MAX_OBJECTS, Mask, Masks
from hqtrack.video.objects import Colour
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.web import changes
from hqtrack.web.backwards import Backwards
from hqtrack.web.history import Given, History
from hqtrack.web.identities import cut_identities
from hqtrack.web.objects import Region, SessionObject, keys_of, ordered
from hqtrack.web.plan import Plan
from hqtrack.web.state import SessionState


class Begun(NamedTuple):
    """An object where it begins."""

    frame: int
    mask: Mask
    name: str = ""
    key: int | None = None
    """Its number, if it has one."""
    colour: Colour | None = None


class Session(SessionState):
    """A session that changes: by what a person does, and by what is tracked.

    Objects are numbered from 1 as they are added, and keep their numbers. Every change can be undone.
    Deleting, naming, colouring, swapping and merging objects make nothing stale.
    """

    def __init__(self, folder: Path, **facts: Any) -> None:
        super().__init__(folder, **facts)
        self._history = History()

    # What a person does

    def add(self, frame: int, mask: Mask, name: str = "") -> SessionObject:
        """Add an object that begins in a frame.

        Raises:
            InputError: The mask is empty, or there are too many objects.
        """
        return self.add_all([Begun(frame, mask, name)])[0]

    def add_all(self, found: Collection[Begun]) -> list[SessionObject]:
        """Add objects; undone together. One keeps its own number, where that is free.

        Raises:
            InputError: A mask is empty, or there are too many objects.
        """
        if not all(each.mask.any() for each in found):
            raise InputError("the mask is empty: give the object at least one pixel")
        if len(self.objects) + len(found) > MAX_OBJECTS:
            raise InputError(
                f"with these there are more than {MAX_OBJECTS} objects, which is the most in one video"
            )
        items = []
        with self._lock:
            # A number is not used again while undoing or the record may bring it back.
            taken = {0, *keys_of(self.objects), *self._history.keys()}
            taken |= {*keys_of(self.tracked.objects), *self.tracked.deleted}
            for each in found:
                key = 1 + max(taken) if each.key is None or each.key in taken else each.key
                taken.add(key)
                name = changes.clean_name(each.name)
                items.append(SessionObject(key, Region.of(each.frame, each.mask), name, each.colour))
            self._change(self.given._replace(objects=ordered((*self.objects, *items))))
        return items

    def set_mask(self, key: int, frame: int, mask: Mask) -> None:
        """Set an object's mask in a frame: its first one, or a correction.

        In a frame to which it was tracked backward, the object begins there from now on.

        Raises:
            InputError: It begins later, its first mask would be empty, or the frame was not tracked yet.
        """
        with self._lock:
            known = self.mask(key, frame) is not None
            self._change(
                self.given._replace(objects=changes.with_mask(self.objects, key, frame, mask, known))
            )

    def remove_correction(self, key: int, frame: int) -> None:
        """Take a correction back."""
        self._alter(key, lambda item: item.without_region(frame))

    def rename(self, key: int, name: str) -> None:
        """Name an object; a blank name is its number's."""
        self._alter(key, lambda item: replace(item, name=changes.clean_name(name)))

    def recolour(self, key: int, colour: Colour) -> None:
        """Change an object's colour."""
        self._alter(key, lambda item: replace(item, colour=colour))

    def delete(self, key: int) -> None:
        """Delete an object."""
        with self._lock:
            left = tuple(each for each in self.objects if each.key != key)
            self._change(self.given._replace(objects=left))

    def identify(self, kind: Literal["swap", "merge"], pair: tuple[int, int], frame: int) -> None:
        """Swap two objects from a frame on, or make the first a part of the second, without tracking.

        All frames that are tracked show it. Tracking continues from what is shown.

        Raises:
            InputError: An object was deleted or begins later, or the frame was not tracked or is out of date.
        """
        with self._lock:
            end = len(self.record)
            changes.check_pair(self.objects, pair, frame, self.up_to_date())
            self._change(changes.identified(self.given, kind, pair, (frame, end), self.mask))

    def undo(self) -> bool:
        """Take the last change back; False if there is none."""
        with self._lock:
            return self._history.undo(self.given, self._set)

    def redo(self) -> bool:
        """Make the last change that was taken back again; False if there is none."""
        with self._lock:
            return self._history.redo(self.given, self._set)

    def choose(self, card: str, device: str) -> None:
        """Choose with what it is tracked. What was tracked with another card is out of date."""
        with self._lock:
            before = self.card, self.device
            self.card, self.device = card, device
            try:
                self.save()
            except OSError:
                self.card, self.device = before
                raise
            self.version += 1

    def _alter(self, key: int, change: Callable[[SessionObject], SessionObject]) -> None:
        with self._lock:
            self._change(self.given._replace(objects=changes.altered(self.objects, key, change)))

    def _change(self, given: Given) -> None:
        """Change what is given, so that it can be undone; where it cannot be saved, nothing is changed."""
        before = self.given
        if given != before:
            self._set(given)
            self._history.note(before)

    def _set(self, given: Given) -> None:
        before, self.given = self.given, given
        try:
            self.save()
        except OSError:
            self.given = before
            raise
        self.version += 1

    # What is tracked

    def begin(self, plan: Plan, corrected: Masks | None) -> None:
        """Cut the record to the frames that stay, before tracking continues.

        Args:
            plan: See `plan`.
            corrected: (N, H, W) masks of all objects in the last frame that stays, where it is corrected.
        """
        with self._lock:
            last = plan.start - 1
            end = last if plan.corrected else plan.start
            at_cut = last in self.record.cuts
            self.record.cut(end)
            self._history.cut(end)
            self.given = self.given._replace(identities=cut_identities(self.given.identities, end))
            kept = cut_identities(plan.tracked.identities, end)
            self.tracked = replace(plan.tracked, identities=kept)
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

    def begin_backward(self) -> None:
        """Forget what was tracked backward, before that is done again."""
        with self._lock:
            self.backward.begin(Backwards(self.objects, self.card))
            self.version += 1
            self.save()

    def end_backward(self) -> None:
        """Note that frames show more than before."""
        self.version += 1

    def append_backward(self, tracked: TrackedFrame) -> None:
        """Record the next frame toward the start of the video."""
        with self._lock:
            self.backward.append(tracked)
