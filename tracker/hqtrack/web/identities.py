"""Objects that a person swapped or merged from a frame on, without tracking: pure functions.

An identity changes what the frames that were tracked before show, and nothing else: tracking continues from
what is shown. The edits themselves are those of `hqtrack edit`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from hqtrack.video.editing import Edits, Rows, edited_rows
from hqtrack.web.objects import Region, SessionObject, SessionObjects

Regions = tuple[Region | None, Region | None]
"""The corrections of two objects in one frame."""

Scores = Mapping[int, float]


@dataclass(frozen=True)
class Identity:
    """Two objects that are swapped or merged, in frames that were tracked before."""

    kind: Literal["swap", "merge"]
    pair: tuple[int, int]
    """Their numbers. Merged, the first becomes part of the second."""
    first: int
    """The first frame in which they are."""
    end: int
    """The frame after the last one: frames from there on are tracked of what is shown."""
    merged: tuple[tuple[Regions, Regions], ...] = ()
    """Of merged objects the corrections in these frames, as they were and as they became."""

    def cut(self, end: int) -> Identity:
        """Return it for frames before an end."""
        early = tuple(each for each in self.merged if each[1][1] is None or each[1][1].frame < end)
        return replace(self, end=min(self.end, end), merged=early)

    @property
    def edits(self) -> Edits:
        """The same for `hqtrack edit`; where it ends, swapped objects are swapped back."""
        one, other = self.pair
        if self.kind == "merge":
            return Edits(merges=((one, other, self.first),))
        return Edits(swaps=((one, other, self.first), (one, other, self.end)))


Identities = tuple[Identity, ...]


def seen_rows(rows: Rows, identities: Identities, frame: int) -> Rows:
    """Return the masks and scores of a frame as they are shown, for those that were tracked."""
    for each in identities:
        if each.first <= frame < each.end:
            rows = edited_rows(rows, each.edits, frame)
    return rows


def seen_scores(scores: Scores, identities: Identities, frame: int) -> Scores:
    """Return the scores of a frame as they are shown, for those that were tracked."""
    if not any(each.first <= frame < each.end for each in identities):
        return scores
    nothing = np.zeros((1, 1), bool)
    rows = seen_rows({key: (nothing, score) for key, score in scores.items()}, identities, frame)
    return {key: score for key, (_, score) in rows.items()}


def seen_objects(objects: SessionObjects, earlier: Identities, now: Identities) -> SessionObjects:
    """Return objects that were given under some identities, as they are under others.

    Args:
        objects: The objects.
        earlier: The identities under which they were given.
        now: The others.
    """
    same = next(
        (place for place, (one, other) in enumerate(zip(earlier, now, strict=False)) if one != other),
        min(len(earlier), len(now)),
    )
    for each in reversed(earlier[same:]):
        objects = _changed(objects, each, back=True)
    for each in now[same:]:
        objects = _changed(objects, each, back=False)
    return objects


def cut_identities(identities: Sequence[Identity], end: int) -> Identities:
    """Return identities for frames before an end; those that begin later are left out."""
    return tuple(each.cut(end) for each in identities if each.first < end)


def corrections_of_pair(objects: SessionObjects, pair: tuple[int, int], frames: range) -> list[Regions]:
    """Return the corrections of two objects in some frames, for each frame in which there are any."""
    of = {item.key: {each.frame: each for each in item.corrections} for item in objects if item.key in pair}
    one, other = (of.get(key, {}) for key in pair)
    return [(one.get(each), other.get(each)) for each in sorted({*one, *other}) if each in frames]


def _changed(objects: SessionObjects, identity: Identity, *, back: bool) -> SessionObjects:
    """Return objects whose corrections belong to whom they are seen as under an identity, or no more."""
    frames = range(identity.first, identity.end)
    known = {after: before for before, after in identity.merged} if back else dict(identity.merged)
    kept: dict[int, list[Region]] = {key: [] for key in identity.pair}
    for one, other in corrections_of_pair(objects, identity.pair, frames):
        if identity.kind == "swap":
            now: Regions = other, one
        else:
            now = known.get((one, other), (one, other) if back else (None, other or one))
        for key, region in zip(identity.pair, now, strict=True):
            if region is not None:
                kept[key].append(region)

    def changed(item: SessionObject) -> SessionObject:
        outside = [each for each in item.corrections if each.frame not in frames]
        together = sorted([*outside, *kept[item.key]], key=lambda each: each.frame)
        return replace(item, corrections=tuple(together))

    return tuple(changed(item) if item.key in kept else item for item in objects)
