"""Objects that share one propagation, and how several propagations are merged into one label map."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from hqtrack.nets.interface import Features, Propagation, PropagationNetwork
from hqtrack.propagation.memory import LongTermMemory, ShortTermMemory


class ObjectGroup:
    """Up to `network.max_objects` objects that are propagated together, and what is remembered of them.

    Args:
        network: The propagation network; all groups share it.
        offset: Objects before this group's: its labels in the video's label map are offset + 1, offset + 2, …
        long_term_slots: Long-term entries besides the references; None keeps all.
        long_term_gap: Frames between two long-term writes.
        short_term_distance: The short-term memory is the entry of this many frames ago.
    """

    def __init__(
        self,
        network: PropagationNetwork,
        *,
        offset: int,
        long_term_slots: int | None,
        long_term_gap: int,
        short_term_distance: int,
    ) -> None:
        self.count = 0
        self._network = network
        self._offset = offset
        self._gap = long_term_gap
        self._since_long_term_write = 0
        self._long_term = LongTermMemory(long_term_slots)
        self._short_term = ShortTermMemory(short_term_distance)

    def add_reference(self, features: Features, labels: Tensor, count: int) -> None:
        """Remember a frame whose masks are known, for good.

        Short-term memory restarts with it, because in earlier frames its new objects are background.

        Args:
            features: The frame's pyramid.
            labels: (h, w) uint8 at the size of the network input, labels of the whole video.
            count: Objects of this group from now on.
        """
        self.count = count
        entry = self._network.reference(features, self._identity(labels, features))
        self._long_term.add_reference(entry)
        self._short_term.restart(entry)
        self._since_long_term_write = 0

    def propagate(self, features: Features) -> Propagation:
        """Propagate the group's identities from memory to a frame."""
        memory = self._long_term
        return self._network.propagate(features, memory.read(), self._short_term.read(), memory.references)

    def logits(self, features: Features, propagation: Propagation, size: tuple[int, int]) -> Tensor:
        """Give logits (count + 1, H, W), float32, at the frame's size; channel 0 is background.

        Identities without an object are left out, which is what masking them with a large negative number
        amounts to.
        """
        identities = torch.arange(self.count + 1, device=features[0].device)[None]
        logits = self._network.decode(features, propagation, identities).float()
        return F.interpolate(logits, size=size, mode="bilinear", align_corners=self._network.align_corners)[0]

    def remember(self, features: Features, propagation: Propagation, labels: Tensor) -> None:
        """Remember a propagated frame with the labels (h, w) that were found in it."""
        entry = self._network.memorize(propagation, self._identity(labels, features))
        self._short_term.write(entry)
        self._since_long_term_write += 1
        if self._since_long_term_write >= self._gap:
            self._long_term.write(entry)
            self._since_long_term_write = 0

    def _identity(self, labels: Tensor, features: Features) -> tuple[Tensor, ...]:
        own = labels.to(torch.int16) - self._offset
        own = own.masked_fill((own < 0) | (own > self.count), 0)
        used = torch.arange(self.count + 1, device=labels.device, dtype=torch.int16)
        one_hot = features[0].new_zeros(1, self._network.max_objects + 1, *labels.shape)
        torch.eq(own, used[:, None, None], out=one_hot[0, : self.count + 1])
        return self._network.embed_identity(one_hot)


def most_likely(logits: Tensor) -> Tensor:
    """Give the index of the highest channel, (..., S, H, W) to (..., H, W) int64; the first of equals."""
    if logits.device.type != "cpu":
        return logits.argmax(-3)
    # On a CPU argmax is many times slower for a few channels far apart in memory.
    best, *others = logits.unbind(-3)
    index = torch.zeros_like(best, dtype=torch.int64)
    for channel, values in enumerate(others, 1):
        index.masked_fill_(values > best, channel)
        best = torch.maximum(best, values)
    return index


EPSILON = 1e-5
"""Probabilities of several groups are clamped to [EPSILON, 1 - EPSILON] before they are compared."""


def merge(group_logits: Iterable[Tensor]) -> Tensor:
    """Merge the groups' logits into one label map by AOT's soft aggregation.

    Each group says with which probability a pixel is background or one of its objects. The merged background
    is the product of all backgrounds; the most probable label wins, the lower one on equal terms. Groups are
    taken one after another, so that memory does not grow with their number.

    Args:
        group_logits: For each group (objects + 1, H, W), background first; at least one.

    Returns:
        Labels (H, W) uint8, counted through all groups.
    """
    groups = iter(group_logits)
    logits = next(groups)
    following = next(groups, None)
    if following is None:
        return most_likely(logits).to(torch.uint8)

    background, best, labels = _soft(logits)
    offset = len(logits) - 1
    while following is not None:
        own_background, own_best, own_labels = _soft(following)
        background = background * own_background
        labels = torch.where(own_best > best, own_labels + offset, labels)
        best = torch.maximum(best, own_best)
        offset += len(following) - 1
        following = next(groups, None)
    return labels.masked_fill(background.clamp(EPSILON, 1 - EPSILON) >= best, 0)


def _soft(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give the background's probability, the best object's (clamped), and which object it is (from 1)."""
    probabilities = logits.softmax(0)
    best, index = probabilities[1:].clamp(EPSILON, 1 - EPSILON).max(0)
    return probabilities[0], best, (index + 1).to(torch.uint8)
