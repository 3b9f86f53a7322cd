"""Label images: what segmentation data sets call annotations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers.writer import ImageWriter


class LabelImages(ImageWriter):
    """A PNG for each frame, with its name: 0 background, else the object's id, in a palette's colours.

    Where an id is above 255 the images are grey with 16 bits, and cannot hold ids above 65535.
    """

    def write(self, tracked: TrackedFrame) -> None:
        """Write the frame's label image."""
        highest = max((each.id for each in [*self._facts.objects, *tracked.objects]), default=0)
        if highest > 255:
            labels = Pillow.fromarray(tracked.labels.astype(np.uint16))
        else:
            from hqtrack.video.drawing import palette

            labels = Pillow.fromarray(tracked.labels, "P")
            labels.putpalette(palette().tobytes())
        self.save(labels, Path(tracked.frame.name).stem)
