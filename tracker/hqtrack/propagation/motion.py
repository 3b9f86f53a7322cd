"""Where objects are expected: each goes on as it went, and one that went behind another comes out again."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FREE = 2.5
"""Within so many deviations of its shape around where it is expected, an object is as likely as any other."""
SLOPE = 2.0
"""What an object's logit loses with each deviation farther away."""
MOST = 4.0
"""What it loses at most, so that only what is nearly as likely can take its place."""
FINEST = 0.01
"""Deviation that is added to every shape's, as a fraction of the frame's longer side."""
QUICK, SLOW = 0.5, 0.2
"""How fast velocity follows what is seen, and how fast size and shape do."""
LEAST_WEIGHT = 0.1
"""Size and shape follow what is seen with at least this weight: an object may be another size for good."""
FADING = 0.9
"""What an object that is not seen keeps of its velocity from frame to frame."""
SURE = 0.25
"""An object with less of its weight than this is not seen well enough to know where it is."""
DOUBT, MOST_DOUBT = 0.2, 2.0
"""By how much the shape widens with each frame in which it is not, and to how much at most where it may come
out."""
LOST = 0.3
"""An object of whose size less than this part is seen is lost."""
COVERED = 0.2
"""An object of whose place more than this part is another's is behind it."""
WAIT = 20
"""A lost object may come out for so many frames after it was behind another."""
STRIDE = 4
"""Places where lost objects may come out are told on a grid so much coarser than the network's input."""
TINY = 16
"""An object that is given with fewer pixels of the logits' grid is tiny."""
KEPT, LIFT = 0.9, 6.0
"""A tiny object keeps this part of its area from frame to frame, unless it is short of a larger logit."""


