"""Bicubic resizing that gives the same bytes on every processor.

OpenCV's own does not: Intel's IPP rounds differently on SSE4.2, AVX2 and AVX-512, without IPP 4 % of the
values differ by a grey level from the published pictures, and arm64 runs other code. The same video would
have other masks on another machine. Here all numbers are multiples of the same power of two and small enough,
so that every sum is exact in float64, whatever its order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hqtrack.images import Image

FRACTION_BITS = 20
"""Of the weights. Pixels of 8 bits are weighted twice: 8 + 20 + 20, and 4 for the sums, fit into 53."""
SHARPNESS = -0.75
"""The cubic's free parameter, as in OpenCV."""
ROWS_PER_PRODUCT = 16
"""Rows that one matrix product makes: with fewer the calls cost more, with more the products with zero."""


class _Band(NamedTuple):
    """Some neighbouring rows of the result: which rows of the picture they are made of, and how."""

    rows: slice
    sources: slice
    weights: Tensor


def resize_bicubic(image: Image, size: tuple[int, int]) -> Image:
    """Resize an image (H, W, 3) uint8 to (height, width), as OpenCV's bicubic resizing is meant.

    The middles of both pictures coincide, borders are repeated, and nothing is smoothed where the picture
    becomes smaller. Values are rounded to the nearest, halves to even ones.

    Returns:
        A new array (height, width, 3) uint8.
    """
    height, width, channels = image.shape
    pixels = torch.from_numpy(np.ascontiguousarray(image)).view(height, width * channels)
    lines = _resize_rows(pixels, size[0]).view(size[0], width, channels)
    # Columns become rows, so that both products run along memory.
    columns = lines.permute(1, 2, 0).reshape(width, channels * size[0])
    values = _resize_rows(columns, size[1]).round_().clamp_(0, 255).to(torch.uint8)
    resized = values.view(size[1], channels, size[0]).permute(2, 0, 1).contiguous()
    return np.asarray(resized.numpy(), dtype=np.uint8)


def _resize_rows(picture: Tensor, count: int) -> Tensor:
    """Resize the rows of a picture (H, N) to (count, N) float64."""
    result = torch.empty(count, picture.shape[1], dtype=torch.float64)
    for rows, sources, weights in _bands(picture.shape[0], count):
        torch.mm(weights, picture[sources].to(torch.float64), out=result[rows])
    return result


@lru_cache(maxsize=16)
def _bands(length: int, count: int) -> tuple[_Band, ...]:
    """Return what makes `count` rows out of `length`."""
    places = (np.arange(count) + 0.5) * length / count - 0.5
    taps = np.floor(places).astype(np.int64)[:, None] + np.arange(-1, 3)
    weights = np.rint(_cubic(places[:, None] - taps) * 2**FRACTION_BITS)
    weights[:, 1] += 2**FRACTION_BITS - weights.sum(1)  # a plain surface stays as it is
    taps = taps.clip(0, length - 1)
    bands = []
    for first in range(0, count, ROWS_PER_PRODUCT):
        near, shares = taps[first : first + ROWS_PER_PRODUCT], weights[first : first + ROWS_PER_PRODUCT]
        start, end = int(near.min()), int(near.max()) + 1
        matrix = np.zeros((len(near), end - start))
        np.add.at(matrix, (np.arange(len(near))[:, None], near - start), shares)
        bands.append(
            _Band(
                slice(first, first + len(near)),
                slice(start, end),
                torch.from_numpy(matrix / 2**FRACTION_BITS),
            )
        )
    return tuple(bands)


def _cubic(distances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the weights of pixels by their distance, 0 to 2."""
    away, a = np.abs(distances), SHARPNESS
    near = ((a + 2) * away - (a + 3)) * away * away + 1
    far = (((away - 5) * away + 8) * away - 4) * a
    return np.where(away < 1, near, np.where(away < 2, far, 0.0))
