"""Which objects are tiny: as coarse as the grid on which the network answers."""

from __future__ import annotations

from torch import Tensor

from hqtrack.nets.interface import LOGIT_STRIDE

TINY_CELLS = 16
"""An object that is given with fewer cells of the network's output grid is tiny."""


class TinyObjects:
    """The tiny ones among a group's objects, counted from 0. Objects are judged once, as they are given."""

    def __init__(self) -> None:
        self.indices: list[int] = []
        self._count = 0

    def refer(self, masks: Tensor) -> None:
        """Note objects of a frame whose masks are known: more than before, or all of them given again.

        Args:
            masks: (N, H, W) bool at the size of the network's input.
        """
        earlier = self._count if self._count < len(masks) else 0
        self._count = len(masks)
        self.indices = [index for index in self.indices if index < earlier] + [
            index
            for index, mask in enumerate(masks[earlier:], start=earlier)
            if int(mask.sum()) < TINY_CELLS * LOGIT_STRIDE**2
        ]
