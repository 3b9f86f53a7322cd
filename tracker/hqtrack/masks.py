"""Pure functions on masks: label maps, boxes, overlap, run-length encoding.

A mask is an array (H, W), bool. Masks of several objects are (N, H, W), bool. A label map is (H, W), uint8:
0 is background, i is object i, counted from 1 in the order of the masks.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from hqtrack.errors import InputError

Mask = npt.NDArray[np.bool_]
"""(H, W)."""
Masks = npt.NDArray[np.bool_]
"""(N, H, W)."""
LabelMap = npt.NDArray[np.uint8]
"""(H, W): 0 background, i object i."""

MAX_OBJECTS = 255
"""A label map is uint8, and 0 is background."""

MAX_ID = (1 << 31) - 1
"""Of an object: ids are stored as 32-bit numbers by data sets."""


MAX_PIXELS = 1 << 28
"""Of a mask that is read: more are damage, and would fill the memory."""


class Rle(TypedDict):
    """A mask as COCO stores it: run lengths in column order, as an ASCII string."""

    size: list[int]
    """Height, width."""
    counts: str


def as_bool(masks: npt.ArrayLike | Sequence[npt.ArrayLike]) -> npt.NDArray[np.bool_]:
    """Check masks as people give them: bool, or integers with 0 for background.

    Raises:
        InputError: They are neither, or of different sizes.

    Example:
        >>> as_bool([[0, 3]])
        array([[False,  True]])
    """
    try:
        array = np.asarray(masks)
    except ValueError as error:
        raise InputError(
            "masks must all have the size of the frame, but they differ from each other"
        ) from error
    if array.size and array.dtype.kind not in "bui":
        raise InputError(f"masks must be bool, or integers with 0 for background, not {array.dtype}")
    return array.astype(bool, copy=False)


def label_map(masks: npt.ArrayLike | Sequence[npt.ArrayLike]) -> LabelMap:
    """Merge masks of N objects into one label map.

    The later object owns contested pixels. An object that this would leave without any pixel takes its
    contested pixels back from every owner that keeps others; where two objects claim exactly the same
    pixels, the earlier one gets the first half of them in row order.

    Args:
        masks: (N, H, W), or N arrays (H, W); what is not zero is the object.

    Returns:
        (H, W) uint8 with labels 0 to N.

    Raises:
        InputError: The masks are not three-dimensional, not bool or integers, or more than 255.

    Example:
        >>> label_map([[[1, 1, 1, 0]], [[0, 0, 1, 1]]])
        array([[1, 1, 2, 2]], dtype=uint8)
        >>> label_map([[[0, 1, 0, 0]], [[1, 1, 1, 0]]])  # the second would hide the first
        array([[2, 1, 2, 0]], dtype=uint8)
    """
    claims = as_bool(masks)
    if claims.ndim != 3:
        raise InputError(f"masks must have the shape (N, H, W), not {claims.shape}; add the missing axis")
    if len(claims) > MAX_OBJECTS:
        raise InputError(f"{len(claims)} objects are too many for a label map; give at most {MAX_OBJECTS}")
    labels: LabelMap = np.zeros(claims.shape[1:], np.uint8)
    for index, claim in enumerate(claims, start=1):
        labels[claim] = index
    sizes = np.bincount(labels.ravel(), minlength=len(claims) + 1)
    for index, claim in enumerate(claims, start=1):
        if sizes[index] == 0 and claim.any():
            _give_back(labels, claim, index)
            sizes = np.bincount(labels.ravel(), minlength=len(claims) + 1)
    return labels


def _give_back(labels: LabelMap, claim: Mask, index: int) -> None:
    """Return pixels to object `index`, which lost every pixel of its claim; in place."""
    owners = [int(owner) for owner in np.unique(labels[claim])]
    total = np.bincount(labels.ravel(), minlength=max(owners) + 1)
    lost = np.bincount(labels[claim], minlength=max(owners) + 1)
    generous = [owner for owner in owners if lost[owner] < total[owner]]
    if generous:
        labels[claim & np.isin(labels, generous)] = index
        return
    richest = max(owners, key=lambda owner: int(total[owner]))
    rows, columns = np.nonzero(labels == richest)
    half = len(rows) // 2
    labels[rows[:half], columns[:half]] = index


PART_SHARE = 0.9
"""An object is part of another whose mask has this share of its own, or more."""


def parts_of(masks: npt.ArrayLike | Sequence[npt.ArrayLike]) -> list[tuple[int, int]]:
    """Return the places (whole, part) of objects in overlapping masks, such as a person and the hand.

    Args:
        masks: (N, H, W); what is not zero is the object. Two equal masks are part of each other.

    Example:
        >>> parts_of([[[1, 1, 1]], [[0, 0, 1]]])
        [(0, 1)]
    """
    claims = as_bool(masks)
    flat = claims.reshape(len(claims), claims[:1].size).astype(np.float32)
    shared = flat @ flat.T
    areas = shared.diagonal()
    covered = (shared >= PART_SHARE * areas[None]) & (areas[None] > 0)
    np.fill_diagonal(covered, False)
    return [(whole, part) for whole, part in np.argwhere(covered).tolist()]


def with_parts(masks: Masks, pairs: Iterable[tuple[int, int]]) -> Masks:
    """Return masks (N, H, W) in which wholes have the pixels of their parts, too.

    Args:
        masks: (N, H, W) bool, disjoint; not changed.
        pairs: Places (whole, part), as `parts_of` returns them.

    Example:
        >>> with_parts(np.array([[[1, 1, 0]], [[0, 0, 1]]], bool), [(0, 1)]).astype(int).tolist()
        [[[1, 1, 1]], [[0, 0, 1]]]
    """
    result = masks.copy()
    for whole, part in pairs:
        result[whole] |= masks[part]
    return result


def free_ids(taken: Iterable[int], count: int) -> list[int]:
    """Return the lowest ids from 1 on that are not taken.

    Example:
        >>> free_ids([2, 7], 3)
        [1, 3, 4]
    """
    known = set(taken)
    return list(islice((number for number in itertools.count(1) if number not in known), count))


def kept_numbers(count: int, removed: Collection[int]) -> dict[int, int]:
    """Return the new number of each object that stays where others are removed, by its old one.

    Example:
        >>> kept_numbers(4, [2])
        {1: 1, 3: 2, 4: 3}
    """
    kept = (number for number in range(1, count + 1) if number not in removed)
    return {number: place for place, number in enumerate(kept, 1)}


def without_objects(labels: LabelMap, removed: Collection[int]) -> LabelMap:
    """Return a label map (H, W) without some objects; the others keep their order, counted from 1.

    Example:
        >>> without_objects(np.array([[0, 1, 2, 3]], np.uint8), [2]).tolist()
        [[0, 1, 0, 2]]
    """
    numbers = kept_numbers(MAX_OBJECTS, removed)
    table = np.zeros(MAX_OBJECTS + 1, np.uint8)
    table[list(numbers)] = list(numbers.values())
    return table[labels]


def masks_of(labels: npt.ArrayLike, count: int) -> Masks:
    """Split a label map into the masks of its objects.

    Args:
        labels: (H, W), integers.
        count: Number of objects N; objects that own no pixel get an empty mask.

    Returns:
        (N, H, W) bool; mask i - 1 is where the label is i.

    Example:
        >>> masks_of([[0, 2, 2]], 2).astype(int).tolist()
        [[[0, 0, 0]], [[0, 1, 1]]]
    """
    labels = np.asarray(labels)
    # Bytes are compared several times as fast as wider numbers.
    indices = np.arange(1, count + 1, dtype=np.min_scalar_type(count)).reshape(-1, *(1,) * labels.ndim)
    masks: Masks = labels[None] == indices
    return masks


def box_of(mask: npt.ArrayLike) -> tuple[int, int, int, int] | None:
    """Return the tight box (x0, y0, x1, y1) of a mask, inclusive pixel coordinates; None for an empty mask.

    Example:
        >>> box_of([[0, 0, 0], [0, 1, 1]])
        (1, 1, 2, 1)
    """
    mask = as_bool(mask)
    rows = np.flatnonzero(mask.any(axis=1))
    if len(rows) == 0:
        return None
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


def iou(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Return the intersection over union of two masks, 0 to 1; two empty masks have nothing in common: 0.

    Raises:
        InputError: The masks differ in shape.

    Example:
        >>> iou([[1, 1, 0]], [[0, 1, 1]])  # doctest: +ELLIPSIS
        0.333...
    """
    a, b = as_bool(a), as_bool(b)
    if a.shape != b.shape:
        raise InputError(f"masks of different sizes cannot be compared: {a.shape} and {b.shape}")
    union = int(np.count_nonzero(a | b))
    return int(np.count_nonzero(a & b)) / union if union else 0.0


