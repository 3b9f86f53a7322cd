"""What synthetic objects are made of: textures, outlines and cut-outs of photographs."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hqtrack.training.synthesis.draws import Draws
from hqtrack.training.synthesis.region_images import RegionImages, largest_component

TEXTURE_SIDE = 128
"""Side of the square texture that an object is drawn from, in pixels."""


class Textures:
    """Makes square tiles of `TEXTURE_SIDE` pixels, colours 0 to 255 and alpha 0 to 1.

    Args:
        images: The photographs.
        draws: All random choices.
    """

    def __init__(self, images: RegionImages, draws: Draws) -> None:
        self._images, self._with_objects = images.items, images.with_objects
        self._draws = draws

    def _photo_patch(self, side: int = TEXTURE_SIDE) -> Tensor:
        """Return a square of some photograph, (3, side, side) float."""
        image = self._images[self._draws.rng.integers(len(self._images))].image
        height, width = image.shape[1:]
        crop = int(min(height, width, side * self._draws.uniform(0.4, 1.8)))
        y, x = (
            int(self._draws.rng.integers(height - crop + 1)),
            int(self._draws.rng.integers(width - crop + 1)),
        )
        patch = image[None, :, y : y + crop, x : x + crop].float()
        return F.interpolate(patch, size=(side, side), mode="bilinear", antialias=crop > side)[0]

    def texture(self) -> Tensor:
        """Return a square texture (3, side, side): mostly photographs, sometimes smooth colour or stripes."""
        if self._draws.chance(0.75):
            return self._photo_patch()
        cells = int(self._draws.rng.integers(2, 12))
        noise = torch.from_numpy(
            self._draws.rng.normal(0, self._draws.uniform(0, 45), (1, 3, cells, cells)).astype(np.float32)
        )
        smooth = F.interpolate(noise, size=(TEXTURE_SIDE, TEXTURE_SIDE), mode="bicubic")[0]
        colour = torch.from_numpy(self._draws.rng.uniform(0, 255, (3, 1, 1)).astype(np.float32))
        if self._draws.chance(0.35):
            y, x = np.mgrid[:TEXTURE_SIDE, :TEXTURE_SIDE]
            angle, frequency = self._draws.uniform(0, 6.3), self._draws.uniform(0.1, 1.0)
            wave = np.sin((x * math.cos(angle) + y * math.sin(angle)) * frequency) * self._draws.uniform(
                10, 60
            )
            smooth = smooth + torch.from_numpy(wave.astype(np.float32))
        return (colour + smooth).clamp(0, 255)

    def blob(self) -> Tensor:
        """Return a smooth closed outline, as alpha (side, side)."""
        corners = int(self._draws.rng.integers(5, 13))
        angles = np.sort(self._draws.rng.random(corners)) * 2 * np.pi
        radii = 1 - self._draws.uniform(0, 0.65) * self._draws.rng.random(corners)
        around = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        radius = np.interp(around, angles, radii, period=2 * np.pi)
        smooth = int(self._draws.rng.integers(1, 7))
        radius = np.convolve(
            np.r_[radius[-smooth:], radius, radius[:smooth]], np.ones(2 * smooth + 1), "valid"
        )
        radius = radius / radius.max() * 0.48 * TEXTURE_SIDE
        points = TEXTURE_SIDE / 2 + np.stack([radius * np.cos(around), radius * np.sin(around)], axis=1)
        return self._filled(points)

    @staticmethod
    def _filled(points: NDArray[np.float64]) -> Tensor:
        canvas = np.zeros((TEXTURE_SIDE, TEXTURE_SIDE), np.uint8)
        cv2.fillPoly(canvas, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        return torch.from_numpy(canvas).float() / 255

    def limb(self) -> Tensor:
        """Return a thin rounded bar along the tile's height, as alpha (side, side)."""
        canvas = np.zeros((TEXTURE_SIDE, TEXTURE_SIDE), np.uint8)
        width = int(TEXTURE_SIDE * self._draws.uniform(0.5, 0.95))
        margin = width // 2 + 1
        cv2.line(
            canvas,
            (TEXTURE_SIDE // 2, margin),
            (TEXTURE_SIDE // 2, TEXTURE_SIDE - margin),
            255,
            width,
            cv2.LINE_AA,
        )
        return torch.from_numpy(canvas).float() / 255

    def cutout(self) -> tuple[Tensor, float]:
        """Return an object cut out of a photograph: RGBA tile and its aspect (width / height)."""
        item = self._with_objects[self._draws.rng.integers(len(self._with_objects))]
        regions = item.objects[self._draws.rng.integers(len(item.objects))]
        mask, (x, y, w, h) = largest_component(np.isin(item.labels, regions))
        window = np.s_[max(0, y - 2) : y + h + 2, max(0, x - 2) : x + w + 2]
        alpha = mask[window].astype(np.uint8) * 255
        if self._draws.chance(0.5):
            alpha = np.asarray(cv2.erode(alpha, np.ones((3, 3), np.uint8)), np.uint8)
        rgba = torch.cat(
            [item.image[:, window[0], window[1]].float(), torch.from_numpy(alpha)[None].float() / 255]
        )
        tile = F.interpolate(rgba[None], size=(TEXTURE_SIDE, TEXTURE_SIDE), mode="bilinear", antialias=True)[
            0
        ]
        return tile, w / h
