"""The state of one video: its groups of objects, and the frame they are at."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hqtrack.cards import MemorySettings, Paradigm
from hqtrack.images import Image
from hqtrack.masks import LabelMap, kept_numbers, label_map, masks_of, without_objects
from hqtrack.nets.interface import Features, Propagation, PropagationNetwork
from hqtrack.propagation.frame import (
    EdgeLimits,
    Normalizer,
    input_size,
    resize_image,
    resize_labels,
    shrink_known_labels,
)
from hqtrack.propagation.groups import ObjectGroup, aggregate, merge, object_probabilities
from hqtrack.propagation.guidance import Guide
from hqtrack.propagation.rules import Rules
from hqtrack.propagation.scores import confidence


class Found(NamedTuple):
    """What was found in a frame; (H, W) uint8 labels on the device."""

    labels: Tensor
    """As the network sees them: to be remembered."""
    outlined: Tensor | None
    """To be shown, with outlines that follow the frame's edges; None where outlines are not guided."""
    scores: Tensor | None = None
    """(N,) float32: how sure the network is of each object's mask, 0 to 1; None where it has none."""
    probabilities: Callable[[], Tensor] | None = None
    """Computes (N, H, W) float32 on the device: how probable each object is at each pixel; None as above."""

    @classmethod
    def nothing(cls, image: Image, device: torch.device) -> Found:
        """Return what is found where there are no objects, all of them being removed."""
        labels = torch.zeros(image.shape[:2], dtype=torch.uint8, device=device)
        none = torch.zeros((0, *image.shape[:2]), device=device)
        return cls(labels, None, torch.zeros(0, device=device), lambda: none)


