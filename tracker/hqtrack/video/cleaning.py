"""Clean masks, for outputs alone: what is tracked and remembered stays as it was."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from hqtrack.errors import InputError
from hqtrack.masks import Mask, Masks

MOST_GROWN = 1000
"""Pixels by which masks grow or shrink at most."""


@dataclass(frozen=True)
class MaskCleaning:
    """How the masks of outputs are cleaned, in this order. By default they are as they were tracked."""

    drop_specks: int = 0
    """Parts of a mask with fewer pixels are dropped."""
    largest_part: bool = False
    """True: the largest part of each mask is kept alone."""
    fill_holes: int = 0
    """Holes of so many pixels or fewer are filled."""
    grow: int = 0
    """Pixels by which masks grow; below 0 they shrink."""

    def __post_init__(self) -> None:
        for name, value in (("drop_specks", self.drop_specks), ("fill_holes", self.fill_holes)):
            if value < 0:
                raise InputError(f"{name} = {value}: is a number of pixels, 0 or more")
        if abs(self.grow) > MOST_GROWN:
            raise InputError(f"grow = {self.grow}: must be {-MOST_GROWN} to {MOST_GROWN} pixels")


AS_TRACKED = MaskCleaning()
"""Nothing is cleaned."""


def cleaned(masks: Masks, cleaning: MaskCleaning) -> Masks:
    """Clean the masks of a frame.

    Filled and grown pixels are those of the background alone. Where two masks grow into one pixel, the
    earlier object has it.

    Args:
        masks: (N, H, W) bool, disjoint; not changed.
        cleaning: How.

    Returns:
        (N, H, W) bool, disjoint.

    Example:
        >>> cleaned(np.array([[[1, 1, 0, 0, 1]]], bool), MaskCleaning(largest_part=True)).astype(int).tolist()
        [[[1, 1, 0, 0, 0]]]
    """
    if cleaning == AS_TRACKED or not masks.any():
        return masks
    kept = np.stack([_kept(mask, cleaning) for mask in masks])
    taken: Mask = np.logical_or.reduce(kept)
    for mask in kept:
        if mask.any() and cleaning.fill_holes:
            _add(mask, _holes(mask, cleaning.fill_holes), taken)
    if cleaning.grow > 0:
        for mask in kept:
            if mask.any():
                _add(mask, _grown(mask, cleaning.grow), taken)
    elif cleaning.grow:
        kept = np.stack([~_grown(~mask, -cleaning.grow) & mask for mask in kept])
    return kept


def _kept(mask: Mask, cleaning: MaskCleaning) -> Mask:
    """Return a mask without its specks, or its largest part alone."""
    if not mask.any() or not (cleaning.drop_specks or cleaning.largest_part):
        return mask.copy()
    _, parts, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    sizes = facts[:, cv2.CC_STAT_AREA].copy()
    sizes[0] = 0  # the background
    wanted = sizes >= max(1, cleaning.drop_specks)
    if cleaning.largest_part:
        wanted &= np.arange(len(sizes)) == int(sizes.argmax())
    wanted[0] = False
    result: Mask = wanted[parts]
    return result


def _holes(mask: Mask, most: int) -> Mask:
    """Return the holes of a mask with at most so many pixels; what the frame's border opens is none."""
    _, parts, facts, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    wanted = facts[:, cv2.CC_STAT_AREA] <= most
    border = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    wanted[border] = False
    wanted[0] = False  # the mask itself
    result: Mask = wanted[parts]
    return result


def _grown(mask: Mask, pixels: int) -> Mask:
    """Return the pixels within a distance of a mask."""
    if not mask.any():
        return mask
    distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    result: Mask = np.asarray(distance) <= pixels
    return result


def _add(mask: Mask, pixels: Mask, taken: Mask) -> None:
    """Add those pixels to a mask that nobody has, in place."""
    free = pixels & ~taken
    mask |= free
    taken |= free
