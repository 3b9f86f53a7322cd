"""What the page shows of a frame: a JPEG, with the masks drawn over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hqtrack.images import Image
from hqtrack.video.drawing import MASK_OPACITY, draw_masks
from hqtrack.web.store import OpenSession

JPEG_QUALITY = 88


@dataclass(frozen=True)
class Look:
    """How masks are drawn."""

    opacity: float = MASK_OPACITY
    """Share of the colour in the pixels of a mask; 0 draws outlines only."""
    chosen: int | None = None
    """The object whose outline stands out."""
    hidden: frozenset[int] = frozenset()
    """Objects that are not drawn."""


def jpeg(opened: OpenSession, index: int, *, masks: bool, look: Look = Look()) -> bytes:
    """Return a frame as JPEG, reduced for the page.

    Args:
        opened: The session with its frames.
        index: The frame's.
        masks: Whether all masks that are known are drawn.
        look: How masks are drawn.

    Raises:
        DataError: The frame cannot be read.
    """
    image = opened.frames.reduced(index)
    shown = (
        [each for each in opened.session.shown(index) if each.object.key not in look.hidden] if masks else []
    )
    if shown:
        size = image.shape[1::-1]
        reduced = [
            cv2.resize(each.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) for each in shown
        ]
        numbers, colours = [each.object.key for each in shown], [each.object.paint for each in shown]
        image = draw_masks(image, np.stack(reduced), labels=numbers, colours=colours, opacity=look.opacity)
        for each, mask in zip(shown, reduced, strict=True):
            if each.object.key == look.chosen:
                image = _outlined(image, mask)
    _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return encoded.tobytes()


def _outlined(image: Image, mask: npt.NDArray[Any]) -> Image:
    """Return a frame (H, W, 3) with the outline of a mask (H, W) in white between black."""
    image = np.ascontiguousarray(image).copy()
    lines, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    width = 1 + round(min(mask.shape) / 360)
    for colour, extra in (((0, 0, 0), 2), ((255, 255, 255), 0)):
        cv2.drawContours(image, lines, -1, colour, width + extra)
    return image
