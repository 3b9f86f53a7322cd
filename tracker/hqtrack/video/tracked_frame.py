"""A tracked frame, and the forms of its masks that outputs and record share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hqtrack.masks import Mask, Masks, Rle, box_of, label_map, rle_encode
from hqtrack.video.objects import TrackedObject, unnamed
from hqtrack.video.sources import Frame

BoxAndArea = tuple[int, int, int, int, int]


class TrackedFrame:
    """A frame with the masks of all objects so far. Every other form of the masks is made once at most.

    Args:
        frame: The frame.
        masks: (N, H, W) bool, disjoint; that of an object that is not seen is empty.
        run_lengths: The masks in this form, where it is known already.
        objects: Id, name and colour of each mask's object; by default objects 1 to N.
        scores: How sure the tracker is of each mask, 0 to 1; by default 1 for objects that are seen.
        apart: (N, H, W) bool, the masks without shared pixels, where `masks` share some.
        parts: Ids (whole, part) of objects whose masks outputs have whole.
        cut: Whether another shot begins with the frame.
    """

    def __init__(
        self,
        frame: Frame,
        masks: Masks,
        run_lengths: Sequence[Rle] | None = None,
        *,
        objects: Sequence[TrackedObject] | None = None,
        scores: Sequence[float] | None = None,
        apart: Masks | None = None,
        parts: Sequence[tuple[int, int]] = (),
        cut: bool = False,
    ) -> None:
        self.frame = frame
        self.masks = masks
        self.objects = unnamed(len(masks)) if objects is None else objects
        self._known_run_lengths = run_lengths
        self._known_scores = scores
        self._apart = masks if apart is None else apart
        self.parts, self.cut = parts, cut

    @cached_property
    def scores(self) -> Sequence[float]:
        """How sure the tracker is of each mask, 0 (not seen) to 1, with four digits."""
        if self._known_scores is not None:
            return [round(float(score), 4) for score in self._known_scores]
        return [float(mask.any()) for mask in self.masks]

    @cached_property
    def labels(self) -> npt.NDArray[np.integer[Any]]:
        """(H, W): 0 background, else the object's id; the smallest unsigned type that holds all ids."""
        values = np.array([0, *(each.id for each in self.objects)])
        table: npt.NDArray[np.integer[Any]] = values.astype(np.min_scalar_type(int(values.max())))
        return table[label_map(self._apart)]

    @cached_property
    def run_lengths(self) -> Sequence[Rle]:
        """COCO's run lengths of each mask."""
        if self._known_run_lengths is not None:
            return self._known_run_lengths
        return [rle_encode(mask) for mask in self.masks]

    @cached_property
    def boxes(self) -> Sequence[BoxAndArea | None]:
        """BoxAndArea and area of each mask in pixels: x, y, width, height, area; None for an empty one."""
        return [box_and_area(mask) for mask in self.masks]


def box_and_area(mask: Mask) -> BoxAndArea | None:
    """Return x, y, width, height and area of a mask (H, W) in pixels; None for an empty one.

    Example:
        >>> box_and_area(np.array([[0, 0, 0], [0, 1, 1]], bool))
        (1, 1, 2, 1, 2)
    """
    corners = box_of(mask)
    if corners is None:
        return None
    x0, y0, x1, y1 = corners
    return x0, y0, x1 - x0 + 1, y1 - y0 + 1, int(np.count_nonzero(mask))
