"""What an object is not: pieces far from its main body, unless it was given in pieces."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from hqtrack.propagation.labels import most_likely
from hqtrack.propagation.search import FORBIDDEN, STILL

LEAST_GAP = 4
"""A gap of so many pixels of the logits' grid is never too large."""
WHOLE = 0.95
"""An object of whose pixels this part hangs together was given in one piece."""


def in_one_piece(masks: Tensor) -> list[bool]:
    """Tell of objects, as they were given, whether they hang together; an empty one does.

    Args:
        masks: (N, H, W) bool at the size of the network's input, on any device.
    """
    # As coarse as logits, in which pieces are told apart later: thin connections are lost there.
    coarse = masks[:, ::4, ::4].to(torch.uint8).cpu().numpy()
    pieces = (cv2.connectedComponentsWithStats(mask)[2] for mask in np.ascontiguousarray(coarse))
    areas = (stats[1:, cv2.CC_STAT_AREA] for stats in pieces)
    return [len(area) == 0 or bool(area.max() >= WHOLE * area.sum()) for area in areas]


def without_strays(logits: Tensor, former: Tensor, whole: Sequence[bool], largest_gap: float) -> Tensor:
    """Take from objects what lies apart from their main bodies: a look-alike's, most likely.

    The main body is the piece that covers most of where the object was. Objects of which little is found
    there may have jumped, and stay as they are; so do those that were given in several pieces.

    Args:
        logits: (N + 1, h, w) float32, background first.
        former: (N, H, W) bool, where the objects were.
        whole: Whether each object was given in one piece.
        largest_gap: How far a piece may be from the main body, as a fraction of the root of the object's
            area; at least `LEAST_GAP` pixels of the logits' grid.
    """
    size = logits.shape[1:]
    # Pieces are found on a CPU, and the grid is small.
    labels = most_likely(logits).cpu().numpy()
    before = F.interpolate(former[None].to(torch.uint8), size=size, mode="nearest")[0].cpu().numpy() > 0
    strays = np.zeros(before.shape, np.bool_)
    for index in np.flatnonzero(whole):
        strays[index] = _strays(labels == index + 1, before[index], largest_gap)
    if not strays.any():
        return logits
    elsewhere = torch.from_numpy(strays).to(logits.device)
    return torch.cat([logits[:1], logits[1:].masked_fill(elsewhere, FORBIDDEN)])


def _strays(
    mask: npt.NDArray[np.bool_], before: npt.NDArray[np.bool_], largest_gap: float
) -> npt.NDArray[np.bool_] | bool:
    """Tell of each pixel (h, w) whether it belongs to a piece that is too far from the main body."""
    area = np.count_nonzero(before)
    if not area or np.count_nonzero(mask & before) < STILL * area:
        return False
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    if count == 2:
        return False
    main = 1 + int(np.bincount(pieces[before & mask], minlength=count)[1:].argmax())
    distance = cv2.distanceTransform((pieces != main).view(np.uint8), cv2.DIST_L2, 3)
    gaps = np.full(count, np.inf, np.float32)
    np.minimum.at(gaps, pieces.ravel().astype(np.intp), distance.ravel())
    gaps[0] = 0  # background
    root = np.sqrt(max(area, stats[main, cv2.CC_STAT_AREA]))
    too_far = gaps > max(LEAST_GAP, largest_gap * root)
    return too_far[pieces]
