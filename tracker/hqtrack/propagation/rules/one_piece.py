"""What an object is not: pieces far from its main body, unless it was given in pieces."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from hqtrack.nets.interface import LOGIT_STRIDE
from hqtrack.propagation.labels import most_likely
from hqtrack.propagation.rules.rule import FORBIDDEN, STILL_SEEN, Rule

LEAST_GAP_CELLS = 4
"""A gap of so many cells of the network's output grid is never too large."""
ONE_PIECE_SHARE = 0.95
"""An object of whose pixels this part hangs together was given in one piece."""
LARGEST_HIDDEN_SHARE = 0.9
"""Pieces that together are no more than this part of the object's size are what is seen of it on both sides
of something: the object itself."""
SIZE_KEPT = 0.97
"""An object's size is the largest area that it had lately: this part of it is kept from frame to frame."""

_Pixels = npt.NDArray[np.bool_]


class OnePiece(Rule):
    """Takes pieces far from its main body away from an object that was given in one piece.

    A stray is a piece that the network calls by an object's number, but is apart from its main body: a
    look-alike, most likely. The main body is the piece that covers most of where the object just was.

    Objects that were given in several pieces have no strays, and neither have those of which little is found
    where they were: they may have jumped.

    Args:
        largest_gap: How far a piece may be from the main body, as a fraction of the root of the object's
            area; at least `LEAST_GAP_CELLS` cells of the network's output grid.
    """

    def __init__(self, largest_gap: float) -> None:
        self._largest_gap = largest_gap
        self._whole = np.zeros(0, np.bool_)
        self._sizes = np.zeros(0)
        self._former = torch.empty(0)

    def refer(self, masks: Tensor) -> None:
        """Note which objects are given in one piece."""
        earlier = len(self._whole)
        given = _in_one_piece(masks)
        if len(given) > earlier:
            self._whole = np.concatenate([self._whole, given[earlier:]])
            self._sizes = np.concatenate([self._sizes, np.zeros(len(given) - earlier)])
        else:
            self._whole &= given
        self.see(masks)

    def see(self, masks: Tensor) -> None:
        """Note where objects were found."""
        self._former = masks

    def judge(self, logits: Tensor) -> Tensor:
        """Forbid objects to be where their strays are; the same logits where there are none."""
        # OpenCV finds pieces, on the CPU; the grid is small.
        labels = most_likely(logits).cpu().numpy()
        former = self._former.view(torch.uint8)[None]
        before = F.interpolate(former, size=logits.shape[1:], mode="nearest")[0].cpu().numpy() > 0
        self._sizes = np.maximum(before.sum((1, 2)), SIZE_KEPT * self._sizes)
        strays = np.zeros(before.shape, np.bool_)
        for index in np.flatnonzero(self._whole):
            strays[index] = self._strays(labels == index + 1, before[index], self._sizes[index])
        if not strays.any():
            return logits
        elsewhere = torch.from_numpy(strays).to(logits.device)
        return torch.cat([logits[:1], logits[1:].masked_fill(elsewhere, FORBIDDEN)])

    def _strays(self, mask: _Pixels, before: _Pixels, size: float) -> _Pixels | bool:
        """Return for each pixel (h, w) whether it is a stray's; False for none.

        Args:
            mask: (h, w), what the network calls by the object's number.
            before: (h, w), where the object just was.
            size: Its largest area lately, in pixels.
        """
        area = np.count_nonzero(before)
        still = np.count_nonzero(mask & before)
        if not area or still < STILL_SEEN * area or np.count_nonzero(mask) <= LARGEST_HIDDEN_SHARE * size:
            return False
        count, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
        if count == 2:  # background and one piece
            return False
        main = 1 + int(np.bincount(pieces[before & mask], minlength=count)[1:].argmax())
        distance = cv2.distanceTransform((pieces != main).view(np.uint8), cv2.DIST_L2, 3)
        gaps = np.full(count, np.inf, np.float32)
        np.minimum.at(gaps, pieces.ravel().astype(np.intp), distance.ravel())
        gaps[0] = 0  # background
        root = np.sqrt(max(area, stats[main, cv2.CC_STAT_AREA]))
        too_far = gaps > max(LEAST_GAP_CELLS, self._largest_gap * root)
        return too_far[pieces]


def _in_one_piece(masks: Tensor) -> npt.NDArray[np.bool_]:
    """Return for objects (N, H, W) bool whether they hang together; an empty one does."""
    # As coarse as logits, in which pieces are told apart later: thin connections are lost there.
    coarse = np.ascontiguousarray(masks.view(torch.uint8)[:, ::LOGIT_STRIDE, ::LOGIT_STRIDE].cpu().numpy())
    areas = (cv2.connectedComponentsWithStats(mask)[2][1:, cv2.CC_STAT_AREA] for mask in coarse)
    return np.array(
        [len(area) == 0 or area.max() >= ONE_PIECE_SHARE * area.sum() for area in areas], np.bool_
    )
