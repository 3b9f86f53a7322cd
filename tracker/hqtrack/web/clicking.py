"""Clicks that make a mask, or change one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from hqtrack.masks import Mask
from hqtrack.video.prompts import Prompt
from hqtrack.web.pointing import Point, Points, stroked

SIDES_PER_DOT = 60
"""A click that the refiner does not follow paints or erases a dot of the frame's shorter side by this."""


@dataclass(frozen=True, eq=False)
class Clicks:
    """Points in one frame, and the mask from which they began; None where they made a new one."""

    frame: int
    key: int | None
    """The object; None before it is made."""
    base: Mask | None = None
    points: tuple[tuple[float, float, bool], ...] = ()
    """x, y, and whether it is on the object."""
    made: Mask | None = None
    """The mask that came of them; where the object has another one now, it was changed otherwise since."""

    def with_point(self, place: Point, on: bool) -> Clicks:
        """Return them with one more point."""
        return replace(self, points=(*self.points, (*place, on)))

    def changed(self, index: int, place: Point | None) -> Clicks:
        """Return them with a point moved, or removed where there is no place."""
        kept = list(self.points)
        kept[index : index + 1] = [] if place is None else [(*place, kept[index][2])]
        return replace(self, points=tuple(kept))

    def signed(self, on: bool) -> Points:
        """Return the points that are on the object, or those that are not."""
        return tuple((x, y) for x, y, sign in self.points if sign == on)

    def mask(self, find: Callable[[Prompt, Mask | None], Mask]) -> Mask | None:
        """Return the mask (H, W) that the points make of the base; None where nothing is left of either.

        Args:
            find: Asks the refiner, with the mask from which it begins.
        """
        on, beside = self.signed(True), self.signed(False)
        if not on and not beside:
            return self.base
        if self.base is None and not on:
            return None
        if self.base is None or not self.base.any():
            mask = find(Prompt(self.frame, points=on, beside=beside), None) if on else np.array(self.base)
        else:
            mask = find(Prompt(self.frame, points=on, beside=beside), self.base)
        width = max(4, min(mask.shape) // SIDES_PER_DOT)
        for x, y, sign in self.points:
            column, row = min(round(x), mask.shape[1] - 1), min(round(y), mask.shape[0] - 1)
            if mask[row, column] != sign:
                mask = stroked(mask, [(x, y)], width, paint=sign)
        return mask
