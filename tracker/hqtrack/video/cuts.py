"""Cuts: frames with which another shot begins."""

from __future__ import annotations

from collections import deque
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from hqtrack.images import Image

Cuts = Literal["search", "stop", "ignore"]
"""At a cut: search objects in the new shot, end them, or track on as if there were none."""

SURE_AREA = 0.25
"""In a new shot an object is surely found only with this share of its area in the shot before, or more."""

SMALL_SIZE = 64, 36
"""Width and height at which frames are compared."""

BINS = (12, 4, 6)
"""Of the histogram of hue, saturation and value."""

LEAST_COLOURS, LEAST_PIXELS = 0.4, 20.0
"""Difference of histograms (0 to 1) and mean difference of pixels (0 to 255) of a cut at least."""

LEAST_RATIO = 1.5
"""A cut differs so many times more than each of the frames before it: fast motion goes on for a while."""

FRAMES_BEFORE = 8
"""Frames with which a cut is compared."""


class CutDetector:
    """Notices cuts by the frames alone, one after the other.

    A cut changes both the colours, which motion leaves, and the pixels, which a change of light leaves; and
    both more than anything in the frames before.

    Example:
        >>> detector = CutDetector()
        >>> black, white = np.zeros((90, 160, 3), np.uint8), np.full((90, 160, 3), 255, np.uint8)
        >>> [detector.see(image) for image in (black, black, white, white)]
        [False, False, True, False]
    """

    def __init__(self) -> None:
        self._small: npt.NDArray[np.int16] | None = None
        self._colours: npt.NDArray[np.float32] | None = None
        self._differences: deque[tuple[float, float]] = deque(maxlen=FRAMES_BEFORE)

    def see(self, image: Image) -> bool:
        """Take the next frame (H, W, 3) uint8 RGB; returns whether a shot begins with it."""
        reduced = cv2.resize(image, SMALL_SIZE, interpolation=cv2.INTER_AREA)
        small = reduced.astype(np.int16)
        hsv = cv2.cvtColor(reduced, cv2.COLOR_RGB2HSV)
        counts = cv2.calcHist([hsv], [0, 1, 2], None, BINS, [0, 180, 0, 256, 0, 256]).ravel()
        colours: npt.NDArray[np.float32] = counts / counts.sum()
        before, self._small = self._small, small
        colours_before, self._colours = self._colours, colours
        if before is None or colours_before is None:
            return False
        recoloured = 1 - float(np.minimum(colours, colours_before).sum())
        changed = float(np.abs(small - before).mean())
        usual = max((each[0] for each in self._differences), default=0.0)
        usual_change = max((each[1] for each in self._differences), default=0.0)
        cut = recoloured > max(LEAST_COLOURS, LEAST_RATIO * usual)
        cut = cut and changed > max(LEAST_PIXELS, LEAST_RATIO * usual_change)
        if not cut:
            self._differences.append((recoloured, changed))
        return cut


def named_cuts(frames: list[int], cuts: Cuts) -> str:
    """Return a line about the frames in which shots begin; empty where there is none.

    Example:
        >>> named_cuts([12], "search")
        'cut at frame 12: objects are shown again where they are surely found (--cuts ignore|stop)'
    """
    if not frames:
        return ""
    shown = ", ".join(map(str, frames[:10])) + (f" and {len(frames) - 10} more" if len(frames) > 10 else "")
    what = {
        "search": "objects are shown again where they are surely found (--cuts ignore|stop)",
        "stop": "objects end there (--cuts search|ignore)",
        "ignore": "",
    }[cuts]
    return f"{'cut at frame' if len(frames) == 1 else 'cuts at frames'} {shown}: {what}"