def rle_encode(mask: npt.ArrayLike) -> Rle:
    """Encode a mask as COCO's compressed run-length encoding, as pycocotools reads it.

    Args:
        mask: (H, W); what is not zero is the object.

    Example:
        >>> rle_encode([[0, 1], [0, 1]])
        {'size': [2, 2], 'counts': '22'}
    """
    mask = as_bool(mask)
    if mask.ndim != 2:
        raise InputError(f"a mask must have the shape (H, W), not {mask.shape}")
    box = box_of(mask)
    first, beyond = (0, 0) if box is None else (box[0], box[2] + 1)
    flat = mask[:, first:beyond].ravel(order="F")  # outside of the box all is background
    changes = np.flatnonzero(np.diff(flat, prepend=False, append=False)) + first * mask.shape[0]
    runs = np.diff(changes, prepend=0, append=mask.size).tolist()  # the first run is always background
    if len(runs) > 1 and runs[-1] == 0:
        runs.pop()
    return {"size": [int(mask.shape[0]), int(mask.shape[1])], "counts": _pack(runs)}


def rle_decode(rle: Rle | dict[str, Any]) -> Mask:
    """Decode COCO's run-length encoding, compressed (a string or bytes) or plain (a list of run lengths).

    Returns:
        (H, W) bool.

    Raises:
        InputError: The runs do not fill the mask exactly, or the keys `size` and `counts` are missing.

    Example:
        >>> rle_decode({"size": [2, 2], "counts": [2, 2]}).astype(int).tolist()
        [[0, 1], [0, 1]]
    """
    height, width, runs = runs_of(rle)
    values = np.arange(len(runs)) % 2 == 1
    mask: Mask = np.repeat(values, runs).reshape((height, width), order="F")
    return mask


