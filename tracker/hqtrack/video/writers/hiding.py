"""Videos in which objects are hidden, or everything but them."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from hqtrack.masks import box_of
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers.video_writer import VideoWriter

if TYPE_CHECKING:
    from hqtrack.images import Image

CELLS = 8
"""Cells of an object's longer side at most: a face in so few cannot be recognized."""


class HidingVideo(VideoWriter):
    """A video whose objects are hidden, with the source's sound; or all but them (`OutputLook.hide_rest`)."""

    def picture(self, tracked: TrackedFrame) -> Image:
        """Return the frame with what is to be hidden."""
        image = tracked.frame.image.copy()
        if self._facts.look.hide_rest:
            rest = ~tracked.masks.any(0)
            image[rest] = self.hidden(image)[rest]
            return image
        for mask in tracked.masks:
            box = box_of(mask)
            if box is not None:
                x0, y0, x1, y1 = box
                part, inside = image[y0 : y1 + 1, x0 : x1 + 1], mask[y0 : y1 + 1, x0 : x1 + 1]
                part[inside] = self.hidden(part)[inside]
        return image

    @abstractmethod
    def hidden(self, part: Image) -> Image:
        """Return a part of a frame (h, w, 3) uint8 RGB so that nothing can be recognized."""


def _of_cells(part: Image, interpolation: int) -> Image:
    """Return a part made anew of its cells' mean colours: all that is left of it.

    Args:
        part: (h, w, 3) uint8.
        interpolation: OpenCV's, between the cells.
    """
    import cv2

    height, width = part.shape[:2]
    side = max(1, -(-max(height, width) // CELLS))
    size = max(1, width // side), max(1, height // side)
    cells = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(cells, (width, height), interpolation=interpolation), np.uint8)


class BlurredVideo(HidingVideo):
    """A video in which objects are blurred."""

    def hidden(self, part: Image) -> Image:
        """Blur a part."""
        import cv2

        return _of_cells(part, cv2.INTER_LINEAR)


class PixelatedVideo(HidingVideo):
    """A video in which objects are pixelated."""

    def hidden(self, part: Image) -> Image:
        """Pixelate a part."""
        import cv2

        return _of_cells(part, cv2.INTER_NEAREST)


class BlackenedVideo(HidingVideo):
    """A video in which objects are black."""

    def hidden(self, part: Image) -> Image:
        """Return black."""
        return np.zeros_like(part)
