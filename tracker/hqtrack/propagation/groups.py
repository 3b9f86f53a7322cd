"""Objects that share one propagation, and how several propagations are merged into one label map."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import torch
from torch import Tensor

from hqtrack.nets.interface import Features, Propagation, PropagationNetwork
from hqtrack.propagation.labels import most_likely, most_likely_at, resize_logits
from hqtrack.propagation.memory import LongTermMemory, ShortTermMemory
from hqtrack.propagation.motion import STRIDE, TINY, MotionPrior
from hqtrack.propagation.search import SearchRegions, confined, search_regions
from hqtrack.propagation.strays import Bodies


class ObjectGroup:
    """Up to `network.max_objects` objects that are propagated together, and what is remembered of them.

    Args:
        network: The propagation network; all groups share it.
        offset: Objects before this group's: its labels in the video's label map are offset + 1, offset + 2, …
        long_term_slots: Long-term entries besides the references; None keeps all.
        long_term_gap: Frames between two long-term writes.
        short_term_distance: The short-term memory is the entry of this many frames ago.
        search_margin: Growth of an object's box to its search region; None searches the whole frame.
        largest_gap: How far pieces of an object may be from its main body; None lets them be anywhere.
        motion_prior: Whether objects that are as likely are told apart by where each is expected.
    """

    def __init__(
        self,
        network: PropagationNetwork,
        *,
        offset: int,
        long_term_slots: int | None,
        long_term_gap: int,
        short_term_distance: int,
        search_margin: float | None,
        largest_gap: float | None,
        motion_prior: bool,
    ) -> None:
        self.count = 0
        self.tiny: list[int] = []
        """Objects, counted from 0, that were given with fewer pixels than `TINY` of the logits' grid."""
        self._network = network
        self._offset = offset
        self._gap = long_term_gap
        self._since_long_term_write = 0
        self._long_term = LongTermMemory(long_term_slots)
        self._short_term = ShortTermMemory(short_term_distance)
        self._search_margin = search_margin
        self._regions: SearchRegions | None = None
        self._motion = MotionPrior() if motion_prior else None
        self._bodies = None if largest_gap is None else Bodies(largest_gap)

    def add_reference(self, features: Features, labels: Tensor, count: int) -> None:
        """Remember a frame whose masks are known, for good.

        Short-term memory restarts with it, because in earlier frames its new objects are background.

        Args:
            features: The frame's pyramid.
            labels: (h, w) uint8 at the size of the network input, labels of the whole video.
            count: Objects of this group from now on.
        """
        earlier = self.count if self.count < count else 0
        self.count = count
        masks = self._look(labels)
        self.tiny = [index for index in self.tiny if index < earlier] + [
            index for index in range(earlier, count) if int(masks[index + 1].sum()) < TINY * STRIDE**2
        ]
        if self._bodies is not None:
            self._bodies.give(masks[1:])
        if self._motion is not None:
            self._motion.give(masks[1:])
        entry = self._network.reference(features, self._identity(masks, features))
        self._long_term.add_reference(entry)
        self._short_term.restart(entry)
        self._since_long_term_write = 0

    def propagate(self, features: Features) -> Propagation:
        """Propagate the group's identities from memory to a frame."""
        memory = self._long_term
        recent = self._short_term.read()
        return self._network.propagate(features, memory.read(), recent, memory.references, self.count + 1)

    def logits(self, features: Features, propagation: Propagation) -> Tensor:
        """Give logits (count + 1, h, w), float32, as the network gives them; channel 0 is background.

        Identities without an object are left out, which is what masking them with a large negative number
        amounts to.
        """
        identities = torch.arange(self.count + 1, device=features[0].device)[None]
        logits = self._network.decode(features, propagation, identities)[0].float()
        if self._regions is not None:
            logits = confined(logits, self._regions)
        if self._motion is not None:
            logits = self._motion.prefer(logits, self.tiny)
        return logits if self._bodies is None else self._bodies.without_strays(logits)

    def remember(self, features: Features, propagation: Propagation, labels: Tensor) -> None:
        """Remember a propagated frame with the labels (h, w) that were found in it."""
        masks = self._look(labels)
        if self._bodies is not None:
            self._bodies.see(masks[1:])
        if self._motion is not None:
            # Neither an object's nor background: else it would be known as background when it comes out.
            masks[0] &= ~self._motion.see(masks[1:])
        entry = self._network.memorize(propagation, self._identity(masks, features))
        self._short_term.write(entry)
        self._since_long_term_write += 1
        if self._since_long_term_write >= self._gap:
            self._long_term.write(entry)
            self._since_long_term_write = 0

    def _look(self, labels: Tensor) -> Tensor:
        """Give the masks (count + 1, h, w) of the group, background first, and note where its objects are."""
        own = labels.to(torch.int16) - self._offset
        own = own.masked_fill((own < 0) | (own > self.count), 0)
        masks = own == torch.arange(self.count + 1, device=labels.device, dtype=torch.int16)[:, None, None]
        if self._search_margin is not None:
            self._regions = search_regions(masks[1:], self._search_margin)
        return masks

    def _identity(self, masks: Tensor, features: Features) -> tuple[Tensor, ...]:
        return self._network.embed_identity(masks[None].to(features[0].dtype))


EPSILON = 1e-5
"""Probabilities of several groups are clamped to [EPSILON, 1 - EPSILON] before they are compared."""


def merge(group_logits: Iterable[Tensor], size: tuple[int, int], *, align_corners: bool) -> Tensor:
    """Merge the groups' logits, resized bilinearly, into one label map.

    Args:
        group_logits: For each group (objects + 1, h, w), background first; at least one.
        size: Height and width of the result.
        align_corners: Whether the corners of both grids coincide.

    Returns:
        Labels (*size) uint8, counted through all groups.
    """
    groups = iter(group_logits)
    logits = next(groups)
    following = next(groups, None)
    if following is None:
        return most_likely_at(logits, size, align_corners=align_corners)
    return aggregate(
        resize_logits(each, size, align_corners=align_corners).softmax(0)
        for each in chain((logits, following), groups)
    )


def aggregate(group_probabilities: Iterable[Tensor]) -> Tensor:
    """Merge the groups' probabilities into one label map by AOT's soft aggregation.

    Each group says with which probability a pixel is background or one of its objects. The merged background
    is the product of all backgrounds; the most probable label wins, the lower one on equal terms. Groups are
    taken one after another, so that memory does not grow with their number.

    Args:
        group_probabilities: For each group (objects + 1, H, W), background first; at least one.

    Returns:
        Labels (H, W) uint8, counted through all groups.
    """
    groups = iter(group_probabilities)
    probabilities = next(groups)
    following = next(groups, None)
    if following is None:
        return most_likely(probabilities)
    background, best, labels = _soft(probabilities)
    offset = len(probabilities) - 1
    while following is not None:
        own_background, own_best, own_labels = _soft(following)
        background = background * own_background
        labels = torch.where(own_best > best, own_labels + offset, labels)
        best = torch.maximum(best, own_best)
        offset += len(following) - 1
        following = next(groups, None)
    return labels.masked_fill(background.clamp(EPSILON, 1 - EPSILON) >= best, 0)


def _soft(probabilities: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give the background's probability, the best object's (clamped), and which object it is (from 1)."""
    best, index = probabilities[1:].clamp(EPSILON, 1 - EPSILON).max(0)
    return probabilities[0], best, (index + 1).to(torch.uint8)
