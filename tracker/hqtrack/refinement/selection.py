"""Which refined masks are kept, and who owns the pixels that two masks claim: pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Selection(NamedTuple):
    """Which masks were selected."""

    masks: Tensor
    """(N, H, W) bool: the refined mask where it was kept, the propagated one elsewhere; they may overlap."""
    ious: list[float]
    """IoU of each refined mask with the propagated one."""
    kept: list[bool]
    """Whether each refined mask was kept."""


def boxes_of(masks: Tensor) -> Tensor:
    """Return the tight boxes of masks, none of them empty: `hqtrack.masks.box_of` for all, on the device.

    Args:
        masks: (N, H, W) bool.

    Returns:
        (N, 4) int64: x0, y0, x1, y1 in inclusive pixel coordinates.

    Example:
        >>> boxes_of(torch.tensor([[[0, 0, 0], [0, 1, 1]]]).bool()).tolist()
        [[1, 1, 2, 1]]
    """
    columns, rows = masks.any(dim=1).int(), masks.any(dim=2).int()
    height, width = masks.shape[1:]
    first = columns.argmax(1), rows.argmax(1)
    last = width - 1 - columns.flip(1).argmax(1), height - 1 - rows.flip(1).argmax(1)
    return torch.stack([*first, *last], dim=1)


def ious_of(first: Tensor, second: Tensor) -> list[float]:
    """Return the IoU of each pair of masks; two empty masks have nothing in common: 0.

    Args:
        first: (N, H, W) bool.
        second: (N, H, W) bool.
    """
    counts = torch.stack([(first & second).sum((1, 2)), (first | second).sum((1, 2))], dim=1).tolist()
    return [common / union if union else 0.0 for common, union in counts]


def select(propagated: Tensor, refined: Tensor, iou_threshold: float) -> Selection:
    """Keep a refined mask only where its IoU with the propagated one exceeds tau.

    With tau = 0 every refined mask that overlaps at all is kept, with tau = 1 none is.

    Args:
        propagated: (N, H, W) bool, what propagation found.
        refined: (N, H, W) bool, what the refiner made of it.
        iou_threshold: Threshold tau, 0 to 1.
    """
    ious = ious_of(refined, propagated)
    kept = [iou > iou_threshold for iou in ious]
    keep = torch.tensor(kept, dtype=torch.bool, device=refined.device)
    return Selection(torch.where(keep[:, None, None], refined, propagated), ious, kept)


def without_overlap(masks: Tensor, before: Tensor | None = None) -> Tensor:
    """Return masks of which the first that claims a contested pixel has it.

    Args:
        masks: (N, H, W) bool.
        before: (N, H, W) bool, disjoint masks: who owned a pixel there and still claims it wins over all.

    Returns:
        (N, H, W) bool, disjoint masks whose union is that of `masks`.

    Example:
        >>> without_overlap(torch.tensor([[[1, 1, 0]], [[0, 1, 1]]]).bool()).int().tolist()
        [[[1, 1, 0]], [[0, 0, 1]]]
    """
    disjoint = torch.zeros_like(masks) if before is None else masks & before
    taken = disjoint.any(0)
    for index in range(len(masks)):
        disjoint[index] |= masks[index] & ~taken
        taken |= masks[index]
    return disjoint


def outlined_unless_kept(refined: Tensor, kept: Sequence[bool], outlined: Tensor) -> Tensor:
    """Show refined masks where they were kept, and propagated ones with better outlines elsewhere.

    An object of which the better outline leaves nothing is not shown, whatever the refiner made of it.

    Args:
        refined: (N, H, W) bool, disjoint masks after selection.
        kept: Whether each is the refiner's, rather than propagation's.
        outlined: (N, H, W) bool, the propagated masks with better outlines, disjoint.

    Returns:
        (N, H, W) bool, disjoint.

    Example:
        >>> refined = torch.tensor([[[1, 1, 0, 0]], [[0, 0, 1, 0]]]).bool()
        >>> outlined = torch.tensor([[[1, 0, 0, 0]], [[0, 1, 1, 1]]]).bool()
        >>> outlined_unless_kept(refined, [True, False], outlined).int().tolist()
        [[[1, 1, 0, 0]], [[0, 0, 1, 1]]]
    """
    keep = torch.tensor(kept, dtype=torch.bool, device=refined.device) & outlined.flatten(1).any(1)
    keep = keep[:, None, None]
    return torch.where(keep, refined, outlined & ~(refined & keep).any(0))
