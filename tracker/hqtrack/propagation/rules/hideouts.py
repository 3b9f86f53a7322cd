"""Where a lost object may come out from behind another one: memory leaves it open."""

from __future__ import annotations

import torch
from torch import Tensor

from hqtrack.propagation.rules.motion import Motion
from hqtrack.propagation.rules.rule import Rule, continuing, joined

LOST_BELOW = 0.3
"""An object of whose size less than this part is seen is lost."""
COVERED_ABOVE = 0.2
"""An object of whose place more than this part is another's is behind it."""
FRAMES_TO_COME_OUT = 20
"""Frames in which a lost object may come out after it was behind another."""
HIDEOUT_STRIDE = 4
"""Hideouts are found on a grid of this stride over the network's input."""


class Hideouts(Rule):
    """Leaves open in memory where a lost object may come out from behind another one.

    Such a place is neither the object's nor background: as background the object would be known when it comes
    out.

    Args:
        motion: Of the same objects.
    """

    def __init__(self, motion: Motion) -> None:
        self._motion = motion
        self._waits = torch.empty(0)

    def refer(self, masks: Tensor) -> None:
        """Note new objects: none is behind another."""
        earlier = continuing(self._waits, masks)
        new = torch.full((len(masks) - earlier,), float(FRAMES_TO_COME_OUT), device=masks.device)
        self._waits = joined(self._waits[:earlier], new)

    def see(self, masks: Tensor) -> Tensor:
        """Return (H, W) bool: where lost objects may come out."""
        coarse = masks[:, ::HIDEOUT_STRIDE, ::HIDEOUT_STRIDE].contiguous()
        near = self._motion.near_now(coarse)
        others = coarse.any(0) & ~coarse
        covered = (near & others).sum((1, 2)) > COVERED_ABOVE * near.sum((1, 2))
        self._waits = torch.where(covered, 0.0, self._waits + 1)
        lost = (self._motion.found_areas < LOST_BELOW * self._motion.areas) & (
            self._waits < FRAMES_TO_COME_OUT
        )
        places = (near & lost[:, None, None]).any(0)
        places = places.repeat_interleave(HIDEOUT_STRIDE, 0).repeat_interleave(HIDEOUT_STRIDE, 1)
        return places[: masks.shape[1], : masks.shape[2]]