class MotionPrior:
    """How a group's objects move, and what that says of the next frame.

    An object is its middle, the deviations of its pixels from it, and its area. What is seen counts in
    proportion to how much of its usual size the object has: half hidden, or holding a part of another one, it
    is thought to go on as it went. An object of which nothing has been seen yet may be anywhere. Everything
    stays on the device, and only `give` waits for it.

    Lengths are fractions of the frame's longer side.
    """

    def __init__(self) -> None:
        self._middles = self._velocities = self._variances = torch.empty(0, 2)
        self._areas = self._doubts = self._waits = torch.empty(0)

    def give(self, masks: Tensor) -> None:
        """Note objects as they are given: more than before, or all of them anew, at rest.

        Args:
            masks: (N, H, W) bool at the size of the network's input; where there are more than before, those
                of earlier objects are predictions that have been seen.
        """
        earlier = len(self._areas) if len(self._areas) < len(masks) else 0
        areas, middles, variances = _moments(masks[earlier:])

        def joined(known: Tensor, new: Tensor) -> Tensor:
            return torch.cat([known[:earlier].to(new.device), new])

        self._areas = joined(self._areas, areas)
        self._middles = joined(self._middles, middles)
        self._variances = joined(self._variances, variances)
        self._velocities = joined(self._velocities, torch.zeros_like(middles))
        self._doubts = joined(self._doubts, torch.ones_like(areas))
        self._waits = joined(self._waits, torch.full_like(areas, WAIT))

    def see(self, masks: Tensor) -> Tensor:
        """Note where the objects are now; call it once for every frame.

        Args:
            masks: (N, H, W) bool at the size of the network's input.

        Returns:
            (H, W) bool: where a lost object may come out from behind another one.
        """
        areas, middles, variances = _moments(masks)
        ratios = areas / self._areas.clamp(min=1e-9)
        weights = torch.minimum(ratios, 1 / ratios.clamp(min=1e-9))
        seen = areas > 0
        new = seen & (self._areas == 0)
        expected = self._middles + self._velocities
        ahead = torch.where(seen[:, None], middles - expected, 0.0) * weights[:, None]
        self._middles = torch.where(new[:, None], middles, expected + ahead)
        kept = torch.where(seen, 1.0, FADING)
        self._velocities = kept[:, None] * self._velocities + QUICK * ahead
        slow = torch.where(new, 1.0, torch.where(seen, SLOW * weights.clamp(min=LEAST_WEIGHT), 0.0))
        self._areas = torch.lerp(self._areas, areas, slow)
        self._variances = torch.lerp(self._variances, variances, slow[:, None])
        self._doubts = torch.where(weights > SURE, 1.0, self._doubts + DOUBT)
        return self._hideouts(masks, areas)

    def prefer(self, logits: Tensor, tiny: Sequence[int] = ()) -> Tensor:
        """Let objects that are nearly as likely go where they are expected in the next frame.

        That a pixel is an object's and not background remains as likely as it was, but for tiny objects: what
        they lose at the edge of a grid as coarse as they are, they would lose for good.

        Args:
            logits: (N + 1, h, w) float32, background first.
            tiny: Objects, counted from 0, that are tiny.
        """
        background, own = logits[:1], logits[1:]
        if len(own) < 2 and not tiny:
            return logits
        distances = self._distances(self._middles + self._velocities, self._doubts, _grid(logits))
        if len(own) > 1:
            biased = own - (SLOPE * (distances - FREE)).clamp(0, MOST)
            own = biased + (own.logsumexp(0) - biased.logsumexp(0))
        preferred = torch.cat([background, own])
        lifts = [self._lift(index, preferred, distances[index] < FREE) for index in tiny]
        for index, lift in zip(tiny, lifts, strict=True):
            preferred[index + 1] += lift
        return preferred

    def _lift(self, index: int, logits: Tensor, near: Tensor) -> Tensor:
        """Give what a tiny object's logit needs, (h, w), for most of its area where it is expected.

        Args:
            index: The object, from 0.
            logits: (N + 1, h, w), background first.
            near: (h, w) bool: where it is expected.
        """
        others = torch.cat([logits[: index + 1], logits[index + 2 :]]).amax(0)
        margins = (logits[index + 1] - others).masked_fill(~near, -LIFT).flatten()
        best = margins.topk(min(TINY, len(margins))).values
        area = KEPT * self._areas[index] * max(logits.shape[1:]) ** 2
        last = best.gather(0, (area.round().long() - 1).clamp(0, len(best) - 1)[None])
        # A little more than needed: where all are as likely, the first has it, which is the background.
        return (1e-3 - last).clamp(0, LIFT) * near * (area > 0)

    def _hideouts(self, masks: Tensor, areas: Tensor) -> Tensor:
        """Tell (H, W) where lost objects may come out from behind others; call it once for every frame."""
        coarse = masks[:, ::STRIDE, ::STRIDE].contiguous()
        doubts = self._doubts.clamp(max=MOST_DOUBT)
        near = self._distances(self._middles, doubts, _grid(coarse)) < FREE
        others = coarse.any(0) & ~coarse
        covered = (near & others).sum((1, 2)) > COVERED * near.sum((1, 2))
        self._waits = torch.where(covered, 0.0, self._waits + 1)
        lost = (areas < LOST * self._areas) & (self._waits < WAIT)
        places = (near & lost[:, None, None]).any(0)
        places = places.repeat_interleave(STRIDE, 0).repeat_interleave(STRIDE, 1)
        return places[: masks.shape[1], : masks.shape[2]]

    def _distances(self, middles: Tensor, doubts: Tensor, grid: tuple[Tensor, Tensor]) -> Tensor:
        """Give how far each place is from middles (N, 2), in deviations of the objects' shapes: (N, h, w).

        An object of which nothing has been seen is as near to every place.
        """
        deviations = (self._variances + FINEST**2).sqrt() * doubts[:, None]
        down, along = (
            (places - middles[:, axis, None]) / deviations[:, axis, None] for axis, places in enumerate(grid)
        )
        distances = (down.square()[:, :, None] + along.square()[:, None]).sqrt()
        return distances * (self._areas > 0)[:, None, None]


def _grid(values: Tensor) -> tuple[Tensor, Tensor]:
    """Give where the rows (h,) and columns (w,) of something (N, h, w) that spans the frame are."""
    sides = values.shape[1:]
    down, along = ((torch.arange(side, device=values.device) + 0.5) / max(sides) for side in sides)
    return down, along


def _moments(masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give areas (N,), middles (N, 2) and variances (N, 2) of masks (N, H, W) bool; zeros of empty ones."""
    coarse = masks[:, ::2, ::2].float()
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