def runs_of(rle: Rle | dict[str, Any]) -> tuple[int, int, list[int]]:
    """Return height, width and run lengths of COCO's encoding; the first run is background.

    Raises:
        InputError: The runs do not fill the mask exactly, or the keys `size` and `counts` are missing.
    """
    try:
        height, width = (int(side) for side in rle["size"])
        counts: Any = rle["counts"]
        runs = _unpack(counts) if isinstance(counts, str | bytes) else [int(run) for run in counts]
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise InputError(
            f"not a COCO run-length encoding with 'size' and 'counts': {str(rle)[:80]}"
        ) from error
    if min(height, width) < 0 or height * width > MAX_PIXELS:
        raise InputError(f"a mask of {height} x {width} cannot be: it may have {MAX_PIXELS:,} pixels")
    if min(runs, default=0) < 0 or sum(runs) != height * width:
        raise InputError(f"run lengths fill {sum(runs)} pixels, but the mask has {height} x {width}")
    return height, width, runs


def _pack(runs: Sequence[int]) -> str:
    """Write run lengths as COCO's string: from the fourth on as differences, five bits a character."""
    characters = []
    for position, run in enumerate(runs):
        value = run - runs[position - 2] if position > 2 else run
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != (-1 if bits & 0x10 else 0)
            characters.append(chr(48 + (bits | 0x20 if more else bits)))
    return "".join(characters)


def _unpack(text: str | bytes) -> list[int]:
    """Read COCO's string of run lengths."""
    data = text.encode("ascii") if isinstance(text, str) else text
    runs: list[int] = []
    position = 0
    while position < len(data):
        value, shift, more = 0, 0, True
        while more:
            bits = data[position] - 48
            position += 1
            value |= (bits & 0x1F) << shift
            shift += 5
            more = bool(bits & 0x20)
            if not 0 <= bits < 64 or shift > 60:
                raise ValueError(f"not a run length: {data[:80]!r}")
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
    return runs
