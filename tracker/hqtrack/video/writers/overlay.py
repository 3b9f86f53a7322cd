"""The overlay: a video of the frames with the masks drawn over them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers.video_writer import VideoWriter
from hqtrack.video.writers.writer import VideoFacts

if TYPE_CHECKING:
    from hqtrack.images import Image


class OverlayVideo(VideoWriter):
    """A video of the frames with the masks drawn over them, with the source's sound; see `VideoWriter`."""

    def __init__(self, path: Path, facts: VideoFacts) -> None:
        super().__init__(path, facts)
        from hqtrack.video.drawing import SteadyTexts

        self._texts = SteadyTexts()

    def picture(self, tracked: TrackedFrame) -> Image:
        """Draw the masks over the frame."""
        from hqtrack.video.drawing import colour_of, draw_masks

        objects, look = tracked.objects, self._facts.look
        # OpenCV has no letters beyond ASCII.
        names = [each.name if each.name.isascii() and each.name else str(each.id) for each in objects]
        return draw_masks(
            tracked.frame.image,
            tracked.masks,
            labels=[each.id for each in objects],
            names=names if look.texts else [""] * len(names),
            colours=[each.colour or colour_of(each.id) for each in objects],
            opacity=look.opacity,
            steady=self._texts,
        )
