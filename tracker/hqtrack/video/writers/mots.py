"""Masks as MOTS and KITTI MOTS have them."""

from __future__ import annotations

import numpy as np
from PIL import Image as Pillow

from hqtrack.errors import InputError
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers.writer import ImageWriter

CLASS = 2
"""Pedestrian, the one class that both benchmarks have."""

CLASS_STEP = 1000
"""A pixel's value is this times the class, plus the object's id."""


class MotsImages(ImageWriter):
    """A grey PNG of 16 bits for each frame: 2000 plus the object's id, 0 background."""

    def write(self, tracked: TrackedFrame) -> None:
        """Write the frame's image.

        Raises:
            InputError: An id is too large for the format.
        """
        highest = max((each.id for each in tracked.objects), default=0)
        if highest >= CLASS_STEP:
            raise InputError(
                f"id {highest}: MOTS has ids up to {CLASS_STEP - 1}; give the object a smaller id"
            )
        labels = tracked.labels.astype(np.uint16)
        values = np.where(labels > 0, CLASS * CLASS_STEP + labels, 0).astype(np.uint16)
        self.save(Pillow.fromarray(values), f"{tracked.frame.index:06d}")
