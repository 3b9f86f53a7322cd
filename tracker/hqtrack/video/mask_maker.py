"""From boxes and points to masks, by a refiner: the tracker's own, or another one that is here."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from hqtrack import cards
from hqtrack.defaults import LIGHT_REFINER_CARD
from hqtrack.errors import InputError
from hqtrack.images import Image
from hqtrack.isolation import own_settings
from hqtrack.masks import Mask, Masks
from hqtrack.video.prompts import Prompt

if TYPE_CHECKING:
    from hqtrack.refinement import MaskRefiner
    from hqtrack.tracker import HQTrack

logger = logging.getLogger(__name__)


def find_refiner() -> cards.RefinerSettings:
    """Return a refiner for cards without one: HQ-SAM if its weights are installed, else the light one."""
    from hqtrack.zoo import card_names, load_card, locate

    refiners = [refiner for name in card_names() if (refiner := load_card(name).refiner) is not None]
    here = [each for each in refiners if locate(each.weights) is not None]
    large = [each for each in here if each.kind.startswith("hq-sam")]
    light = load_card(LIGHT_REFINER_CARD).refiner
    assert light is not None
    return next(iter(large), light)


class MaskMaker:
    """Turns prompts into masks.

    Args:
        refiner: Builds what makes them when it is first needed.
    """

    def __init__(self, refiner: Callable[[], MaskRefiner]) -> None:
        self._build = refiner
        self._refiner: MaskRefiner | None = None

    @classmethod
    def beside(cls, tracker: HQTrack) -> MaskMaker:
        """Return what makes masks for a tracker: by its own refiner, or by that of `find_refiner`."""
        own = tracker.refiner
        if own is not None:
            return cls(lambda: own)
        from hqtrack.refinement import build_refiner

        return cls(partial(build_refiner, find_refiner(), device=tracker.device, dtype=tracker.dtype))

    def masks(self, image: Image, prompts: Sequence[Prompt]) -> Masks:
        """Return the masks (N, H, W) of N prompts in a frame (H, W, 3); they may overlap.

        Raises:
            InputError: Nothing is found at a point.
            WeightsError: The refiner's weights are missing or damaged.
        """
        described = [prompt for prompt in prompts if prompt.mask is None]
        with own_settings():
            made = iter(self._made(image, described) if described else ())
        return np.stack([next(made) if prompt.mask is None else prompt.mask for prompt in prompts])

    def changed(self, image: Image, mask: Mask, prompt: Prompt) -> Mask:
        """Return a mask (H, W) changed by points that are on the object, and others that are not.

        Args:
            image: The frame (H, W, 3).
            mask: (H, W), with a pixel; what the object was taken for so far.
            prompt: The points.

        Raises:
            InputError: A point is not within the frame.
            WeightsError: The refiner's weights are missing or damaged.
        """
        from hqtrack.refinement import Clues

        rows, columns = np.nonzero(mask)
        xs, ys = [*columns, *(x for x, _ in prompt.points)], [*rows, *(y for _, y in prompt.points)]
        box = (float(min(xs)), float(min(ys)), float(max(xs)), float(max(ys)))
        clues = Clues(box, prompt.points, prompt.beside, mask)
        with own_settings():
            made: Mask = self._ready().masks_from_clues(image, [clues])[0].cpu().numpy()
        return made

    def _ready(self) -> MaskRefiner:
        if self._refiner is None:
            self._refiner = self._build()
        return self._refiner

    def _made(self, image: Image, prompts: Sequence[Prompt]) -> list[Mask]:
        """Return the mask (H, W) of each prompt that is a box, points, or both."""
        from hqtrack.refinement import Clues

        clues = []
        for prompt in prompts:
            corners = None
            if prompt.box is not None:
                x, y, width, height = prompt.box
                corners = (x, y, x + width - 1, y + height - 1)
            clues.append(Clues(corners, prompt.points, prompt.beside))
        found: list[Mask] = list(self._ready().masks_from_clues(image, clues).cpu().numpy())
        for index, prompt in enumerate(prompts):
            if found[index].any():
                continue
            if prompt.box is None:
                point = ",".join(f"{value:g}" for value in prompt.points[0])
                raise InputError(
                    f"point {point}: no object found there; try another point, or draw a box with --box"
                )
            box = ",".join(f"{value:g}" for value in prompt.box)
            logger.warning("no object found in the box %s: the whole box is the mask", box)
            found[index] = filled(image, prompt.box)
        return found


def filled(image: Image, box: Sequence[float]) -> Mask:
    """Return the mask (H, W) of all pixels that a box x, y, width, height touches."""
    x, y, width, height = box
    mask = np.zeros(image.shape[:2], bool)
    mask[math.floor(y) : math.ceil(y + height), math.floor(x) : math.ceil(x + width)] = True
    return mask
