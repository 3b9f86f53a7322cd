"""The objects of a session: their masks as a person gave them, names and colours. All of it is immutable."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from hqtrack.images import Size
from hqtrack.masks import Mask, rle_decode, rle_encode
from hqtrack.video.drawing import colour_of
from hqtrack.video.objects import Colour

PALETTE: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
"""Colours of the first objects, which colour-blind people can tell apart (Okabe and Ito)."""


@dataclass(frozen=True)
class Region:
    """An object's mask in one frame, given by a person; small, so that undoing keeps many."""

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
    """Its number, on the page and in all outputs. It stays, whatever else joins or goes."""
    first: Region
    """Where it begins; never empty."""
    name: str = ""
    """As a person named it."""
    colour: Colour | None = None
    """As a person chose it; else its number's."""
    corrections: tuple[Region, ...] = ()
    """In later frames, at most one a frame, by frame; an empty one: it is not seen there."""

    @property
    def title(self) -> str:
        """Its name, or "object" and its number."""
        return self.name or f"object {self.key}"

    @property
    def paint(self) -> Colour:
        """The colour in which it is drawn."""
        place = self.key - 1
        return self.colour or (PALETTE[place] if place < len(PALETTE) else colour_of(self.key))

    @property
    def regions(self) -> tuple[Region, ...]:
        """All masks that a person gave, by frame."""
        return (self.first, *self.corrections)

    def given(self, frame: int) -> Region | None:
        """Return the mask that a person gave in a frame."""
        return next((region for region in self.regions if region.frame == frame), None)

    def with_region(self, region: Region) -> SessionObject:
        """Return it with a mask in a frame, in place of the one that was given there before."""
        if region.frame == self.first.frame:
            return replace(self, first=region)
        others = [each for each in self.corrections if each.frame != region.frame]
        return replace(self, corrections=tuple(sorted([*others, region], key=lambda each: each.frame)))

    def without_region(self, frame: int) -> SessionObject:
        """Return it without the correction of a frame."""
        return replace(self, corrections=tuple(each for each in self.corrections if each.frame != frame))


SessionObjects = tuple[SessionObject, ...]


def ordered(objects: Collection[SessionObject]) -> SessionObjects:
    """Return objects in the order in which they join: by the frame in which they begin, then by number."""
    return tuple(sorted(objects, key=lambda each: (each.first.frame, each.key)))


def keys_of(objects: Collection[SessionObject]) -> set[int]:
    """Return the numbers of objects."""
    return {each.key for each in objects}
