"""Parts of objects with their motion, and how they are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hqtrack.training.synthesis.textures import TEXTURE_SIDE


@dataclass
class Layer:
    """A drawn part of an object: a texture with its outline and its motion, in frame pixels."""

    tiles: Tensor
    """(T or 1, 4, TEXTURE_SIDE, TEXTURE_SIDE) float RGBA, colours 0 to 255, alpha 0 to 1."""
    label: int
    centre: NDArray[np.float64]
    """(T, 2) x, y."""
    angle: NDArray[np.float64]
    """(T,) radians."""
    half: NDArray[np.float64]
    """(T, 2) half width and half height."""
    shear: NDArray[np.float64]
    """(T, 2) perspective coefficients."""
    bend: Tensor
    """(T, 2, 4, 4) displacement in tile units."""
    gain: NDArray[np.float64]
    """(T,) brightness."""
    shade: NDArray[np.float64]
    """(T, 3) direction of the light across the object and its strength."""
    shadow: float


def draw_layer(frames: Tensor, labels: Tensor, layer: Layer) -> None:
    """Draw a layer onto frames (T, 3, H, W) and labels (T, H, W), in place."""
    size, device = frames.shape[-1], frames.device
    radius = np.hypot(*layer.half.T) * 1.15 + 3
    low = np.floor(layer.centre - radius[:, None]).astype(int)
    high = np.ceil(layer.centre + radius[:, None]).astype(int)
    low, high = np.clip(low, 0, size), np.clip(high, 0, size)
    reduced: dict[tuple[int, int], Tensor] = {}
    for i in range(frames.shape[0]):
        (x0, y0), (x1, y1) = low[i].tolist(), high[i].tolist()
        if x1 - x0 < 2 or y1 - y0 < 2:
            continue
        y = torch.arange(y0, y1, device=device)[:, None] + 0.5 - float(layer.centre[i, 1])
        x = torch.arange(x0, x1, device=device)[None, :] + 0.5 - float(layer.centre[i, 0])
        cos, sin = math.cos(layer.angle[i]), math.sin(layer.angle[i])
        u = (cos * x + sin * y) / float(layer.half[i, 0])
        v = (-sin * x + cos * y) / float(layer.half[i, 1])
        depth = 1 + float(layer.shear[i, 0]) * u + float(layer.shear[i, 1]) * v
        place = torch.stack([u, v], dim=-1) / depth[..., None].clamp(min=0.3)
        bend = layer.bend[i : i + 1].to(device)
        if float(bend.abs().max()) > 0:
            place = place + F.grid_sample(bend, place[None].clamp(-1, 1), align_corners=True)[0].permute(
                1, 2, 0
            )
        which = i if len(layer.tiles) > 1 else 0
        octaves = round(2 * math.log2(TEXTURE_SIDE / (2 * float(layer.half[i].max()))))
        if (which, octaves) not in reduced:
            tile = layer.tiles[which].to(device)
            if octaves > 1:
                side = max(4, round(TEXTURE_SIDE * 2 ** (-octaves / 2)))
                tile = F.interpolate(tile[None], size=(side, side), mode="bilinear", antialias=True)[0]
            reduced[which, octaves] = tile
        tile = reduced[which, octaves]
        drawn = F.grid_sample(tile[None], place[None], padding_mode="zeros", align_corners=False)[0]
        alpha = drawn[3]
        region = frames[i, :, y0:y1, x0:x1]
        if layer.shadow:
            soft = F.avg_pool2d(alpha[None, None], 5, 1, 2)[0, 0]
            step = max(1, round(0.08 * min(soft.shape)))
            region *= 1 - layer.shadow * soft.roll((step, step // 2), (0, 1))
        gain = float(layer.gain[i]) * (
            1
            + float(layer.shade[i, 2])
            * (u * float(layer.shade[i, 0]) + v * float(layer.shade[i, 1])).clamp(-1, 1)
        )
        region += alpha * (drawn[:3] * gain - region)
        window = labels[i, y0:y1, x0:x1]
        window.masked_fill_(alpha > 0.5, float(layer.label))
