"""What a frame's refined masks are used for: what is shown, what is remembered, and what is reported."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hqtrack.images import Image
from hqtrack.refinement.refiner import MaskRefiner
from hqtrack.refinement.report import RefinementReport
from hqtrack.refinement.selection import outlined_unless_kept


class Answer(NamedTuple):
    """What is made of a frame in which propagation found objects; labels are (H, W) uint8."""

    shown: Tensor
    """The answer."""
    remembered: Tensor
    """What propagation continues with."""
    report: RefinementReport | None
    """What the refiner did to each object; None without a refiner."""


class RefinementPolicy:
    """Decides what is shown and remembered of what propagation found.

    An object that is refined is shown so; any other is shown with its guided outline, where there is one.

    Args:
        refiner: Refines masks; None leaves them as they were propagated.
        remembered: Whether propagation continues with refined masks; as published they are for output alone.
    """

    def __init__(self, refiner: MaskRefiner | None, *, remembered: bool) -> None:
        self._refiner = refiner
        self._remembered = remembered

    def answer(self, image: Image, labels: Tensor, outlined: Tensor | None, count: int) -> Answer:
        """Refine what propagation found in a frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            labels: (H, W) uint8, what propagation found.
            outlined: The same with outlines that follow the frame's edges; None where they are not guided.
            count: Number of objects.
        """
        if self._refiner is None or not count:
            return Answer(labels if outlined is None else outlined, labels, None)
        numbers = torch.arange(1, count + 1, dtype=torch.uint8, device=labels.device)[:, None, None]
        refined, report = self._refiner.refine(image, labels == numbers)
        selected = shown = (refined * numbers).amax(0)
        if outlined is not None:
            kept = [one.kept for one in report.objects]
            shown = (outlined_unless_kept(refined, kept, outlined == numbers) * numbers).amax(0)
        return Answer(shown, selected if self._remembered else labels, report)
