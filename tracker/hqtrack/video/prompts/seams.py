"""Label images whose edges are not hard: anti-aliased, enlarged with interpolation, compressed, dithered.

Values that occur only as thin seams between others are no objects of their own. Here each pixel of a seam
joins one of the areas next to it, the one whose colour is nearest.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

FLAT_DIFFERENCE = 8
"""Values by which neighbours within an area differ at most, where an image is compressed."""

SIMILAR_DIFFERENCE = 40
"""Values by which colours of one area differ at most."""

FLAT_SHARE = 0.6
"""Of the pixels of a mask, at least; a photograph has fewer flat pixels."""

LEAST_AREA_PIXELS = 16
"""Pixels of an area."""

REACH_PIXELS = 4
"""Pixels by which the areas that a pixel may join are farther away than the nearest."""

SEAM_SHARE = 0.6
"""Share of an area's surroundings that are in between, where edges are soft."""

_SQUARE = np.ones((3, 3), np.uint8)

Values = npt.NDArray[np.int64]


def soft_edged(values: Values) -> Values | None:
    """Return a label image with seams joined to their neighbours, or None if its edges are hard.

    Edges are soft if most of what surrounds an area is thin, and has values between those of the areas on
    both sides.

    Args:
        values: (H, W).
    """
    present = [int(value) for value in np.unique(values)]
    solid = {value: cv2.erode((values == value).astype(np.uint8), _SQUARE) for value in present}
    areas = [value for value in present if solid[value].any()]
    if len(areas) < 2 or len(present) < 3:
        return None
    owned = np.zeros(values.shape, bool)
    lowest = np.full(values.shape, np.iinfo(np.int64).max)
    highest = np.full(values.shape, -1)
    wide = np.ones((2 * REACH_PIXELS + 1,) * 2, np.uint8)
    for value in areas:
        owned |= (values == value) & (cv2.dilate(solid[value], _SQUARE) > 0)
        near = cv2.dilate(solid[value], wide) > 0
        lowest[near] = np.minimum(lowest[near], value)
        highest[near] = np.maximum(highest[near], value)
    between = ~owned & (lowest < values) & (values < highest)
    rings = [_ring_share(values == value, owned, between) for value in areas]
    if max(rings) < SEAM_SHARE:
        return None
    for value in set(present) - set(areas):  # what is in between nearly everywhere is so in its corners, too
        here = values == value
        if between[here].mean() > 0.5:
            between |= here
    seeds = np.where(between, -1, np.searchsorted(present, values))
    centres = np.array(present, np.float32)[:, None]
    return np.array(present)[_joined(seeds, values[..., None].astype(np.float32), centres)]


def _ring_share(
    area: npt.NDArray[np.bool_], owned: npt.NDArray[np.bool_], between: npt.NDArray[np.bool_]
) -> float:
    """Return the share of in-between pixels in the ring around the larger parts of an area."""
    core = (area & owned).astype(np.uint8)
    ring = (cv2.dilate(core, _SQUARE) > 0) & (core == 0)
    return float(between[ring].mean()) if ring.any() else 0.0


def areas_of(colours: npt.NDArray[np.uint8]) -> tuple[Values, list[tuple[int, ...]]] | None:
    """Find the areas of one colour in an image that is compressed, blurred or dithered.

    Args:
        colours: (H, W, C) uint8.

    Returns:
        (H, W) the number of each pixel's area, and the colour of each area, the largest first; None if it is
        no mask but a photograph.
    """
    spread = cv2.subtract(cv2.dilate(colours, _SQUARE), cv2.erode(colours, _SQUARE))
    flat = spread.reshape(*colours.shape[:2], -1).max(-1) <= FLAT_DIFFERENCE
    found, counts = np.unique(colours[flat], axis=0, return_counts=True)
    if flat.mean() < FLAT_SHARE or len(found) > 4096:
        return None
    centres: list[npt.NDArray[np.int64]] = []
    totals: list[int] = []
    for place in np.argsort(-counts):
        colour = found[place].astype(np.int64)
        near = [k for k, centre in enumerate(centres) if np.abs(centre - colour).max() <= SIMILAR_DIFFERENCE]
        if near:
            totals[near[0]] += int(counts[place])
        else:
            centres.append(colour)
            totals.append(int(counts[place]))
    kept = [centre for centre, total in zip(centres, totals, strict=True) if total >= LEAST_AREA_PIXELS]
    table = np.array(kept, np.float32)
    pixels = colours.astype(np.float32)
    seeds = np.full(flat.shape, -1)
    for number, centre in enumerate(table):
        seeds[flat & (np.abs(pixels - centre).max(-1) <= SIMILAR_DIFFERENCE)] = number
    return _joined(seeds, pixels, table), [tuple(int(value) for value in centre) for centre in kept]


def _joined(seeds: Values, colours: npt.NDArray[np.float32], centres: npt.NDArray[np.float32]) -> Values:
    """Assign each open pixel, -1 of `seeds` (H, W), to the area near it whose colour is nearest."""
    open_pixels = seeds < 0
    if not open_pixels.any():
        return seeds
    here = colours[open_pixels]
    distances = np.full((len(centres), len(here)), np.inf, np.float32)
    for number in np.unique(seeds[seeds >= 0]):
        away = cv2.distanceTransform((seeds != number).astype(np.uint8), cv2.DIST_L2, 3)
        distances[number] = away[open_pixels]
    costs = np.abs(here[None] - centres[:, None]).sum(-1)
    costs[distances > distances.min(0) + REACH_PIXELS] = np.inf
    result = seeds.copy()
    result[open_pixels] = costs.argmin(0)
    return result
