"""Tiny objects: what they lose at the edge of a grid as coarse as they are, they would lose for good."""

from __future__ import annotations

import torch
from torch import Tensor

from hqtrack.propagation.rules.motion import Motion
from hqtrack.propagation.rules.rule import Rule
from hqtrack.propagation.tiny import TINY_CELLS, TinyObjects

KEPT_AREA = 0.9
"""Part of its usual area that a tiny object keeps from frame to frame …"""
LARGEST_LIFT = 6.0
"""… unless its logit is short of the highest one by more than this."""


class TinyKeptAlive(Rule):
    """Keeps most of a tiny object's area where the network all but finds it, near where it is expected.

    Args:
        motion: Of the same objects.
    """

    def __init__(self, motion: Motion) -> None:
        self._motion = motion
        self._objects = TinyObjects()

    def refer(self, masks: Tensor) -> None:
        """Note which objects are tiny."""
        self._objects.refer(masks)

    def judge(self, logits: Tensor) -> Tensor:
        """Lift the logits of tiny objects as far as they need it."""
        if not self._objects.indices:
            return logits
        near = self._motion.near(logits)
        lifted = logits.clone()
        for index in self._objects.indices:
            lifted[index + 1] += self._lift(index, logits, near[index])
        return lifted

    def _lift(self, index: int, logits: Tensor, near: Tensor) -> Tensor:
        """Return what an object's logit needs, (h, w), for most of its area where it is expected.

        Args:
            index: The object.
            logits: (N + 1, h, w), background first.
            near: (h, w) bool: where it is expected.
        """
        others = torch.cat([logits[: index + 1], logits[index + 2 :]]).amax(0)
        margins = (logits[index + 1] - others).masked_fill(~near, -LARGEST_LIFT).flatten()
        best = margins.topk(min(TINY_CELLS, len(margins))).values
        area = KEPT_AREA * self._motion.areas[index] * max(logits.shape[1:]) ** 2
        last = best.gather(0, (area.round().long() - 1).clamp(0, len(best) - 1)[None])
        # A little more than needed: where all are as likely, the first has it, which is the background.
        return (1e-3 - last).clamp(0, LARGEST_LIFT) * near * (area > 0)
