"""A TraX session: the toolkit's frames and first regions in, one mask or rectangle per object out.

Rules for what the toolkit sends:

- Regions of any kind, size and offset are placed into the frame, and cut at its border.
- Rectangles and polygons become masks by the card's refiner (see `hqtrack.vot.settings`). All kinds are
  announced, so that they arrive as they are: the protocol's library turns polygons into masks wrongly.
- Where first masks overlap, the later object owns the contested pixels (see `hqtrack.masks.label_map`).
- An object whose first mask is empty is never tracked; its mask stays empty.
- Objects announced with a later frame join there; replies keep the order of arrival.
- One process serves any number of sequences, one after another.
"""

from __future__ import annotations

import atexit
import gc
import logging
import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import trax

from hqtrack.errors import CardError, HQTrackError, InputError
from hqtrack.images import Image
from hqtrack.masks import Mask, Masks, box_of
from hqtrack.vot.frames import IMAGES, FrameReader
from hqtrack.vot.hangup import Hangup
from hqtrack.vot.regions import First, encode_mask, encode_rectangle, place
from hqtrack.vot.settings import SessionSettings
from hqtrack.vot.streams import forward_prints

REGIONS = [trax.Region.MASK, trax.Region.RECTANGLE, trax.Region.POLYGON]

logger = logging.getLogger(__name__)


class MaskTracker(Protocol):
    """What a session drives: `hqtrack.HQTrack`, or a baseline."""

    def initialize(self, image: Image, masks: Masks) -> Masks:
        """Start with the first frame (H, W, 3) and masks (N, H, W); gives these as they were taken."""

    def track(self, image: Image) -> Masks:
        """Return the masks (N, H, W) of the next frame."""

    def add_objects(self, image: Image, masks: Masks) -> Masks:
        """Track to the frame, then let new objects join; gives the masks of all (N + M, H, W)."""


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
        self._check_size(image)
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

    def confidences(self, masks: Sequence[Mask]) -> list[float]:
        """Return how sure the tracker is, 0 to 1, of each mask that `step` gave; 1 for one without scores."""
        scores = getattr(self._tracker, "scores", None)
        if scores is None or not any(self._tracked):
            return [float(mask.any()) for mask in masks]
        found = iter(scores)
        return [float(next(found)) if tracked else 0.0 for tracked in self._tracked]

    def _check_size(self, image: Image) -> None:
        size = image.shape[:2]
        if self._size is None:
            self._size = size
        if size != self._size:
            raise InputError(
                f"the frame has {size[1]} x {size[0]} pixels, but the sequence started with "
                f"{self._size[1]} x {self._size[0]}"
            )


class Boxes:
    """Turns first regions into masks.

    Args:
        tracker: Its refiner makes masks of boxes, where it has one.
        from_box: A choice of `hqtrack.vot.settings`.

    Raises:
        CardError: `from_box` asks for a refiner, and there is none.
    """

    def __init__(self, tracker: MaskTracker, from_box: str) -> None:
        self._refiner = getattr(tracker, "refiner", None)
        self._from_box = from_box
        self._said = False
        if from_box == "rectangle" and self._refiner is None:
            raise CardError(
                "HQTRACK_FROM_BOX = rectangle needs a card with a refiner, such as hqtrack-light; with "
                "HQTRACK_FROM_BOX = mask rectangles are taken as masks"
            )

    def masks(self, image: Image, regions: Sequence[First]) -> list[Mask]:
        """Return a mask (H, W) of each region in a frame (H, W, 3); one that is empty stays empty."""
        masks = [region.mask for region in regions]
        boxes = {
            index: box
            for index, region in enumerate(regions)
            if self._is_box(region) and (box := box_of(region.mask)) is not None
        }
        if not boxes:
            return masks
        self._say_once()
        if self._refiner is None:
            return masks
        made = self._refiner.masks_from_boxes(image, list(boxes.values())).cpu().numpy()
        for index, mask in zip(boxes, made, strict=True):
            if mask.any():
                masks[index] = mask
            else:
                logger.warning("no object found in first region %d: the whole region is the mask", index + 1)
        return masks

    def _is_box(self, region: First) -> bool:
        return self._from_box == "rectangle" or (self._from_box == "auto" and region.is_box)

    def _say_once(self) -> None:
        if not self._said:
            self._said = True
            logger.info(
                "first rectangles become masks by the refiner (HQTRACK_FROM_BOX = %s)"
                if self._refiner is not None
                else "first rectangles are taken as masks: there is no refiner (HQTRACK_FROM_BOX = %s)",
                self._from_box,
            )


def serve(
    load: Callable[[], MaskTracker], *, name: str, settings: Callable[[], SessionSettings] = SessionSettings
) -> int:
    """Serve the toolkit until it quits.

    The tracker is loaded before the handshake, because the toolkit's clock starts there. When loading or a
    frame fails, the session ends with the reason, which the toolkit logs.

    Args:
        load: Makes the tracker.
        name: What the tracker calls itself in the handshake.
        settings: Returns how the session speaks with the toolkit.

    Returns:
        Exit code: 0 after a clean end, 1 after an error.
    """
    atexit.register(gc.freeze)  # the toolkit waits for the end, and searching for garbage takes a second
    failure = ""
    session: TraxSession | None = None
    channel = SessionSettings.channel
    try:
        chosen = settings()
        channel = chosen.channel
        session = TraxSession(load(), chosen)
    except Exception as error:
        # Dying here would read "unable to connect": shake hands, then say what is wrong.
        failure = _reason(error)
    forward_prints()
    server = trax.Server(REGIONS, IMAGES, [channel], name, multiobject=True)
    try:
        return _serve(server, session, failure)
    except trax.TraxException as error:
        # The toolkit has gone; there is nobody to tell.
        logger.info("the connection ended: %s", error)
        return 1


class TraxSession:
    """Answers requests for one sequence after another."""

    def __init__(self, tracker: MaskTracker, settings: SessionSettings) -> None:
        self._tracker = tracker
        self._settings = settings
        self._boxes = Boxes(tracker, settings.from_box)
        self._sequence: TrackedSequence | None = None
        self._frames = FrameReader()

    def answer(self, request: Any) -> list[tuple[Any, dict[str, float]]]:
        """Return a region and its confidence for each object so far.

        Raises:
            HQTrackError: The request cannot be answered.
        """
        begins = request.type == trax.TraxStatus.INITIALIZE
        image = self._frames.read(request.image[self._settings.channel], begins)
        size = (image.shape[0], image.shape[1])
        announced = [place(region, size) for region, _ in request.objects or []]
        if begins:
            if not announced:
                raise InputError("the toolkit sent no object; a sequence needs at least one first mask")
            self._sequence = TrackedSequence(self._tracker)
        if self._sequence is None:
            raise InputError("the toolkit sent a frame before it initialised a sequence")
        masks = self._sequence.step(image, self._boxes.masks(image, announced))
        encode = encode_rectangle if self._settings.report == "rectangle" else encode_mask
        return [
            (encode(mask), {"confidence": confidence})
            for mask, confidence in zip(masks, self._sequence.confidences(masks), strict=True)
        ]


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


def _serve(server: Any, session: TraxSession | None, failure: str) -> int:
    hangup = Hangup(_end_in_vain)
    while True:
        with hangup.waiting():
            request = server.wait()
        if request.type == trax.TraxStatus.QUIT:
            return 0
        if session is None:
            server.quit(reason=failure)
            return 1
        try:
            answer = session.answer(request)
        except Exception as error:
            reason = _reason(error)
            forward_prints()
            server.quit(reason=reason)
            return 1
        forward_prints()
        server.status(answer)
