"""A TraX session: the toolkit's frames and first masks in, one mask per object out.

Rules for what the toolkit sends:

- Masks of any size and offset are placed into the frame; foreground beyond its border is an error.
- Where first masks overlap, the later object owns the contested pixels (see `hqtrack.masks.label_map`).
- An object whose first mask is empty is never tracked; its mask stays empty.
- Objects announced with a later frame join there; replies keep the order of arrival.
- One process serves any number of sequences, one after another.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import trax

from hqtrack.errors import HQTrackError, InputError
from hqtrack.images import Image, read_image
from hqtrack.masks import Mask, Masks, box_of
from hqtrack.vot.hangup import Hangup
from hqtrack.vot.streams import forward_prints

logger = logging.getLogger(__name__)


class MaskTracker(Protocol):
    """What a session drives: `hqtrack.HQTrack`, or a baseline."""

    def initialize(self, image: Image, masks: Masks) -> Masks:
        """Start with the first frame (H, W, 3) and masks (N, H, W); gives these as they were taken."""

    def track(self, image: Image) -> Masks:
        """Return the masks (N, H, W) of the next frame."""

    def add_objects(self, image: Image, masks: Masks) -> Masks:
        """Track to the frame, then let new objects join; gives the masks of all (N + M, H, W)."""


def place_mask(region: npt.NDArray[Any], offset: tuple[int, int], size: tuple[int, int]) -> Mask:
    """Place a cropped mask into a frame.

    Args:
        region: (h, w), nonzero is foreground.
        offset: Column and row of the crop's upper left corner in the frame.
        size: Height and width of the frame.

    Returns:
        (H, W) bool.

    Raises:
        InputError: Foreground lies beyond the frame.
    """
    mask = np.zeros(size, bool)
    rows, columns = np.nonzero(region)
    if len(rows) == 0:
        return mask
    rows, columns = rows + offset[1], columns + offset[0]
    if rows.min() < 0 or columns.min() < 0 or rows.max() >= size[0] or columns.max() >= size[1]:
        raise InputError(
            f"a first mask reaches from ({columns.min()}, {rows.min()}) to ({columns.max()}, {rows.max()}), "
            f"beyond the frame of {size[1]} x {size[0]} pixels; check that masks and frames belong together"
        )
    mask[rows, columns] = True
    return mask


def encode_mask(mask: Mask) -> Any:
    """Turn a mask (H, W) into a TraX region: cropped to its box, which halves the cost of the round trip."""
    box = box_of(mask)
    if box is None:
        # The protocol's None would become a rectangle.
        return trax.Mask.create(np.zeros((1, 1), np.uint8))
    x0, y0, x1, y1 = box
    crop = np.ascontiguousarray(mask[y0 : y1 + 1, x0 : x1 + 1], dtype=np.uint8)
    return trax.Mask.create(crop, x=x0, y=y0)


class TrackedSequence:
    """One sequence: which announced objects are tracked, and in which order they are reported."""

    def __init__(self, tracker: MaskTracker) -> None:
        self._tracker = tracker
        self._tracked: list[bool] = []
        self._size: tuple[int, int] | None = None

    def step(self, image: Image, announced: Sequence[Mask]) -> list[Mask]:
        """Take the next frame and the masks of objects that begin in it; gives one mask per object so far.

        Raises:
            HQTrackError: The frame or a mask cannot be used.
        """
        running = any(self._tracked)
        present = [mask for mask in announced if mask.any()]
        for index, mask in enumerate(announced, start=len(self._tracked)):
            if not mask.any():
                logger.warning("object %d starts with an empty mask; its mask stays empty", index + 1)
        self._tracked += [bool(mask.any()) for mask in announced]
        if running:
            masks = (
                self._tracker.add_objects(image, np.stack(present)) if present else self._tracker.track(image)
            )
        elif present:
            masks = self._tracker.initialize(image, np.stack(present))
        else:
            masks = np.zeros((0, *image.shape[:2]), bool)
        found = iter(masks)
        nothing = np.zeros(image.shape[:2], bool)
        return [next(found) if tracked else nothing for tracked in self._tracked]


def serve(load: Callable[[], MaskTracker], *, name: str) -> int:
    """Serve the toolkit until it quits.

    The tracker is loaded before the handshake, because the toolkit's clock starts there. When loading or a
    frame fails, the session ends with the reason, which the toolkit logs.

    Args:
        load: Makes the tracker.
        name: What the tracker calls itself in the handshake.

    Returns:
        Exit code: 0 after a clean end, 1 after an error.
    """
    failure = ""
    tracker: MaskTracker | None = None
    try:
        tracker = load()
    except Exception as error:
        # Dying here would read "unable to connect": shake hands, then say what is wrong.
        failure = _reason(error)
    forward_prints()
    server = trax.Server([trax.Region.MASK], [trax.Image.PATH], ["color"], name, multiobject=True)
    try:
        return _serve(server, tracker, failure)
    except trax.TraxException as error:
        # The toolkit has gone; there is nobody to tell.
        logger.info("the connection ended: %s", error)
        return 1


def _reason(error: Exception) -> str:
    """Log an error, and give it as the toolkit's log shows it."""
    if isinstance(error, HQTrackError):
        logger.error("%s", error)
        return str(error)
    logger.error("a fault of the tracker", exc_info=error)
    return f"{type(error).__name__}: {error} (a fault of the tracker, see its log)"


def _end_in_vain() -> None:
    """End the process, whose other thread is caught in the protocol's library."""
    logger.info("the toolkit closed the connection in the middle of a message")
    forward_prints()
    os._exit(1)


def _serve(server: Any, tracker: MaskTracker | None, failure: str) -> int:
    sequence: TrackedSequence | None = None
    hangup = Hangup(_end_in_vain)
    while True:
        with hangup.waiting():
            request = server.wait()
        if request.type == trax.TraxStatus.QUIT:
            return 0
        if tracker is None:
            server.quit(reason=failure)
            return 1
        try:
            image = read_image(Path(request.image["color"].path()))
            announced = [
                place_mask(region.array(), region.offset(), (image.shape[0], image.shape[1]))
                for region, _ in request.objects or []
            ]
            if request.type == trax.TraxStatus.INITIALIZE:
                if not announced:
                    raise InputError(
                        "the toolkit announced no object; a sequence needs at least one first mask"
                    )
                sequence = TrackedSequence(tracker)
            if sequence is None:
                raise InputError("the toolkit sent a frame before it initialised a sequence")
            masks = sequence.step(image, announced)
        except Exception as error:
            reason = _reason(error)
            forward_prints()
            server.quit(reason=reason)
            return 1
        forward_prints()
        server.status([(encode_mask(mask), {}) for mask in masks])
