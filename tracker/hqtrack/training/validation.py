"""Tracking quality on synthetic sequences during training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hqtrack.nets.interface import Memory, PropagationNetwork
from hqtrack.propagation.labels import most_likely
from hqtrack.training.step import identity_maps, join, normalise


def validate(
    network: PropagationNetwork, sequences: Sequence[tuple[Tensor, Tensor]], device: torch.device
) -> dict[str, float]:
    """Return the mean IoU over sequences that a network tracks: `validation_iou`.

    Args:
        network: In evaluation mode.
        sequences: (T, 3, H, W) uint8 frames and (T, H, W) uint8 labels.
        device: Where the network is.
    """
    with torch.autocast(device.type, torch.bfloat16):
        scores = [
            mean_iou(track(network, f.to(device), m[0].to(device)).cpu(), m.cpu()) for f, m in sequences
        ]
    return {"validation_iou": float(np.nanmean(scores))}


@torch.inference_mode()
def track(
    network: PropagationNetwork, frames: Tensor, first: Tensor, *, gap: int = 4, slots: int = 5
) -> Tensor:
    """Track a sequence from its first label map, with plain lists for memory.

    Args:
        network: In evaluation mode.
        frames: (T, 3, H, W) uint8, sides fit for the network.
        first: (H, W) uint8 labels.
        gap: Frames between long-term writes.
        slots: Long-term entries besides the reference.

    Returns:
        Label maps (T, H, W), long.
    """
    identities = torch.arange(network.max_objects + 1, device=frames.device)[None]
    count = int(first.max())
    tracked = [first.long()]
    long_term: list[Memory] = []
    short_term: Memory = ()
    for t in range(frames.shape[0]):
        features = network.encode(normalise(frames[t : t + 1]))
        if t == 0:
            identity = network.embed_identity(identity_maps(tracked[0][None], identities))
            short_term = network.reference(features, identity)
            long_term.append(short_term)
            continue
        propagation = network.propagate(features, join(long_term), short_term)
        logits = network.decode(features, propagation, identities[:, : count + 1]).float()
        logits = F.interpolate(
            logits, size=frames.shape[-2:], mode="bilinear", align_corners=network.align_corners
        )
        labels = most_likely(logits)
        tracked.append(labels[0])
        identity = network.embed_identity(identity_maps(labels, identities))
        short_term = network.memorize(propagation, identity)
        if t % gap == 0:
            entries = [*long_term[1:], short_term]
            long_term = [long_term[0], *entries[max(0, len(entries) - slots) :]]
    return torch.stack(tracked)


def mean_iou(predicted: Tensor, truth: Tensor) -> float:
    """Average IoU over the objects and frames (after the first) in which an object has at least 20 pixels.

    Args:
        predicted: (T, H, W) labels.
        truth: (T, H, W) labels.
    """
    scores = []
    for label in range(1, int(truth[0].max()) + 1):
        for p, t in zip(predicted[1:] == label, truth[1:] == label, strict=True):
            if int(t.sum()) >= 20:
                scores.append(float((p & t).sum() / (p | t).sum()))
    return sum(scores) / len(scores) if scores else float("nan")
