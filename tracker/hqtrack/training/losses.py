"""Losses of a frame's masks (paper section 3, as AOT trains)."""

from __future__ import annotations

import torch
from torch import Tensor


def bootstrapped_cross_entropy(log_probs: Tensor, labels: Tensor, kept: float) -> Tensor:
    """Average the cross-entropy over the hardest pixels of each image.

    Args:
        log_probs: (B, S, H, W).
        labels: (B, H, W) long.
        kept: Share of pixels that count, in (0, 1].
    """
    loss = -log_probs.gather(1, labels[:, None]).flatten(1)
    if kept >= 1:
        return loss.mean()
    return loss.topk(min(loss.shape[1], max(64, int(loss.shape[1] * kept))), dim=1).values.mean()


def soft_jaccard_loss(probs: Tensor, one_hot: Tensor, present: Tensor) -> Tensor:
    """Return 1 - soft IoU, averaged over objects that are present.

    Args:
        probs: (B, N, H, W), objects only.
        one_hot: The truth, same shape.
        present: (B, N) bool.
    """
    intersection = (probs * one_hot).sum((2, 3))
    union = (probs + one_hot - probs * one_hot).sum((2, 3))
    loss = (1 - (intersection + 1) / (union + 1)) * present
    return loss.sum() / present.sum().clamp(min=1)


def matching_loss(masks: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy of masks that attention alone found, forgiving where it found nothing.

    Args:
        masks: (B, S, H, W), shares of each pixel that matched each identity.
        target: The truth, same shape, shares of each pixel.
    """
    return -(target * torch.log(masks.float() + 0.02)).sum(1).mean()
