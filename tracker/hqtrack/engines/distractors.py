"""Which frames are kept of an object where look-alikes are near: distractor-aware memory.

Written from its paper (DAM4SAM, arXiv 2411.17576). Recent frames show what the object looks like now: they
are some frames apart, and only those in which it is seen. Anchors tell it from look-alikes: in these frames
the mask is reliable while another hypothesis of the network reaches for something else.
"""

from __future__ import annotations

import statistics
from collections import deque
from typing import NamedTuple

import cv2
import numpy as np

from hqtrack.masks import Mask, Masks, box_of

RECENT = 3
"""Recent frames at most: the last one in which the object is seen, and earlier ones at intervals."""
ANCHORS = 3
"""Anchors at most, besides given masks; the oldest goes first."""
INTERVAL = 5
"""Frames at least from a recent frame to the next, and from an anchor to the next."""
RELIABLE_QUALITY = 0.8
"""A mask with a higher predicted IoU is reliable,"""
RELIABLE_CHANGE = 0.2
"""if its area also differs by no more than this part from the usual one, the median"""
USUAL_FRAMES = 10
"""of so many frames."""
SAME_BOX = 0.7
"""A hypothesis whose main piece makes the mask's box larger than 1 / this reaches for something else."""


class Hypotheses(NamedTuple):
    """What a network thinks that an object may be in a frame."""

    masks: Masks
    """(K, h, w) bool."""
    chosen: int
    """Index of the mask that was chosen."""
    quality: float
    """IoU of the chosen mask with the true one, as the network predicts it."""
    present: bool
    """True: the network sees the object."""


class KeptFrames:
    """The numbers of the frames that are kept of one object, besides those with given masks.

    Args:
        number: Of the frame in which the object was given; numbers grow.
        area: Of its mask, in pixels of the hypotheses.
    """

    def __init__(self, number: int, area: int) -> None:
        self._last: int | None = None
        self._spaced: deque[int] = deque(maxlen=RECENT)
        self._anchors: deque[int] = deque(maxlen=ANCHORS)
        self._areas: deque[int] = deque(maxlen=USUAL_FRAMES)
        self.give(number, area)

    @property
    def recent(self) -> list[int]:
        """Frames that show what the object looks like now, the latest first."""
        latest = [] if self._last is None else [self._last]
        return [*latest, *(number for number in reversed(self._spaced) if number != self._last)][:RECENT]

    @property
    def anchors(self) -> list[int]:
        """Frames that tell the object from look-alikes, the oldest first."""
        return list(self._anchors)

    def give(self, number: int, area: int) -> None:
        """Note a frame with a given mask, which is kept in any case; intervals start again with it."""
        self._since_spaced = self._since_anchor = number
        if area:
            self._areas.append(area)

    def see(self, number: int, hypotheses: Hypotheses) -> None:
        """Note what was found in a frame, and decide whether it is kept."""
        chosen = hypotheses.masks[hypotheses.chosen]
        area = int(chosen.sum())
        if not hypotheses.present or not area:
            return
        self._last = number
        if number - self._since_spaced >= INTERVAL:
            self._spaced.append(number)
            self._since_spaced = number
        usual = statistics.median(self._areas) if self._areas else area
        reliable = hypotheses.quality > RELIABLE_QUALITY and abs(area - usual) <= RELIABLE_CHANGE * usual
        self._areas.append(area)
        others = np.delete(hypotheses.masks, hypotheses.chosen, axis=0)
        if (
            reliable
            and number - self._since_anchor >= INTERVAL
            and any(reaches_beyond(chosen, other) for other in others)
        ):
            self._anchors.append(number)
            self._since_anchor = number


def reaches_beyond(chosen: Mask, other: Mask) -> bool:
    """Return whether another hypothesis of an object reaches for something else than the chosen one.

    Args:
        chosen: (h, w), not empty.
        other: (h, w).
    """
    both = box_of(chosen | _main_piece(other))
    own = box_of(chosen)
    assert both is not None
    assert own is not None
    return _box_area(own) < SAME_BOX * _box_area(both)


def _main_piece(mask: Mask) -> Mask:
    """Return the largest connected piece of a mask (h, w); nothing of an empty one."""
    count, pieces, measures, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return mask
    return np.asarray(pieces == 1 + int(measures[1:, cv2.CC_STAT_AREA].argmax()))


def _box_area(box: tuple[int, int, int, int]) -> int:
    x0, y0, x1, y1 = box
    return (x1 - x0 + 1) * (y1 - y0 + 1)
