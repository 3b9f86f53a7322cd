"""What a rule is, and the measures that several rules share."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized

import torch
from torch import Tensor

STILL_SEEN = 0.3
"""Part of an object's former pixels of which so much must be found again for it to be where it was."""
FORBIDDEN = -1e4
"""Logit of an object where a rule excludes it."""


class Rule:
    """Knowledge of a group's objects that the network does not have.

    A rule learns where objects are (`refer`, `see`) and judges the network's logits (`judge`). One that has
    nothing to do at one of these steps leaves it out.

    Objects are counted from 0, within the group. Masks are (N, H, W) bool at the size of the network's input.
    Logits are (N + 1, h, w) float32 on the network's output grid, background first.
    """

    def refer(self, masks: Tensor) -> None:
        """Learn from a frame whose masks are known.

        Args:
            masks: Of more objects than before, those of earlier objects being predictions; or of as many, all
                given again.
        """

    def see(self, masks: Tensor) -> Tensor | None:
        """Learn where the objects were found; called once for every frame that is remembered.

        Returns:
            (H, W) bool: pixels that memory leaves open, neither an object's nor background; None for none.
        """
        return None

    def judge(self, logits: Tensor) -> Tensor:
        """Return the next frame's logits, as the rule changes them; called once for every frame."""
        return logits


Rules = Callable[[], Sequence[Rule]]
"""Makes the rules of one group, in the order in which they judge."""


def no_rules() -> Sequence[Rule]:
    """Return the rules of published systems: there are none."""
    return ()


def continuing(known: Sized, masks: Tensor) -> int:
    """Return how many objects continue: all where others join, none where masks are given again."""
    return len(known) if len(known) < len(masks) else 0


def joined(earlier: Tensor, new: Tensor) -> Tensor:
    """Return what is known of earlier objects and of new ones (N, ...) as one, where the new ones are."""
    return torch.cat([earlier.to(new.device), new])
