"""Outlines that follow the picture: what the network believes, through a guided filter.

The network's logits are on a grid of four pixels. Resized to the frame, their borders run where bilinear
interpolation puts them; the guided filter (He, Sun and Tang, Guided Image Filtering, TPAMI 2013) takes each
neighbourhood's probabilities as a linear function of its grey values, so that they change where the picture
does. As in its fast form (He and Sun, arXiv 1505.00996), the functions are found on a coarser grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hqtrack.images import Image, Size, resize_alike
from hqtrack.propagation.labels import resize_logits

CELL_PIXELS = 2
"""Side of the cells of the grid of neighbourhoods, in pixels of the network's input."""
NEIGHBOURHOOD_RADIUS = 1
"""Half the side of a neighbourhood, in cells, its middle left out."""
HALF_FOLLOWED_VARIANCE = 4e-4
"""Variance of grey values, between 0 and 1, that an outline follows by half; noise has less."""
LARGEST_LOGIT_GAP = 4.0
"""Logits farther than this below the highest one count as so far."""


class Guide:
    """A frame whose edges outlines follow.

    Args:
        frame: (H, W, 3) uint8 RGB, as the masks are to be.
        size: Height and width of the network's input.
        device: Where the logits are.
    """

    def __init__(self, frame: Image, size: Size, device: torch.device) -> None:
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        small = resize_alike(grey, (size[0] // CELL_PIXELS, size[1] // CELL_PIXELS), cv2.INTER_AREA)
        self._grey, self._small = _on(device, grey), _on(device, np.asarray(small, np.uint8))
        self._mean = _mean_around(self._small)
        self._variance = _mean_around(self._small.square()) - self._mean.square() + HALF_FOLLOWED_VARIANCE

    def probabilities(self, logits: Tensor, tiny: Sequence[int], *, align_corners: bool) -> Tensor:
        """Return the probabilities (S, H, W) of logits (S, h, w), background first; they add up to 1.

        A probability may be a little outside 0 and 1, as the values of a linear function do.

        Args:
            logits: Of background and objects.
            tiny: Objects, counted from 0, that are not guided: their surroundings would wear them away.
            align_corners: Whether the corners of both grids coincide.
        """
        certain = (logits - logits.amax(0)).clamp(min=-LARGEST_LOGIT_GAP).softmax(0)[1:]
        height, width = self._small.shape[1:]
        believed = resize_logits(certain, (height, width), align_corners=align_corners)
        mean = _mean_around(believed)
        slope = (_mean_around(believed * self._small) - mean * self._mean) / self._variance
        functions = torch.cat([_mean_around(slope), _mean_around(mean - slope * self._mean)])
        size = (self._grey.shape[1], self._grey.shape[2])
        slope, offset = resize_logits(functions, size, align_corners=False).chunk(2)
        objects = torch.addcmul(offset, slope, self._grey)
        if tiny:
            plain = resize_logits(logits, size, align_corners=align_corners).softmax(0)
            for index in tiny:
                objects[index] = plain[index + 1]
        # The filter is linear: what is not an object's is left for the background.
        return torch.cat([1 - objects.sum(0, keepdim=True), objects])


def _on(device: torch.device, grey: np.ndarray) -> Tensor:
    """Return grey values (H, W) uint8 as (1, H, W) between 0 and 1."""
    return torch.from_numpy(grey).to(device)[None].float() / 255


def _mean_around(values: Tensor) -> Tensor:
    """Return the mean of each place's neighbourhood (S, h, w); beyond the border is what is at the border."""
    height, width = values.shape[1:]
    wide = F.pad(
        values[None],
        (NEIGHBOURHOOD_RADIUS, NEIGHBOURHOOD_RADIUS, NEIGHBOURHOOD_RADIUS, NEIGHBOURHOOD_RADIUS),
        mode="replicate",
    )[0]
    # Adding shifted copies is ten times as fast on a CPU as pooling.
    across = wide[..., :width].clone()
    for shift in range(1, 2 * NEIGHBOURHOOD_RADIUS + 1):
        across += wide[..., shift : shift + width]
    total = across[..., :height, :].clone()
    for shift in range(1, 2 * NEIGHBOURHOOD_RADIUS + 1):
        total += across[..., shift : shift + height, :]
    return total / (2 * NEIGHBOURHOOD_RADIUS + 1) ** 2
