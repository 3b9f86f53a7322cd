"""Who owns a pixel that several objects are nearly as likely to own: the one that is expected there."""

from __future__ import annotations

import torch
from torch import Tensor

from hqtrack.propagation.rules.motion import FREE_DEVIATIONS, Motion
from hqtrack.propagation.rules.rule import Rule

LOSS_PER_DEVIATION = 2.0
"""What an object's logit loses for each deviation beyond `FREE_DEVIATIONS` from where it is expected."""
LARGEST_LOSS = 4.0
"""What it loses at most, so that only what is nearly as likely can take its place."""


class Expected(Rule):
    """Decides who owns a pixel: objects that are nearly as likely go where they are expected.

    That a pixel is an object's and not background remains as likely as it was.

    Args:
        motion: Of the same objects.
    """

    def __init__(self, motion: Motion) -> None:
        self._motion = motion

    def judge(self, logits: Tensor) -> Tensor:
        """Take from each object's logit where the object is not expected."""
        background, own = logits[:1], logits[1:]
        if len(own) < 2:
            return logits
        distances = self._motion.distances_ahead(logits)
        biased = own - (LOSS_PER_DEVIATION * (distances - FREE_DEVIATIONS)).clamp(0, LARGEST_LOSS)
        own = biased + (own.logsumexp(0) - biased.logsumexp(0))
        return torch.cat([background, own])
