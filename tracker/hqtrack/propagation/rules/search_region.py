"""Where an object is looked for: an object that is still seen is nowhere else."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hqtrack.propagation.labels import most_likely
from hqtrack.propagation.rules.rule import FORBIDDEN, STILL_SEEN, Rule

LEAST_MARGIN_PIXELS = 32
"""Margin of a search region at least, in pixels of the network's input."""


class SearchRegions(NamedTuple):
    """Where each of N objects is looked for, and how large it was."""

    spans: Tensor
    """(N, 4) float32: top, bottom, left and right, as fractions of the frame's sides."""
    shares: Tensor
    """(N,) float32: the object's part of the frame; 0 if it was not seen."""


class SearchRegion(Rule):
    """Keeps an object that is still seen near where it was: a look-alike far away does not take its place.

    Args:
        margin: Growth of an object's box on each side, as a fraction of the box's sides.
    """

    def __init__(self, margin: float) -> None:
        self._margin = margin
        self._regions = SearchRegions(torch.empty(0, 4), torch.empty(0))

    def refer(self, masks: Tensor) -> None:
        """Note where objects are given."""
        self.see(masks)

    def see(self, masks: Tensor) -> None:
        """Note where objects were found."""
        self._regions = search_regions(masks, self._margin)

    def judge(self, logits: Tensor) -> Tensor:
        """Forbid objects that are still seen in their regions to be elsewhere."""
        return confined(logits, self._regions)


def search_regions(masks: Tensor, margin: float) -> SearchRegions:
    """Return the search regions of the next frame: boxes of objects, grown on all sides.

    Args:
        masks: (N, H, W) bool, at the size of the network's input.
        margin: Growth on each side, as a fraction of the box's height and width; at least
            `LEAST_MARGIN_PIXELS`.

    Example:
        >>> search_regions(torch.ones(1, 64, 32).bool(), 0.25).spans.tolist()
        [[-0.5, 1.5, -1.0, 2.0]]
    """
    height, width = masks.shape[1:]
    pixels = masks.view(torch.uint8)
    rows, columns = pixels.amax(2), pixels.amax(1)
    spans = []
    for seen, side in ((rows, height), (columns, width)):
        first, last = seen.argmax(1), side - seen.flip(1).argmax(1)
        grown = (margin * (last - first)).clamp(min=LEAST_MARGIN_PIXELS)
        spans += [(first - grown) / side, (last + grown) / side]
    return SearchRegions(torch.stack(spans, dim=1), masks.sum((1, 2)) / (height * width))


def confined(logits: Tensor, regions: SearchRegions) -> Tensor:
    """Take objects that are still seen within their search regions away from everywhere else.

    An object that is not in its region, or was not seen, is looked for in the whole frame.

    Args:
        logits: (N + 1, h, w) float32, background first.
        regions: Of the N objects.
    """
    height, width = logits.shape[1:]
    down = (torch.arange(height, device=logits.device) + 0.5) / height
    along = (torch.arange(width, device=logits.device) + 0.5) / width
    top, bottom, left, right = regions.spans.T[:, :, None]
    inside = ((down > top) & (down < bottom))[:, :, None] & ((along > left) & (along < right))[:, None]
    objects = torch.arange(1, len(logits), device=logits.device)[:, None, None]
    found = ((most_likely(logits) == objects) & inside).sum((1, 2)) / (height * width)
    still = (regions.shares > 0) & (found >= STILL_SEEN * regions.shares)
    elsewhere = ~inside & still[:, None, None]
    return torch.cat([logits[:1], logits[1:].masked_fill(elsewhere, FORBIDDEN)])
