"""From the logits of a network to labels at the size of a frame."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SPARSE_BELOW = 0.3
"""Share of pixels between unlike labels, beyond which it is faster to resize all logits."""


def most_likely(logits: Tensor) -> Tensor:
    """Return the index of the highest channel, (..., S, H, W) to (..., H, W) uint8; the first of equals."""
    if logits.device.type != "cpu":
        return logits.argmax(-3).to(torch.uint8)
    # On a CPU argmax is many times slower for a few channels far apart in memory.
    best, *others = logits.unbind(-3)
    index = torch.zeros_like(best, dtype=torch.uint8)
    for channel, values in enumerate(others, 1):
        index.masked_fill_(values > best, channel)
        best = torch.maximum(best, values)
    return index


def resize_logits(logits: Tensor, size: tuple[int, int], *, align_corners: bool) -> Tensor:
    """Resize logits (S, h, w) bilinearly to (S, *size)."""
    return F.interpolate(logits[None], size=size, mode="bilinear", align_corners=align_corners)[0]


def most_likely_at(logits: Tensor, size: tuple[int, int], *, align_corners: bool) -> Tensor:
    """Return the labels that resized logits have: `most_likely(resize_logits(...))`, faster on a CPU.

    A resized logit is a mean of four. Where one label is the highest in all four, it is so in their mean, and
    only pixels between unlike labels need the arithmetic.

    Args:
        logits: (S, h, w) float32.
        size: Height and width of the result.
        align_corners: Whether the corners of both grids coincide.

    Returns:
        (*size) uint8.
    """
    if logits.device.type == "cpu":
        labels = most_likely(logits)
        rows, columns = (
            _places(own, wanted, align_corners) for own, wanted in zip(labels.shape, size, strict=True)
        )
        unlike = _spread(_unlike(labels), rows[0], columns[0])
        pixels = unlike.flatten().nonzero()[:, 0]
        if len(pixels) < _SPARSE_BELOW * unlike.numel():
            found = _spread(labels, rows[0], columns[0])
            found.view(-1)[pixels] = _labels_between(logits, pixels, rows, columns)
            return found
    return most_likely(resize_logits(logits, size, align_corners=align_corners))


_Places = tuple[Tensor, Tensor, Tensor]
"""For each place on a side of the result: its two neighbours, and how far it is between them."""


def _places(own: int, wanted: int, align_corners: bool) -> _Places:
    place = torch.arange(wanted, dtype=torch.float32)
    if align_corners:
        place = place * ((own - 1) / max(1, wanted - 1))
    else:
        place = ((place + 0.5) * (own / wanted) - 0.5).clamp(min=0)
    before = place.long().clamp(max=own - 1)
    return before, (before + 1).clamp(max=own - 1), place - before


def _spread(values: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return values (h, w) at some rows (H,) and columns (W,), as (H, W); rows come last, whole."""
    return values.index_select(1, columns).index_select(0, rows)


def _unlike(labels: Tensor) -> Tensor:
    """Return for each place (h, w) whether it differs from one of the next ones, right, below, or both."""
    unlike = torch.zeros_like(labels, dtype=torch.bool)
    right, below = labels[:, :-1] != labels[:, 1:], labels[:-1] != labels[1:]
    unlike[:, :-1] |= right
    unlike[:-1] |= below
    unlike[:-1, :-1] |= right[1:] | below[:, 1:]
    return unlike


def _labels_between(logits: Tensor, pixels: Tensor, rows: _Places, columns: _Places) -> Tensor:
    """Return the labels of some pixels (P,) of the result, counted row by row."""
    width = logits.shape[2]
    row, column = pixels // len(columns[0]), pixels % len(columns[0])
    flat = logits.flatten(1).t().contiguous()
    above, below, down = (part[row] for part in rows)
    left, right, along = (part[column] for part in columns)
    along, down = along[:, None], down[:, None]
    upper = torch.lerp(flat[above * width + left], flat[above * width + right], along)
    lower = torch.lerp(flat[below * width + left], flat[below * width + right], along)
    return torch.lerp(upper, lower, down).argmax(1).to(torch.uint8)
