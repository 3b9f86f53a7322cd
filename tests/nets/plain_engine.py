"""The published procedure of tracking, in plain terms, over the interface of the networks.

It keeps lists and joins them anew for every frame: slow and easy to check, and independent of
`hqtrack.propagation`, so that both can be compared.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hqtrack.cards import MemorySettings
from hqtrack.nets.interface import Memory, MemoryEntry, PropagationNetwork
from published_input import published_input


def input_size(
    height: int, width: int, *, min_short_edge: int = 0, max_long_edge: int = 1040
) -> tuple[int, int]:
    """Return the network's input size for a frame: 16 n + 1 on each side."""
    enlarge = max(1.0, min_short_edge / min(height, width))
    restrict = min(1.0, max_long_edge / (max(height, width) * enlarge))
    sides = [int(side * enlarge * restrict) for side in (height, width)]
    return tuple(int(np.around((side - 1) / 16) * 16 + 1) for side in sides)


def network_input(frame: np.ndarray, size: tuple[int, int]) -> Tensor:
    """Resize and normalise a frame (H, W, 3) uint8 RGB of the reference clip to (1, 3, *size)."""
    pixels = (published_input(frame, size) / 255.0 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float()


def one_hot(labels: Tensor, size: tuple[int, int], max_objects: int) -> Tensor:
    """Resize a label map (H, W) to the network input (nearest) and split it (1, max_objects + 1, *size)."""
    resized = F.interpolate(labels[None, None].float(), size=size, mode="nearest")
    return (resized == torch.arange(max_objects + 1).view(1, -1, 1, 1)).float()


def joined(memories: list[Memory]) -> Memory:
    """Put the tokens of several frames side by side."""
    return tuple(
        MemoryEntry(
            torch.cat([entry.key for entry in entries], 2), torch.cat([entry.value for entry in entries], 2)
        )
        for entries in zip(*memories, strict=True)
    )


@torch.inference_mode()
def track(
    network: PropagationNetwork,
    frames: np.ndarray,
    first_mask: np.ndarray,
    memory: MemorySettings,
    *,
    min_short_edge: int = 0,
    max_long_edge: int = 1040,
    remembered: np.ndarray | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Track all objects of `first_mask` through frames (T, H, W, 3) uint8.

    With `remembered`, (T - 1, H, W) uint8, these labels are remembered instead of those that are found: a
    difference in one frame then does not reach the next.

    Yields:
        For every frame after the first, logits (objects + 1, H, W) and the label map (H, W), at frame size.
    """
    height, width = frames.shape[1:3]
    size = input_size(height, width, min_short_edge=min_short_edge, max_long_edge=max_long_edge)
    dtype = next(network.parameters()).dtype
    objects = int(first_mask.max())

    def identity_of(labels: Tensor) -> tuple[Tensor, ...]:
        return network.embed_identity(one_hot(labels, size, network.max_objects).to(dtype))

    features = network.encode(network_input(frames[0], size).to(dtype))
    reference = network.reference(features, identity_of(torch.from_numpy(first_mask)))
    long_term: list[Memory] = []
    recent = [reference]
    last_write = 0
    for index in range(1, len(frames)):
        features = network.encode(network_input(frames[index], size).to(dtype))
        propagation = network.propagate(features, joined([reference, *long_term]), recent[0])
        logits = network.decode(features, propagation, torch.arange(objects + 1)[None]).float()
        logits = F.interpolate(logits, size=(height, width), mode="bilinear", align_corners=True)[0]
        labels = logits.argmax(0)
        yield logits, labels

        known = labels if remembered is None else torch.from_numpy(remembered[index - 1])
        entry = network.memorize(propagation, identity_of(known))
        recent = [*recent, entry][-memory.short_term_distance :]
        if index - last_write >= memory.long_term_gap:
            last_write = index
            long_term.append(entry)
            if memory.long_term_slots is not None:
                long_term = long_term[-memory.long_term_slots :]
