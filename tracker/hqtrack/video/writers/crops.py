"""Each object on its own: pictures of its box, or a steady video that follows it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from hqtrack import files
from hqtrack.video.tracked_frame import BoxAndArea, TrackedFrame
from hqtrack.video.writers.compositing import FAST
from hqtrack.video.writers.video_writer import VideoWriter
from hqtrack.video.writers.writer import ImageWriter, VideoFacts, Writer, frame_stem

if TYPE_CHECKING:
    from hqtrack.images import Image

CROP_MARGIN = 0.15
"""Share of an object's box that is shown around it, on each side."""

FOLLOWED = 0.15
"""Share of the way to the object that a window moves in a frame: it does not shake."""

LEAST_CROP_SIDE = 32
"""Pixels of a crop's sides at least."""


class CropImages(ImageWriter):
    """A folder for each object with a picture of its box, and a margin, in each frame that shows it."""

    def write(self, tracked: TrackedFrame) -> None:
        """Write the frame's crops."""
        image = tracked.frame.image
        for each, box in zip(tracked.objects, tracked.boxes, strict=True):
            if box is None:
                continue
            x, y, width, height, _ = box
            across, down = round(CROP_MARGIN * width), round(CROP_MARGIN * height)
            part = image[max(0, y - down) : y + height + down, max(0, x - across) : x + width + across]
            crop = Pillow.fromarray(np.ascontiguousarray(part))
            self.save(crop, f"{each.id:03d}/{frame_stem(tracked.frame)}", compress_level=FAST)


class SteadyWindow:
    """A window that follows an object without shaking; its output keeps one size.

    Args:
        box: The object's first box, of which the size is taken.
    """

    def __init__(self, box: BoxAndArea) -> None:
        _, _, width, height, _ = box
        sides = (max(LEAST_CROP_SIDE, round(side * (1 + 2 * CROP_MARGIN))) for side in (width, height))
        self.width, self.height = (side + side % 2 for side in sides)
        self._place = self._aim(box)

    def _aim(self, box: BoxAndArea) -> npt.NDArray[np.float64]:
        """Return middle (x, y) and scale of the window that shows a box with its margin."""
        x, y, width, height, _ = box
        around = 1 + 2 * CROP_MARGIN
        scale = max(width * around / self.width, height * around / self.height)
        return np.array([x + (width - 1) / 2, y + (height - 1) / 2, scale])

    def follow(self, box: BoxAndArea | None) -> None:
        """Move on towards an object; the window stays where it is not seen."""
        if box is not None:
            self._place += FOLLOWED * (self._aim(box) - self._place)

    def crop(self, image: Image) -> Image:
        """Return what the window shows of a frame, (height, width, 3) uint8 RGB."""
        import cv2

        x, y, scale = self._place
        left, top = x - scale * (self.width - 1) / 2, y - scale * (self.height - 1) / 2
        matrix = np.array([[scale, 0, left], [0, scale, top]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = self.width, self.height
        shown = cv2.warpAffine(image, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(shown, np.uint8)


class _ObjectVideo(VideoWriter):
    """The video of one object."""

    def __init__(self, path: Path, facts: VideoFacts, box: BoxAndArea) -> None:
        super().__init__(path, facts)
        self.window = SteadyWindow(box)

    def picture(self, tracked: TrackedFrame) -> Image:
        """Return what the window shows."""
        return self.window.crop(tracked.frame.image)


class CropVideos(Writer):
    """A steady video of each object, from the first frame that shows it on, with the source's sound."""

    def __init__(self, path: Path, facts: VideoFacts) -> None:
        super().__init__(path, facts)
        self._videos: dict[int, _ObjectVideo] = {}

    def write(self, tracked: TrackedFrame) -> None:
        """Write a frame of each object's video."""
        for each, box in zip(tracked.objects, tracked.boxes, strict=True):
            video = self._videos.get(each.id)
            if video is None:
                if box is None:
                    continue
                files.make_folder(self.path)
                video = self._videos[each.id] = _ObjectVideo(
                    self.path / f"{each.id:03d}.mp4", self._facts, box
                )
                video.note = self.note
            video.window.follow(box)
            video.write(tracked)

    def finish(self) -> None:
        """Complete the videos."""
        for video in self._videos.values():
            video.finish()

    def discard(self) -> None:
        """Remove what is unfinished."""
        for video in self._videos.values():
            with suppress(OSError):
                video.discard()
