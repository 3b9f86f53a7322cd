"""The backgrounds of synthetic sequences: photographs seen by a moving camera."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hqtrack.masks import LabelMap
from hqtrack.training.synthesis.draws import Draws
from hqtrack.training.synthesis.region_images import RegionImage, RegionImages

SEVERAL_INSTANCES = 0.7
"""Share of photographs with several instances in which several are followed."""
MOST_INSTANCES = 7
"""Of a photograph, in one sequence."""


class Background(NamedTuple):
    """A photograph in all frames of a sequence."""

    frames: Tensor
    """(T, 3, H, W) float, 0 to 255."""
    labels: Tensor
    """(T, H, W) float: 1 to `in_place` the photograph's own objects, 0 elsewhere."""
    in_place: int
    """Number of labelled objects."""
    shift: NDArray[np.float64]
    """(T, 2) x, y: how far the camera has moved what it sees, in pixels."""


class Backgrounds:
    """Makes backgrounds.

    Where a photograph has several instances, most sequences follow some of them at the same time: people
    beside people, fruit among fruit.

    Args:
        images: The photographs.
        draws: All random choices.
        size: Side of the square frames, in pixels.
        device: Where they are made.
    """

    def __init__(self, images: RegionImages, draws: Draws, *, size: int, device: torch.device) -> None:
        self._images, self._draws, self._size, self._device = images, draws, size, device

    def sequence(self, t: NDArray[np.float64], speed: float) -> Background:
        """Return a photograph seen by a moving camera.

        Args:
            t: (T,) times of the frames.
            speed: Of the motion.
        """
        bank = self._images.with_objects if self._draws.chance(0.6) else self._images.items
        item = bank[self._draws.rng.integers(len(bank))]
        places, shift = self._places(item, t, speed)
        in_place, count = self._objects_in_place(item)
        # All frames in one call: they lie below one another.
        tall = places.flatten(0, 1)[None].to(self._device)
        picture = item.image[None].to(self._device).float()
        frames = F.grid_sample(picture, tall, padding_mode="reflection", align_corners=False)
        frames = frames[0].unflatten(1, (len(t), self._size)).transpose(0, 1).contiguous()
        labels = torch.zeros(len(t), self._size, self._size, device=self._device)
        if count:
            label_image = torch.from_numpy(in_place)[None, None].to(self._device).float()
            sampled = F.grid_sample(label_image, tall, "nearest", "zeros", False)
            labels = sampled[0, 0].unflatten(0, (len(t), self._size)).contiguous()
        return Background(frames, labels, count, shift)

    def _places(
        self, item: RegionImage, t: NDArray[np.float64], speed: float
    ) -> tuple[Tensor, NDArray[np.float64]]:
        """Return where each pixel is in the photograph (T, H, W, 2), in -1 to 1, and the camera's shift."""
        size = self._size
        height, width = item.image.shape[1:]
        moving = speed * self._draws.chance(0.8)
        shake = self._draws.uniform(0.1, 0.8) * self._draws.chance(0.25)
        shift = (
            np.stack([self._draws.path(t, 0.15 + shake) * 0.035, self._draws.path(t, 0.15 + shake) * 0.02], 1)
            * size
            * moving
        )
        zoom = np.exp(self._draws.path(t, 0.05) * 0.025 * moving) * math.exp(self._draws.uniform(-0.6, 0.05))
        angle = self._draws.rng.normal(0, 0.08) + self._draws.path(t, 0.05) * 0.025 * moving
        fit = min(height, width) / size * zoom
        centre = np.array([width / 2, height / 2]) + self._draws.rng.normal(0, 0.08, 2) * [width, height]
        flip = -1.0 if self._draws.chance(0.5) else 1.0

        line = torch.arange(size, dtype=torch.float32) - size / 2 + 0.5
        grids = []
        for i in range(len(t)):
            y, x = torch.meshgrid(line - float(shift[i, 1]), line - float(shift[i, 0]), indexing="ij")
            cos, sin = math.cos(angle[i]) * fit[i], math.sin(angle[i]) * fit[i]
            u = (cos * x + sin * y) * flip + centre[0]
            v = -sin * x + cos * y + centre[1]
            grids.append(torch.stack([u / width * 2 - 1, v / height * 2 - 1], dim=-1))
        grid = torch.stack(grids)
        if self._draws.chance(0.3):
            wave = torch.from_numpy(
                self._draws.rng.normal(0, 0.02 * self._draws.uniform(0, 1), (1, 2, 4, 4)).astype(np.float32)
            )
            bent = F.interpolate(wave, size=(size, size), mode="bicubic").permute(0, 2, 3, 1)
            grid = grid + bent * torch.from_numpy(np.tanh(0.2 * t)).float().view(-1, 1, 1, 1) * speed
        return grid, shift

    def _objects_in_place(self, item: RegionImage) -> tuple[LabelMap, int]:
        """Return a label map (H, W) of some of the photograph's own objects, and their number."""
        label_image = np.zeros_like(item.labels)
        count = 0
        if len(item.instances) > 1 and self._draws.chance(SEVERAL_INSTANCES):
            most = min(len(item.instances), MOST_INSTANCES)
            count = int(self._draws.rng.integers(2, most + 1))
            for number, instance in enumerate(self._draws.rng.permutation(item.instances)[:count], 1):
                label_image[item.labels == instance] = number
        elif item.objects and self._draws.chance(0.4):
            used: set[int] = set()
            for index in self._draws.rng.permutation(len(item.objects))[
                : int(self._draws.rng.integers(1, 4))
            ]:
                regions = item.objects[index]
                if not used & set(regions):
                    used |= set(regions)
                    count += 1
                    label_image[np.isin(item.labels, regions)] = count
        return label_image, count
