"""What the page shows of a frame: a JPEG, with the masks drawn over it."""

from __future__ import annotations

import cv2
import numpy as np

from hqtrack.video.drawing import draw_masks
from hqtrack.web.store import Open

QUALITY = 88


def jpeg(opened: Open, index: int, *, masks: bool) -> bytes:
    """Return a frame as JPEG, reduced for the page.

    Args:
        opened: The session with its frames.
        index: The frame's.
        masks: Whether all masks that are known are drawn.

    Raises:
        DataError: The frame cannot be read.
    """
    image = opened.frames.reduced(index)
    shown = opened.session.shown(index) if masks else []
    if shown:
        size = image.shape[1::-1]
        reduced = [
            cv2.resize(each.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) for each in shown
        ]
        numbers, colours = [each.number for each in shown], [each.colour for each in shown]
        image = draw_masks(image, np.stack(reduced), labels=numbers, colours=colours)
    _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return encoded.tobytes()
