"""From boxes and points to masks: by HQ-SAM where its weights are here, else a box by GrabCut."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import cv2
import numpy as np

from hqtrack import cards
from hqtrack.errors import InputError, WeightsError
from hqtrack.images import Image
from hqtrack.masks import Mask, Masks
from hqtrack.video.prompts import Prompt

if TYPE_CHECKING:
    from hqtrack.refinement import MaskRefiner
    from hqtrack.tracker import HQTrack


logger = logging.getLogger(__name__)


PULL = "hqtrack weights pull hq-sam-vit-h"


def find_refiner() -> cards.Refiner | None:
    """Give an HQ-SAM of one of the cards whose weights are here; None where there is none."""
    from hqtrack.zoo import card_names, load_card, locate

    refiners = (load_card(name).refiner for name in card_names())
    usable = [each for each in refiners if each is not None and locate(each.weights) is not None]
    return next((each for each in usable if each.kind.startswith("hq-sam")), None)


class MaskMaker:
    """Turns prompts into masks.

    Args:
        refiner: Builds HQ-SAM when it is first needed; None if it is not here, and boxes are left to GrabCut.
    """

    def __init__(self, refiner: Callable[[], MaskRefiner] | None) -> None:
        self._build = refiner
        self._refiner: MaskRefiner | None = None

    @classmethod
    def beside(cls, tracker: HQTrack) -> MaskMaker:
        """Give what makes masks for a tracker: by its own refiner, or by an HQ-SAM whose weights are here."""
        own = tracker.refiner
        if own is not None:
            return cls(lambda: own)
        settings = find_refiner()
        if settings is None:
            return cls(None)
        from hqtrack.refinement import build_refiner

        return cls(partial(build_refiner, settings, device=tracker.device, dtype=tracker.dtype))

    def check(self, prompts: Sequence[Prompt]) -> None:
        """See whether these prompts can become masks; logs a notice where only GrabCut is here.

        Raises:
            WeightsError: A point needs HQ-SAM.
        """
        if self._build is not None:
            return
        if any(prompt.point is not None for prompt in prompts):
            raise WeightsError(f"a point needs the weights of HQ-SAM: {PULL}; or give a --box instead")
        if any(prompt.box is not None for prompt in prompts):
            logger.warning("boxes become masks by GrabCut, which is rough; for HQ-SAM: %s", PULL)

    def masks(self, image: Image, prompts: Sequence[Prompt]) -> Masks:
        """Give the masks (N, H, W) of all objects that prompts name in a frame (H, W, 3); they may overlap.

        Raises:
            InputError: HQ-SAM finds nothing at a point.
        """
        boxes = [prompt.box for prompt in prompts if prompt.box is not None]
        points = [prompt.point for prompt in prompts if prompt.point is not None]
        if self._refiner is None and self._build is not None and (boxes or points):
            self._refiner = self._build()
        from_boxes, from_points = iter(self._in_boxes(image, boxes)), iter(self._at_points(image, points))
        found = [
            prompt.masks
            if prompt.masks is not None
            else next(from_boxes if prompt.box is not None else from_points)[None]
            for prompt in prompts
        ]
        return np.concatenate(found)

    def _in_boxes(self, image: Image, boxes: Sequence[tuple[float, ...]]) -> list[Mask]:
        if not boxes:
            return []
        if self._refiner is None:
            found = [grab_cut(image, box) for box in boxes]
        else:
            corners = [(x, y, x + width - 1, y + height - 1) for x, y, width, height in boxes]
            found = list(self._refiner.masks_from_boxes(image, corners).cpu().numpy())
        for index, box in enumerate(boxes):
            if not found[index].any():
                logger.warning("nothing stands out in the box %g,%g,%g,%g: all of it is taken", *box)
                found[index] = _filled(image, box)
        return found

    def _at_points(self, image: Image, points: Sequence[tuple[float, ...]]) -> list[Mask]:
        if not points:
            return []
        assert self._refiner is not None, "check() refuses points without a refiner"
        found: list[Mask] = list(self._refiner.masks_from_points(image, points).cpu().numpy())
        for mask, (x, y) in zip(found, points, strict=True):
            if not mask.any():
                raise InputError(f"point {x:g},{y:g}: HQ-SAM finds nothing there; give a --box instead")
        return found


GRABCUT_EDGE = 320
"""GrabCut sees the surroundings of a box reduced to this longer side, which bounds its time."""


def grab_cut(image: Image, box: Sequence[float]) -> Mask:
    """Separate what is in a box from what surrounds it, by colour.

    Args:
        image: (H, W, 3) uint8 RGB.
        box: x, y, width, height, within the image.

    Returns:
        (H, W) bool; empty where nothing stands out, or the box leaves nothing of the image around it.
    """
    inside = _filled(image, box)
    left, top, right, bottom = _pixels_of(box)
    margin_x, margin_y = max(8, (right - left) // 4), max(8, (bottom - top) // 4)
    window = np.s_[
        max(0, top - margin_y) : bottom + margin_y,
        max(0, left - margin_x) : right + margin_x,
    ]
    crop, seeds = image[window], inside[window].astype(np.uint8) * cv2.GC_PR_FGD
    scale = min(1.0, GRABCUT_EDGE / max(crop.shape[:2]))
    size = max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale))
    small = cv2.resize(crop[..., ::-1], size, interpolation=cv2.INTER_AREA)
    labels = cv2.resize(seeds, size, interpolation=cv2.INTER_NEAREST)
    found = np.zeros_like(inside)
    if labels.all() or not labels.any():
        return found
    cv2.setRNGSeed(0)
    cv2.grabCut(small, labels, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_MASK)
    object_pixels = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    found[window] = cv2.resize(object_pixels, crop.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
    return found & inside


def _filled(image: Image, box: Sequence[float]) -> Mask:
    """Give the mask of all pixels that a box touches."""
    left, top, right, bottom = _pixels_of(box)
    mask = np.zeros(image.shape[:2], bool)
    mask[top:bottom, left:right] = True
    return mask


def _pixels_of(box: Sequence[float]) -> tuple[int, int, int, int]:
    """Give the pixels that a box touches: first column and row, and those after the last."""
    x, y, width, height = box
    return math.floor(x), math.floor(y), math.ceil(x + width), math.ceil(y + height)
