"""What of the record is out of date, and how tracking continues: pure functions of a person's prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

from pydantic import AliasChoices, Field

from hqtrack.errors import InputError
from hqtrack.web.history import Given
from hqtrack.web.identities import Identities, seen_objects
from hqtrack.web.objects import Region, SessionObjects, keys_of


@dataclass(frozen=True)
class Tracked:
    """Of what the record was tracked."""

    objects: Annotated[SessionObjects, Field(validation_alias=AliasChoices("objects", "things"))] = ()
    restarts: Annotated[tuple[int, ...], Field(validation_alias=AliasChoices("restarts", "gone_on"))] = ()
    """Frames in which tracking was taken up again with the masks as they were, ascending: after a stop, or to
    track the next frame again. They are references, as corrected frames are."""
    deleted: tuple[int, ...] = ()
    """Numbers of further objects that were tracked in a part of the record, and deleted since."""
    identities: Identities = ()
    """Swaps and merges that were made before tracking continued last."""
    card: str = ""
    """With which it was tracked; empty: not known."""

    def without(self, objects: SessionObjects) -> tuple[int, ...]:
        """Return the numbers of tracked objects that are not among these any more, ascending."""
        return tuple(sorted((keys_of(self.objects) | {*self.deleted}) - keys_of(objects)))


class Plan(NamedTuple):
    """How tracking continues; see `plan`."""

    start: int
    """The first frame that is tracked."""
    corrected: bool
    """True: the frame before it is recorded already, but was corrected since."""
    tracked: Tracked
    """Of what the record will have been tracked."""


def stale(given: Given, tracked: Tracked, recorded: int) -> int | None:
    """Return the first recorded frame that was tracked of other masks than are given now.

    An object that was deleted makes nothing stale: its masks are left out, and the others stay. Objects that
    are swapped or merged make nothing stale either, until that is undone after tracking continued.

    Args:
        given: What is given now.
        tracked: Of what the record was tracked.
        recorded: Frames in the record.
    """
    changed = _given_masks(given.objects) ^ _given_masks(_kept(tracked, given))
    first = min((*(region.frame for _, region in changed), *_undone(given, tracked)), default=recorded)
    return first if first < recorded else None


def next_frame(given: Given, tracked: Tracked, recorded: int, count: int) -> int | None:
    """Return the frame from which tracking continues; None if all is tracked, or there is no object."""
    if not given.objects:
        return None
    out_of_date = stale(given, tracked, recorded)
    if out_of_date is not None:
        return out_of_date
    return recorded if recorded < count else None


def plan(given: Given, tracked: Tracked, recorded: int, count: int, since: int | None = None) -> Plan:
    """Return how tracking continues.

    Frames before the first change stay. Where that change only corrects a frame as it was tracked, this
    frame stays too, with the corrections. Else the last frame that stays becomes a reference: what the
    tracker remembers beyond references is not kept.

    Args:
        given: What is given now.
        tracked: Of what the record was tracked.
        recorded: Frames in the record.
        count: Frames of the video.
        since: The last frame that stays, where frames that are not out of date are tracked again.

    Raises:
        InputError: There is nothing to track.
    """
    frame = next_frame(given, tracked, recorded, count)
    if since is not None and given.objects and since + 1 < min(count, count if frame is None else frame):
        frame = since + 1
    if frame is None:
        raise InputError(
            "all frames are tracked; correct one, and track again from there"
            if given.objects
            else "there is no object yet: drag a box around one, click on it, or paint it"
        )
    deleted = tracked.without(given.objects) if frame else ()
    restarts = tuple(each for each in tracked.restarts if each < frame)
    if frame < recorded and _is_only_corrected(given, tracked, frame):
        return Plan(frame + 1, True, Tracked(given.objects, restarts, deleted, given.identities))
    if any(item.first.frame < frame for item in given.objects) and not any(
        region.frame == frame - 1 for item in given.objects for region in item.corrections
    ):
        restarts = (*(each for each in restarts if each != frame - 1), frame - 1)
    return Plan(frame, False, Tracked(given.objects, restarts, deleted, given.identities))


def references(plan: Plan) -> list[int]:
    """Return the frames whose masks the tracker gets before it continues, ascending."""
    begun = [item.first.frame for item in plan.tracked.objects]
    corrected = [region.frame for item in plan.tracked.objects for region in item.corrections]
    return sorted({each for each in (*begun, *corrected, *plan.tracked.restarts) if each < plan.start})


def _is_only_corrected(given: Given, tracked: Tracked, frame: int) -> bool:
    """Return whether all that is new in a frame are corrections of masks as they were tracked."""
    earlier = _kept(tracked, given)
    now, before = _given_masks(given.objects), _given_masks(earlier)
    begun = {item.key for item in earlier if item.first.frame < frame}
    new = [key for key, region in now - before if region.frame == frame]
    return (
        bool(new)
        and frame not in _undone(given, tracked)
        and begun.issuperset(new)
        and not any(region.frame == frame for _, region in before - now)
        and not any(region.frame == frame for item in earlier for region in item.corrections)
    )


def _undone(given: Given, tracked: Tracked) -> list[int]:
    """Return the frames from which the tracker continued with swaps and merges that were undone since."""
    return [each.end for each in tracked.identities if each not in given.identities]


def _kept(tracked: Tracked, given: Given) -> SessionObjects:
    """Return the tracked objects that were not deleted since, under the identities that hold now."""
    keys = keys_of(given.objects)
    objects = seen_objects(tracked.objects, tracked.identities, given.identities)
    return tuple(item for item in objects if item.key in keys)


def _given_masks(objects: SessionObjects) -> set[tuple[int, Region]]:
    """Return all that tracking depends on."""
    return {(item.key, region) for item in objects for region in item.regions}
