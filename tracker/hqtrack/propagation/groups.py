"""Objects that share one propagation, and how several propagations are merged into one label map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import torch
from torch import Tensor

from hqtrack.cards import MemorySettings
from hqtrack.nets.interface import Features, Propagation, PropagationNetwork
from hqtrack.propagation.labels import most_likely, most_likely_at, resize_logits
from hqtrack.propagation.memory import LongTermMemory, ShortTermMemory
from hqtrack.propagation.rules import Rule
from hqtrack.propagation.tiny import TinyObjects

REMOVED = -1
"""In place of the label of an identity whose object was removed: no pixel has it."""


class ObjectGroup:
    """Up to `network.max_objects` objects that are propagated together, and what is remembered of them.

    Args:
        network: The propagation network; all groups share it.
        memory: How much is remembered, and when.
        rules: What is known of the objects besides what the network sees, in the order in which rules judge.
    """

    def __init__(self, network: PropagationNetwork, *, memory: MemorySettings, rules: Sequence[Rule]) -> None:
        self._network = network
        self._labels: list[int] = []  # of each identity, in the video's label map; REMOVED without object
        self._labels_on_device: Tensor | None = None  # made once: to send them with every frame would wait
        self._rules = rules
        self._tiny = TinyObjects()
        self._placed = True  # every object was in a frame of the video: so rules know where it is
        self._long_term = LongTermMemory(memory.long_term_slots, memory.long_term_gap)
        self._short_term = ShortTermMemory(memory.short_term_distance)

    @property
    def count(self) -> int:
        """Number of objects."""
        return len(self._present)

    @property
    def identities(self) -> int:
        """Number of identities in use: those of removed objects are not used again, as memory holds them."""
        return len(self._labels)

    @property
    def placed(self) -> bool:
        """True: every object was seen in the video, not in another picture alone."""
        return self._placed

    @property
    def tiny(self) -> Sequence[int]:
        """The objects, counted from 0, that were given tiny."""
        tiny = set(self._tiny.indices)
        return [place for place, index in enumerate(self._present) if index in tiny]

    @property
    def _present(self) -> list[int]:
        """Identities, counted from 0, whose objects were not removed."""
        return [index for index, label in enumerate(self._labels) if label != REMOVED]

    def renumber(self, numbers: Mapping[int, int]) -> None:
        """Relabel objects; an object whose label is not among `numbers` is removed."""
        self._labels = [numbers.get(label, REMOVED) for label in self._labels]
        self._labels_on_device = None

    def add_reference(self, features: Features, labels: Tensor, joining: Iterable[int] = ()) -> None:
        """Remember a frame whose masks are known, for good.

        Short-term memory restarts with it, because in earlier frames its new objects are background.

        Args:
            features: The frame's pyramid.
            labels: (h, w) uint8 at the size of the network input, labels of the whole video.
            joining: Labels of objects that join the group with this frame.
        """
        self._labels.extend(joining)
        self._labels_on_device = None
        masks = self._masks(labels)
        if self._placed or self._all_seen(masks):
            self._refer(masks)
        entry = self._network.reference(features, self._identity(masks, features))
        self._long_term.add_reference(entry)
        self._short_term.restart(entry)

    def add_picture(self, features: Features, labels: Tensor, joining: Iterable[int]) -> None:
        """Remember another picture of new objects for good; where they are in the video is unknown.

        Args:
            features: The picture's pyramid, of any size.
            labels: (h, w) uint8 at the size of its network input, labels of the whole video.
            joining: Labels of the objects. They are the group's first ones.
        """
        self._labels.extend(joining)
        self._labels_on_device = None
        self._placed = False
        identity = self._identity(self._masks(labels), features)
        self._long_term.add_picture(self._network.reference(features, identity))

    def _all_seen(self, masks: Tensor) -> bool:
        return bool(masks[1:][self._present].any(2).any(1).all())

    def _refer(self, masks: Tensor) -> None:
        """Learn from masks that are known, or that are an object's first ones in the video."""
        self._tiny.refer(masks[1:])
        for rule in self._rules:
            rule.refer(masks[1:])
        self._placed = True

    def propagate(self, features: Features, size: tuple[int, int]) -> Propagation:
        """Propagate the group's identities from memory to a frame.

        Args:
            features: The frame's pyramid.
            size: Height and width of the network's input.
        """
        memory, channels = self._long_term, self.identities + 1
        recent = self._short_term.read()
        if recent is None:  # the first frame: the frame itself, of which no pixel is known
            nothing = torch.zeros((channels, *size), dtype=torch.bool, device=features[0].device)
            recent = self._network.reference(features, self._identity(nothing, features))
        known = memory.known_frames(recent)
        return self._network.propagate(features, memory.read(), recent, known, channels)

    def logits(self, features: Features, propagation: Propagation) -> Tensor:
        """Return logits (count + 1, h, w), float32, as the rules judge them; channel 0 is background.

        Identities without an object are left out, which is what masking them with a large negative number
        amounts to. What the network takes for a removed object is background.
        """
        identities = torch.arange(self.identities + 1, device=features[0].device)[None]
        logits = self._network.decode(features, propagation, identities)[0].float()
        for rule in self._rules if self._placed else ():
            logits = rule.judge(logits)
        present = self._present
        if len(present) == self.identities:
            return logits
        removed = [index + 1 for index, label in enumerate(self._labels) if label == REMOVED]
        background = logits[[0, *removed]].logsumexp(0, keepdim=True)
        return torch.cat([background, logits[[index + 1 for index in present]]])

    def remember(self, features: Features, propagation: Propagation, labels: Tensor) -> None:
        """Remember a propagated frame with the labels (h, w) that were found in it."""
        masks = self._masks(labels)
        if not self._placed and self._all_seen(masks):
            self._refer(masks)
        for rule in self._rules if self._placed else ():
            left_open = rule.see(masks[1:])
            if left_open is not None:
                masks[0] &= ~left_open
        entry = self._network.memorize(propagation, self._identity(masks, features))
        self._short_term.write(entry)
        self._long_term.write(entry)

    def _masks(self, labels: Tensor) -> Tensor:
        """Return the masks (identities + 1, h, w) of the group, background first."""
        if self._labels_on_device is None:
            own = torch.tensor(self._labels, device=labels.device, dtype=torch.int16)
            self._labels_on_device = own[:, None, None]
        masks = labels == self._labels_on_device
        return torch.cat([~masks.any(0, keepdim=True), masks])

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

    Each group knows how probably a pixel is background or one of its objects. The merged background
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


def object_probabilities(
    group_logits: Iterable[Tensor], size: tuple[int, int], *, align_corners: bool
) -> Tensor:
    """Return how probable each object is at each pixel, beside the others of its group and background.

    Args:
        group_logits: For each group (objects + 1, h, w), background first; at least one.
        size: Height and width of the result.
        align_corners: Whether the corners of both grids coincide.

    Returns:
        (objects of all groups, *size) float32.
    """
    resized = (resize_logits(each, size, align_corners=align_corners) for each in group_logits)
    return torch.cat([logits.softmax(0)[1:] for logits in resized])


def _soft(probabilities: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the background's probability, the best object's (clamped), and which object it is (from 1)."""
    best, index = probabilities[1:].clamp(EPSILON, 1 - EPSILON).max(0)
    return probabilities[0], best, (index + 1).to(torch.uint8)