class Propagator:
    """Propagates the objects of one video from frame to frame.

    What it is given is trusted; `hqtrack.HQTrack` checks it.

    Args:
        network: In evaluation mode, on `device`, with parameters of type `dtype`.
        memory: How much is remembered, and when.
        limits: How large the network's input may be.
        rules: Makes the rules of one group of objects.
        guided_outlines: Whether outlines that are shown follow the frame's edges; what is remembered stays
            as networks learned to see it.
        paradigm: "joint" propagates as many objects together as the network has identities, "separate" each
            by itself.
        device: Where the network is.
        dtype: Type of the network's input.
    """

    def __init__(
        self,
        network: PropagationNetwork,
        *,
        memory: MemorySettings,
        limits: EdgeLimits,
        rules: Rules,
        guided_outlines: bool,
        paradigm: Paradigm,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._network = network
        self._memory = memory
        self._limits = limits
        self._rules = rules
        self._guided_outlines = guided_outlines
        self._group_size = 1 if paradigm == "separate" else network.max_objects
        self._device = device
        self._normalize = Normalizer(device, dtype)
        self._groups: list[ObjectGroup] = []
        self._frame: Image = np.empty((0, 0, 3), np.uint8)
        self._features: Features = ()
        self._propagations: list[Propagation] = []
        self._labels = torch.empty(0)

    @property
    def count(self) -> int:
        """Number of objects."""
        return sum(group.count for group in self._groups)

    def is_at(self, image: Image) -> bool:
        """Return whether an image (H, W, 3), uint8 RGB, is the frame that the objects are at."""
        return bool(np.array_equal(self._at_input_size(image), self._frame))

    @torch.inference_mode()
    def find(self, image: Image) -> Found:
        """Propagate all objects to the next frame; what is found there is remembered by `remember`.

        Args:
            image: (H, W, 3) uint8 RGB, of the size of the first.

        Returns:
            What was found. Nothing here waits for the device to finish, except for the rule that tells pieces
            apart: it does so on the CPU.
        """
        if not self._groups:
            self._frame, self._propagations = self._at_input_size(image), []
            return Found.nothing(image, self._device)
        self._look_at(image)
        features = self._features
        self._propagations = [group.propagate(features, self._input_size) for group in self._groups]
        scores: list[Tensor] = []
        every = [
            _scored(group.logits(features, propagation), scores)
            for group, propagation in zip(self._groups, self._propagations, strict=True)
        ]
        size, aligned = (image.shape[0], image.shape[1]), self._network.align_corners
        probabilities = partial(object_probabilities, every, size, align_corners=aligned)
        if not self._guided_outlines:
            labels = merge(every, size, align_corners=aligned)
            return Found(labels, None, torch.cat(scores), probabilities)
        guide = Guide(image, self._input_size, self._device)
        outlined = aggregate(
            guide.probabilities(logits, group.tiny, align_corners=aligned)
            for logits, group in zip(every, self._groups, strict=True)
        )
        labels = merge(every, size, align_corners=aligned)
        return Found(labels, outlined, torch.cat(scores), probabilities)

    @torch.inference_mode()
    def remember(self, labels: Tensor) -> None:
        """Remember the frame that `find` was given.

        Args:
            labels: (H, W) uint8 of all objects in it, on the device: those that `find` gave to be remembered,
                or a better answer.
        """
        self._labels = labels
        small = resize_labels(labels, self._input_size)
        for group, propagation in zip(self._groups, self._propagations, strict=True):
            group.remember(self._features, propagation, small)

    @torch.inference_mode()
    def add(self, image: Image, labels: LabelMap, count: int) -> None:
        """Add objects: the first of a video, or further ones later.

        Each joins with a reference of its own that is never discarded; references of earlier objects stay.
        New objects fill the free identities of the last group, then new groups.

        Where a new mask and an earlier object's prediction overlap, the new mask owns the pixels, unless that
        would leave the earlier object without any.

        Args:
            image: (H, W, 3) uint8 RGB: the frame that earlier objects are at, if there are any.
            labels: (H, W) uint8, the new objects as 1 to `count`.
            count: Number of new objects.
        """
        if not self._groups:
            self._look_at(image)
        earlier = self.count
        if earlier:
            predicted = masks_of(self._labels.cpu().numpy(), earlier)
            labels = label_map(np.concatenate([predicted, masks_of(labels, count)]))
        small = self._adopt(labels)

        total = earlier + count
        joined = earlier
        while joined < total:
            if not self._groups or not self._groups[-1].placed or self._is_full(self._groups[-1]):
                self._groups.append(self._new_group())
            group = self._groups[-1]
            more = min(total - joined, self._group_size - group.identities)
            group.add_reference(self._features, small, range(joined + 1, joined + more + 1))
            joined += more

    def _is_full(self, group: ObjectGroup) -> bool:
        return group.identities == self._group_size

    @torch.inference_mode()
    def add_picture(self, image: Image, labels: LabelMap, count: int) -> None:
        """Add objects that another picture shows, before the first frame; they are looked for from then on.

        Args:
            image: (H, W, 3) uint8 RGB, of any size: it is encoded at its own.
            labels: (H, W) uint8, the new objects as 1 to `count`.
            count: Number of new objects.
        """
        self._look_at(image)
        earlier = self.count
        small = torch.from_numpy(shrink_known_labels(labels, self._input_size)).to(self._device)
        for first in range(0, count, self._group_size):
            numbers = range(first + 1, min(first + self._group_size, count) + 1)
            group = self._new_group()
            own = torch.where(small > 0, small + earlier, small)
            group.add_picture(self._features, own, [earlier + number for number in numbers])
            self._groups.append(group)

    @torch.inference_mode()
    def add_reference(self, image: Image, labels: LabelMap) -> None:
        """Take a frame as the current one, its masks being known, and remember it for good.

        Args:
            image: (H, W, 3) uint8 RGB.
            labels: (H, W) uint8 of all objects.
        """
        self._look_at(image)
        small = self._adopt(labels)
        for group in self._groups:
            group.add_reference(self._features, small)

    def remove(self, objects: Collection[int]) -> None:
        """Forget objects; the others keep their order, and are counted from 1 again.

        Args:
            objects: Their numbers, 1 to `count`.
        """
        numbers = kept_numbers(self.count, objects)
        self._labels = torch.from_numpy(without_objects(self._labels.cpu().numpy(), objects)).to(self._device)
        for group in self._groups:
            group.renumber(numbers)
        self._groups = [group for group in self._groups if group.count]

    @property
    def _input_size(self) -> tuple[int, int]:
        return self._frame.shape[0], self._frame.shape[1]

    def _adopt(self, labels: LabelMap) -> Tensor:
        """Make known labels (H, W) the current frame's; gives them at the size of the network input."""
        self._labels = torch.from_numpy(labels).to(self._device)
        return torch.from_numpy(shrink_known_labels(labels, self._input_size)).to(self._device)

    def _look_at(self, image: Image) -> None:
        self._frame = self._at_input_size(image)
        self._features = self._network.encode(self._normalize(self._frame))

    def _at_input_size(self, image: Image) -> Image:
        height, width = image.shape[:2]
        aligned = self._network.align_corners
        return resize_image(image, input_size(height, width, self._limits, align_corners=aligned))

    def _new_group(self) -> ObjectGroup:
        return ObjectGroup(self._network, memory=self._memory, rules=self._rules())


def _scored(logits: Tensor, scores: list[Tensor]) -> Tensor:
    """Note the scores of a group's objects, and return its logits as they are."""
    scores.append(confidence(logits))
    return logits
