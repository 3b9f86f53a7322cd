"""From a video's frame to the network's input, and label maps between the two sizes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hqtrack.images import MEAN, STD, Image
from hqtrack.masks import LabelMap
from hqtrack.propagation.resizing import resize_bicubic

INPUT_STRIDE = 16
"""Sides of the network's input are on this grid, the networks' coarsest."""


class EdgeLimits(NamedTuple):
    """How large the network's input may be, in pixels."""

    max_long: int
    """Frames are reduced to this longer side."""
    min_short: int = 0
    """Smaller frames are enlarged to this shorter side, as far as the other limit allows."""


def input_size(height: int, width: int, limits: EdgeLimits, *, align_corners: bool) -> tuple[int, int]:
    """Return the size (height, width) at which the network sees a frame.

    The frame keeps its aspect as nearly as the grid allows: sides are 16 n + 1 for networks that align
    corners and 16 n for others, rounded to the nearest, so that the longer side may exceed the limit by less
    than a step of the grid. Where both limits cannot be kept, the longer side's counts.

    Example:
        >>> input_size(480, 854, EdgeLimits(1040, 480), align_corners=True)
        (481, 849)
        >>> input_size(1080, 1920, EdgeLimits(1040), align_corners=False)
        (592, 1040)
    """
    # In this order, and truncated before it is rounded, as published: else some sizes differ by a grid step.
    enlarge = max(1.0, limits.min_short / min(height, width))
    sides = enlarge * height, enlarge * width
    reduce = limits.max_long / max(sides) if max(sides) > limits.max_long else 1.0
    offset = 1 if align_corners else 0

    def on_grid(side: float) -> int:
        return max(1, round((int(reduce * side) - offset) / INPUT_STRIDE)) * INPUT_STRIDE + offset

    return on_grid(sides[0]), on_grid(sides[1])


def resize_image(image: Image, size: tuple[int, int]) -> Image:
    """Resize an RGB image (H, W, 3) uint8 bicubically to (height, width), always into a new array."""
    if image.shape[:2] == size:
        return image.copy()
    return resize_bicubic(image, size)


class Normalizer:
    """Moves an image to the device as bytes, a quarter of the traffic, and normalises it there."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self._device = device
        self._dtype = dtype
        mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (MEAN, STD))
        self._scale = 1 / (255 * std)
        self._shift = -mean / std

    def __call__(self, image: Image) -> Tensor:
        """Turn (H, W, 3) uint8 RGB into (1, 3, H, W), normalised with ImageNet's mean and deviation."""
        pixels = torch.from_numpy(image)
        if self._device.type == "cuda":
            pixels = pixels.pin_memory().to(self._device, non_blocking=True)
        else:
            pixels = pixels.to(self._device)
        planes = pixels.permute(2, 0, 1)[None].float()
        return torch.addcmul(self._shift, planes, self._scale).to(self._dtype)


def resize_labels(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize a label map (H, W) uint8 to (height, width), each pixel from the nearest."""
    return F.interpolate(labels[None, None], size=size, mode="nearest")[0, 0]


def shrink_known_labels(labels: LabelMap, size: tuple[int, int]) -> LabelMap:
    """Resize a given label map so that no object is lost between the pixels that resizing picks.

    An object without a pixel in the result gets the one nearest to its middle, unless another
    object has no other pixel.

    Args:
        labels: (H, W) uint8.
        size: Height and width of the result.
    """
    small = np.asarray(resize_labels(torch.from_numpy(labels), size).numpy(), np.uint8)
    counts = np.bincount(small.ravel(), minlength=256)
    for label in np.unique(labels):
        if counts[label]:
            continue
        rows, columns = np.nonzero(labels == label)
        middle = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
        row = int(rows[middle]) * size[0] // labels.shape[0]
        column = int(columns[middle]) * size[1] // labels.shape[1]
        owner = small[row, column]
        if owner == 0 or counts[owner] > 1:
            small[row, column] = label
            counts[owner] -= 1
            counts[label] = 1
    return small
