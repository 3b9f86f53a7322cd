"""From photographs to batches of synthetic sequences."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hqtrack.training.synthesis.background import Backgrounds
from hqtrack.training.synthesis.camera import recorded
from hqtrack.training.synthesis.draws import Draws
from hqtrack.training.synthesis.layers import draw_layer
from hqtrack.training.synthesis.objects import Objects
from hqtrack.training.synthesis.region_images import RegionImages
from hqtrack.training.synthesis.textures import Textures

LEAST_SYNTHETIC_PIXELS = 40
"""Pixels that an object must show in the first frame to be labelled."""


@dataclass(frozen=True)
class SequenceBatch:
    """Synthetic sequences."""

    frames: Tensor
    """(B, T, 3, H, W) uint8 RGB."""
    labels: Tensor
    """(B, T, H, W) uint8; 0 background, 1 to n the objects that the first frame shows."""


class SequenceSynthesizer:
    """Makes batches of sequences.

    Args:
        images: The photographs that sequences are made of.
        size: Side of the square frames, in pixels.
        frames: Frames of a sequence.
        max_objects: Labelled objects in a sequence, at most.
        device: Where sequences are made.
        seed: Of all random choices.
        difficulty: Factor of the speed of all motion.
    """

    def __init__(
        self,
        images: RegionImages,
        *,
        size: int,
        frames: int,
        max_objects: int = 7,
        device: str | torch.device = "cpu",
        seed: int = 0,
        difficulty: float = 1.0,
    ) -> None:
        self.device = torch.device(device)
        self._frames, self._max_objects, self._difficulty = frames, max_objects, difficulty
        self._draws = Draws(seed)
        textures = Textures(images, self._draws)
        self._backgrounds = Backgrounds(images, self._draws, size=size, device=self.device)
        self._objects = Objects(textures, self._draws, size=size, max_objects=max_objects)

    def batch(self, batch_size: int, *, times: list[float] | None = None) -> SequenceBatch:
        """Make sequences whose frames are at the given times (default 0, 1, 2, …)."""
        t = np.arange(self._frames, dtype=float) if times is None else np.asarray(times, dtype=float)
        sequences = [self._sequence(t) for _ in range(batch_size)]
        return SequenceBatch(torch.stack([s[0] for s in sequences]), torch.stack([s[1] for s in sequences]))

    def _sequence(self, t: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
        """Return one sequence: frames (T, 3, H, W) uint8 and labels (T, H, W) uint8."""
        while True:
            speed = min(2.5, self._difficulty * math.exp(self._draws.rng.normal(-0.25, 0.75)))
            if t[-1] > len(t) + 2:
                speed *= (3 / t[1]) ** 0.4
            frames, labels, in_place, shift = self._backgrounds.sequence(t, speed)
            for layers in self._objects.sequence(t, speed, in_place):
                follow = shift if self._draws.chance(0.5) else 0
                for layer in layers:
                    layer.centre = layer.centre + follow
                    draw_layer(frames, labels, layer)
            area = torch.bincount(labels[0].long().flatten(), minlength=self._max_objects + 2)
            if int((area[1:] >= LEAST_SYNTHETIC_PIXELS).sum()) > 0:
                break
        kept = [k for k in range(1, len(area)) if area[k] >= LEAST_SYNTHETIC_PIXELS][: self._max_objects]
        table = torch.zeros(len(area), dtype=torch.uint8, device=self.device)
        for new, old in enumerate(kept, 1):
            table[old] = new
        return recorded(frames, t, speed, shift, self._draws), table[labels.long()]
