"""From a video's frame to the network's input, and label maps between the two sizes."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hqtrack.images import MEAN, STD, Image
from hqtrack.masks import LabelMap

STRIDE = 16
"""Coarsest grid of the networks."""


def input_size(
    height: int, width: int, *, max_long_edge: int, min_short_edge: int, align_corners: bool
) -> tuple[int, int]:
    """Return the size (height, width) at which the network sees a frame.

    The frame keeps its aspect as nearly as the grid allows: sides are 16 n + 1 for networks that align
    corners and 16 n for others, rounded to the nearest, so that the longer side may exceed the limit by less
    than a step of the grid. Where both limits cannot be kept, the longer side's counts.

    Example:
        >>> input_size(480, 854, max_long_edge=1040, min_short_edge=480, align_corners=True)
        (481, 849)
        >>> input_size(1080, 1920, max_long_edge=1040, min_short_edge=0, align_corners=False)
        (592, 1040)
    """
    # In this order, and truncated before it is rounded, as published: else some sizes differ by a grid step.
    enlarge = max(1.0, min_short_edge / min(height, width))
    sides = enlarge * height, enlarge * width
    reduce = max_long_edge / max(sides) if max(sides) > max_long_edge else 1.0
    offset = 1 if align_corners else 0

    def on_grid(side: float) -> int:
        return max(1, round((int(reduce * side) - offset) / STRIDE)) * STRIDE + offset

    return on_grid(sides[0]), on_grid(sides[1])


def resize_image(image: Image, size: tuple[int, int]) -> Image:
    """Resize an RGB image (H, W, 3) uint8 bicubically to (height, width); always a new array."""
    if image.shape[:2] == size:
        return image.copy()
    return np.asarray(cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


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

    An object without a pixel in the result gets the one that lies nearest to its middle, unless another
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
