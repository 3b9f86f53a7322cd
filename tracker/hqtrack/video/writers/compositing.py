"""What editing and compositing take: objects cut out of the frames, on green, as mattes, and the frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from hqtrack.errors import DataError
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers.video_writer import VideoWriter, has_encoder
from hqtrack.video.writers.writer import ImageWriter, frame_stem

if TYPE_CHECKING:
    from hqtrack.images import Image

GREEN = (0, 177, 64)
"""What keyers take for a green screen (chroma key green)."""

FAST = 1
"""Level of PNG compression of photographs: more costs much time, and saves little."""


def cut_out(tracked: TrackedFrame) -> npt.NDArray[np.uint8]:
    """Return the objects on a transparent ground, (H, W, 4) RGBA; transparent pixels are black."""
    seen = tracked.masks.any(0)
    alpha = np.where(seen, 255, 0).astype(np.uint8)[..., None]
    return np.concatenate([np.where(alpha > 0, tracked.frame.image, 0), alpha], axis=2).astype(np.uint8)


class CutOuts(ImageWriter):
    """A PNG with alpha for each frame: the objects on a transparent ground."""

    def write(self, tracked: TrackedFrame) -> None:
        """Write the frame's cut-out."""
        self.save(Pillow.fromarray(cut_out(tracked)), frame_stem(tracked.frame), compress_level=FAST)


class AlphaVideo(VideoWriter):
    """A video with alpha in ProRes 4444, as editors take it: the objects on a transparent ground."""

    container_format = "mov"
    pixel_format = "yuva444p10le"

    def codec(self) -> tuple[str, dict[str, str]]:
        """Return the encoder of ProRes.

        Raises:
            DataError: It is missing.
        """
        if not has_encoder("prores_ks"):
            raise DataError(
                "this PyAV has no encoder for ProRes 4444 (prores_ks), which a video with alpha needs; "
                "install av from its wheel, or take --cutouts"
            )
        return "prores_ks", {"profile": "4444"}

    def picture(self, tracked: TrackedFrame) -> npt.NDArray[np.uint8]:
        """Return the frame's cut-out."""
        return cut_out(tracked)


class GreenScreen(VideoWriter):
    """A video of the objects on a green ground."""

    def picture(self, tracked: TrackedFrame) -> Image:
        """Return the frame with a green ground."""
        image = tracked.frame.image.copy()
        image[~tracked.masks.any(0)] = GREEN
        return image


class Mattes(ImageWriter):
    """A folder for each object with a black-and-white PNG for each frame: white is the object."""

    def write(self, tracked: TrackedFrame) -> None:
        """Write the frame's mattes; that of an object that has not joined yet is black."""
        found = {each.id: mask for each, mask in zip(tracked.objects, tracked.masks, strict=True)}
        for each in self._facts.objects or tracked.objects:
            mask = found.get(each.id)
            pixels = np.zeros(tracked.frame.image.shape[:2], np.uint8)
            if mask is not None:
                pixels[mask] = 255
            self.save(Pillow.fromarray(pixels), f"{each.id:03d}/{frame_stem(tracked.frame)}")


class FrameImages(ImageWriter):
    """The frames themselves, as the network sees them: annotations name these files."""

    def write(self, tracked: TrackedFrame) -> None:
        """Write the frame."""
        self.save(Pillow.fromarray(tracked.frame.image), frame_stem(tracked.frame), compress_level=FAST)
