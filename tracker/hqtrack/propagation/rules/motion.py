"""How a group's objects move: where each is expected to be next."""

from __future__ import annotations

import torch
from torch import Tensor

from hqtrack.propagation.rules.rule import continuing, joined

FREE_DEVIATIONS = 2.5
"""Within so many deviations of its shape around where it is expected, an object is as likely as any other."""
LEAST_DEVIATION = 0.01
"""Deviation that is added to every shape's, as a fraction of the frame's longer side."""
VELOCITY_WEIGHT, SHAPE_WEIGHT = 0.5, 0.2
"""Weights, for each frame, with which velocity follows what is seen, and size and shape do."""
LEAST_SHAPE_WEIGHT = 0.1
"""Size and shape follow what is seen with at least this weight: an object may be another size for good."""
VELOCITY_KEPT = 0.9
"""Part of its velocity that an object that is not seen keeps from frame to frame."""
WELL_SEEN = 0.25
"""An object with less of its weight than this is not seen well enough to know where it is."""
WIDENING, LARGEST_WIDTH = 0.2, 2.0
"""Part by which the shape widens with each frame in which the object is not seen well, and how many times as
wide it is at most where the object may come out."""
MOMENT_STRIDE = 2
"""Areas, middles and shapes are measured on a grid of this stride over the network's input."""


class Motion:
    """How a group's objects move. It judges nothing; the parts of `MotionPrior` ask it.

    An object is its middle, the deviations of its pixels from it, and its area. What is seen counts in
    proportion to how much of its usual size the object has: half hidden, or holding a part of another one, it
    is expected to keep its way. An object of which nothing has been seen yet may be anywhere. Everything
    stays on the device.

    Lengths are fractions of the frame's longer side.
    """

    def __init__(self) -> None:
        self._middles = self._velocities = self._variances = torch.empty(0, 2)
        self._widths = torch.empty(0)
        self.areas = torch.empty(0)
        """(N,): the objects' usual areas."""
        self.found_areas = torch.empty(0)
        """(N,): their areas in the last frame."""

    def refer(self, masks: Tensor) -> None:
        """Note objects as they are given, at rest."""
        earlier = continuing(self.areas, masks)
        areas, middles, variances = _moments(masks[earlier:])
        self.areas = joined(self.areas[:earlier], areas)
        self._middles = joined(self._middles[:earlier], middles)
        self._variances = joined(self._variances[:earlier], variances)
        self._velocities = joined(self._velocities[:earlier], torch.zeros_like(middles))
        self._widths = joined(self._widths[:earlier], torch.ones_like(areas))

    def see(self, masks: Tensor) -> None:
        """Note where objects were found, as far as they can be believed."""
        areas, middles, variances = _moments(masks)
        ratios = areas / self.areas.clamp(min=1e-9)
        weights = torch.minimum(ratios, 1 / ratios.clamp(min=1e-9))
        seen = areas > 0
        new = seen & (self.areas == 0)
        expected = self._middles + self._velocities
        ahead = torch.where(seen[:, None], middles - expected, 0.0) * weights[:, None]
        self._middles = torch.where(new[:, None], middles, expected + ahead)
        kept = torch.where(seen, 1.0, VELOCITY_KEPT)
        self._velocities = kept[:, None] * self._velocities + VELOCITY_WEIGHT * ahead
        slow = torch.where(
            new, 1.0, torch.where(seen, SHAPE_WEIGHT * weights.clamp(min=LEAST_SHAPE_WEIGHT), 0.0)
        )
        self.areas = torch.lerp(self.areas, areas, slow)
        self._variances = torch.lerp(self._variances, variances, slow[:, None])
        self._widths = torch.where(weights > WELL_SEEN, 1.0, self._widths + WIDENING)
        self.found_areas = areas

    def distances_ahead(self, logits: Tensor) -> Tensor:
        """Return how far each place is from where each object is expected in the next frame.

        Args:
            logits: (N + 1, h, w), whose grid is asked for.

        Returns:
            (N, h, w) float32, in deviations of the object's shape; 0 everywhere for an object that was never
            seen.
        """
        return self._distances(self._middles + self._velocities, self._widths, logits)

    def near(self, logits: Tensor) -> Tensor:
        """Return (N, h, w) bool: the places at which each object is expected in the next frame."""
        return self.distances_ahead(logits) < FREE_DEVIATIONS

    def near_now(self, masks: Tensor) -> Tensor:
        """Return (N, h, w) bool, on the grid of some masks: the places at which each object may be now."""
        return self._distances(self._middles, self._widths.clamp(max=LARGEST_WIDTH), masks) < FREE_DEVIATIONS

    def _distances(self, middles: Tensor, widths: Tensor, values: Tensor) -> Tensor:
        deviations = (self._variances + LEAST_DEVIATION**2).sqrt() * widths[:, None]
        down, along = (
            (places - middles[:, axis, None]) / deviations[:, axis, None]
            for axis, places in enumerate(_grid(values))
        )
        distances = (down.square()[:, :, None] + along.square()[:, None]).sqrt()
        return distances * (self.areas > 0)[:, None, None]


def _grid(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return where the rows (h,) and columns (w,) of something (N, h, w) that spans the frame are."""
    sides = values.shape[1:]
    down, along = ((torch.arange(side, device=values.device) + 0.5) / max(sides) for side in sides)
    return down, along


def _moments(masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return areas (N,), middles (N, 2) and variances (N, 2) of masks (N, H, W) bool; zeros of empty ones."""
    coarse = masks[:, ::MOMENT_STRIDE, ::MOMENT_STRIDE].float()
    sums = coarse.sum(2), coarse.sum(1)
    pixels = sums[0].sum(1)
    counts = pixels.clamp(min=1)
    middles, variances = [], []
    for sum_, places in zip(sums, _grid(coarse), strict=True):
        middle = sum_ @ places / counts
        apart = (places - middle[:, None]).square()
        middles.append(middle)
        variances.append((sum_ * apart).sum(1) / counts)
    return pixels / max(coarse.shape[1:]) ** 2, torch.stack(middles, 1), torch.stack(variances, 1)
