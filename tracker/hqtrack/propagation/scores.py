"""How sure a network is of the objects that it found."""

from __future__ import annotations

import torch
from torch import Tensor


def confidence(logits: Tensor) -> Tensor:
    """Return how sure a network is of each object: its mean probability where it is the most likely.

    Args:
        logits: (S, h, w) float32, background first.

    Returns:
        (S - 1,) float32, 0 to 1; 0 for an object that is nowhere the most likely.
    """
    probabilities = logits.softmax(0)
    best, labels = probabilities.max(0)
    channels = torch.arange(1, len(logits), device=logits.device)
    own = labels.flatten()[None] == channels[:, None]
    return (own * best.flatten()).sum(1) / own.sum(1).clamp(min=1)
