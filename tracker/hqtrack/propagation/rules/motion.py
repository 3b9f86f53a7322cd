"""Where objects are expected: each goes on as it went, and one that went behind another comes out again.

`Motion` is what is known of how objects move. The other rules of this file, and `TinyKeptAlive`, stand behind
it in a list and ask it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hqtrack.propagation.rules.rule import Rule, going_on

FREE = 2.5
"""Within so many deviations of its shape around where it is expected, an object is as likely as any other."""
SLOPE = 2.0
"""What an object's logit loses with each deviation farther away."""
LARGEST_LOSS = 4.0
"""What it loses at most, so that only what is nearly as likely can take its place."""
FINEST = 0.01
"""Deviation that is added to every shape's, as a fraction of the frame's longer side."""
QUICK, SLOW = 0.5, 0.2
"""Weights, for each frame, with which velocity follows what is seen, and size and shape do."""
LEAST_WEIGHT = 0.1
"""Size and shape follow what is seen with at least this weight: an object may be another size for good."""
FADING = 0.9
"""Part of its velocity that an object that is not seen keeps from frame to frame."""
SURE = 0.25
"""An object with less of its weight than this is not seen well enough to know where it is."""
DOUBT, LARGEST_DOUBT = 0.2, 2.0
"""Part by which the shape widens with each frame in which the object is not seen well, and how many times as
wide it is at most where the object may come out."""
LOST = 0.3
"""An object of whose size less than this part is seen is lost."""
COVERED = 0.2
"""An object of whose place more than this part is another's is behind it."""
WAIT = 20
"""Frames in which a lost object may come out after it was behind another."""
HIDEOUT_STRIDE = 4
"""Hideouts are found on a grid of this stride over the network's input."""


class Motion(Rule):
    """How a group's objects move. It changes no logits; the rules behind it do.

    An object is its middle, the deviations of its pixels from it, and its area. What is seen counts in
    proportion to how much of its usual size the object has: half hidden, or holding a part of another one, it
    is thought to go on as it went. An object of which nothing has been seen yet may be anywhere. Everything
    stays on the device.

    Lengths are fractions of the frame's longer side.
    """

    def __init__(self) -> None:
        self._middles = self._velocities = self._variances = torch.empty(0, 2)
        self._doubts = torch.empty(0)
        self.areas = torch.empty(0)
        """(N,): the objects' usual areas."""
        self.found_areas = torch.empty(0)
        """(N,): their areas in the last frame."""

    def refer(self, masks: Tensor) -> None:
        """Note objects as they are given, at rest."""
        earlier = going_on(self.areas, masks)
        areas, middles, variances = _moments(masks[earlier:])
        self.areas = _joined(self.areas[:earlier], areas)
        self._middles = _joined(self._middles[:earlier], middles)
        self._variances = _joined(self._variances[:earlier], variances)
        self._velocities = _joined(self._velocities[:earlier], torch.zeros_like(middles))
        self._doubts = _joined(self._doubts[:earlier], torch.ones_like(areas))

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
        kept = torch.where(seen, 1.0, FADING)
        self._velocities = kept[:, None] * self._velocities + QUICK * ahead
        slow = torch.where(new, 1.0, torch.where(seen, SLOW * weights.clamp(min=LEAST_WEIGHT), 0.0))
        self.areas = torch.lerp(self.areas, areas, slow)
        self._variances = torch.lerp(self._variances, variances, slow[:, None])
        self._doubts = torch.where(weights > SURE, 1.0, self._doubts + DOUBT)
        self.found_areas = areas

    def distances_ahead(self, logits: Tensor) -> Tensor:
        """Return how far each place is from where each object is expected in the next frame.

        Args:
            logits: (N + 1, h, w), whose grid is asked for.

        Returns:
            (N, h, w) float32, in deviations of the object's shape; 0 everywhere for an object that was never
            seen.
        """
        return self._distances(self._middles + self._velocities, self._doubts, logits)

    def near(self, logits: Tensor) -> Tensor:
        """Return (N, h, w) bool: the places at which each object is expected in the next frame."""
        return self.distances_ahead(logits) < FREE

    def near_now(self, masks: Tensor) -> Tensor:
        """Return (N, h, w) bool, on the grid of some masks: the places at which each object may be now."""
        return self._distances(self._middles, self._doubts.clamp(max=LARGEST_DOUBT), masks) < FREE

    def _distances(self, middles: Tensor, doubts: Tensor, values: Tensor) -> Tensor:
        deviations = (self._variances + FINEST**2).sqrt() * doubts[:, None]
        down, along = (
            (places - middles[:, axis, None]) / deviations[:, axis, None]
            for axis, places in enumerate(_grid(values))
        )
        distances = (down.square()[:, :, None] + along.square()[:, None]).sqrt()
        return distances * (self.areas > 0)[:, None, None]


class Expected(Rule):
    """Decides who owns a pixel: objects that are nearly as likely go where they are expected.

    That a pixel is an object's and not background remains as likely as it was.

    Args:
        motion: Of the same objects; it stands before this rule.
    """

    def __init__(self, motion: Motion) -> None:
        self._motion = motion

    def judge(self, logits: Tensor) -> Tensor:
        """Take from each object's logit where the object is not expected."""
        background, own = logits[:1], logits[1:]
        if len(own) < 2:
            return logits
        distances = self._motion.distances_ahead(logits)
        biased = own - (SLOPE * (distances - FREE)).clamp(0, LARGEST_LOSS)
        own = biased + (own.logsumexp(0) - biased.logsumexp(0))
        return torch.cat([background, own])


class Hideouts(Rule):
    """Leaves open in memory where a lost object may come out from behind another one.

    Such a place is neither the object's nor background: as background the object would be known when it comes
    out.

    Args:
        motion: Of the same objects; it stands before this rule.
    """

    def __init__(self, motion: Motion) -> None:
        self._motion = motion
        self._waits = torch.empty(0)

    def refer(self, masks: Tensor) -> None:
        """Note new objects: none is behind another."""
        earlier = going_on(self._waits, masks)
        new = torch.full((len(masks) - earlier,), float(WAIT), device=masks.device)
        self._waits = _joined(self._waits[:earlier], new)

    def see(self, masks: Tensor) -> Tensor:
        """Return (H, W) bool: where lost objects may come out."""
        coarse = masks[:, ::HIDEOUT_STRIDE, ::HIDEOUT_STRIDE].contiguous()
        near = self._motion.near_now(coarse)
        others = coarse.any(0) & ~coarse
        covered = (near & others).sum((1, 2)) > COVERED * near.sum((1, 2))
        self._waits = torch.where(covered, 0.0, self._waits + 1)
        lost = (self._motion.found_areas < LOST * self._motion.areas) & (self._waits < WAIT)
        places = (near & lost[:, None, None]).any(0)
        places = places.repeat_interleave(HIDEOUT_STRIDE, 0).repeat_interleave(HIDEOUT_STRIDE, 1)
        return places[: masks.shape[1], : masks.shape[2]]


def _joined(earlier: Tensor, new: Tensor) -> Tensor:
    return torch.cat([earlier.to(new.device), new])


def _grid(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return where the rows (h,) and columns (w,) of something (N, h, w) that spans the frame are."""
    sides = values.shape[1:]
    down, along = ((torch.arange(side, device=values.device) + 0.5) / max(sides) for side in sides)
    return down, along


def _moments(masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return areas (N,), middles (N, 2) and variances (N, 2) of masks (N, H, W) bool; zeros of empty ones."""
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
