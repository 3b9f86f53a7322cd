"""The refiner: each object's mask once more from its box, and the selection between the two masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hqtrack.cards import Overlap, RefinerSettings
from hqtrack.errors import InputError, require
from hqtrack.images import Image
from hqtrack.refinement.prompts import Clues, Prompted, Prompts
from hqtrack.refinement.report import ObjectRefinement, RefinementReport
from hqtrack.refinement.selection import boxes_of, select, without_overlap
from hqtrack.zoo import checked_weights


class MaskRefiner:
    """Refines the masks of a frame, encoding the frame once whatever the number of objects.

    Example:
        >>> masks, report = refiner.refine(frame, masks)  # doctest: +SKIP
        >>> print(report)  # doctest: +SKIP
        tau 0.1; 1: IoU 0.910, quality 0.950, kept; 2: not visible

    Args:
        network: Predicts masks from boxes and points.
        iou_threshold: Threshold tau: a refined mask is kept only where its IoU with the given one exceeds it.
        overlap: Who owns a pixel that two masks claim after selection. "lower-index": the lower object, as
            published. "as-propagated": the object that had it before, if it claims it
            still, else the lower one: what is in front of a larger object is not swallowed by it.
        mask_prompt: Whether the network is shown the propagated masks, besides their boxes.
    """

    def __init__(
        self,
        network: Prompted,
        *,
        iou_threshold: float = 0.1,
        overlap: Overlap = "lower-index",
        mask_prompt: bool = False,
    ) -> None:
        self._network = network
        self._mask_prompt = mask_prompt
        self._iou_threshold = iou_threshold
        self._overlap = overlap

    def refine(self, image: Image, masks: Tensor) -> tuple[Tensor, RefinementReport]:
        """Refine the masks of a frame.

        An object without pixels is not refined; where no object has any, the frame is not even encoded.

        Args:
            image: (H, W, 3) uint8 RGB.
            masks: (N, H, W) bool, one mask for each object; on any device.

        Returns:
            (N, H, W) bool on the device of `masks`: disjoint masks in the same order; and the report.

        Raises:
            InputError: Image and masks do not fit together.
        """
        if masks.ndim != 3 or masks.dtype != torch.bool or masks.shape[1:] != image.shape[:2]:
            raise InputError(
                f"masks must be (N, {image.shape[0]}, {image.shape[1]}) bool like the image, "
                f"not {tuple(masks.shape)} {str(masks.dtype).removeprefix('torch.')}"
            )
        visible: list[int] = masks.flatten(1).any(1).nonzero().flatten().tolist()
        objects = [ObjectRefinement(index + 1) for index in range(len(masks))]
        if not visible:
            return masks, RefinementReport(self._iou_threshold, tuple(objects))

        given = masks[visible]
        prompts = Prompts(boxes=boxes_of(given), masks=given if self._mask_prompt else None)
        refined, quality = self._network.decode(self._network.encode(image), prompts)
        selected, ious, kept = select(given, refined.to(masks.device), self._iou_threshold)
        qualities: list[float] = quality.tolist()
        result = masks.clone()
        result[visible] = without_overlap(selected, given if self._overlap == "as-propagated" else None)
        for entry in zip(visible, ious, qualities, kept, strict=True):
            objects[entry[0]] = ObjectRefinement(entry[0] + 1, *entry[1:])
        return result, RefinementReport(self._iou_threshold, tuple(objects))

    def masks_from_boxes(self, image: Image, boxes: npt.ArrayLike) -> Tensor:
        """Return a mask for each box.

        Args:
            image: (H, W, 3) uint8 RGB.
            boxes: (N, 4): x0, y0, x1, y1 in inclusive pixel coordinates.

        Returns:
            (N, H, W) bool; the masks may overlap.

        Raises:
            InputError: A box is not within the image, or its corners are in the wrong order.
        """
        corners = _coordinates(boxes, "boxes", "x0, y0, x1, y1", image)
        _check_corners(corners)
        return self._masks(image, Prompts(boxes=corners))

    def masks_from_points(self, image: Image, points: npt.ArrayLike) -> Tensor:
        """Return a mask for each point on an object.

        Args:
            image: (H, W, 3) uint8 RGB.
            points: (N, 2): x, y in pixel coordinates.

        Returns:
            (N, H, W) bool; the masks may overlap.

        Raises:
            InputError: A point is not within the image.
        """
        return self._masks(image, Prompts(points=_coordinates(points, "points", "x, y", image)[:, None]))

    def masks_from_clues(self, image: Image, clues: Sequence[Clues]) -> Tensor:
        """Return a mask for each object of which boxes and points are known, any number of each object's.

        Args:
            image: (H, W, 3) uint8 RGB.
            clues: Of at least one object; each with a box or a point on it.

        Returns:
            (N, H, W) bool; the masks may overlap.

        Raises:
            InputError: A box or point is not within the image, or an object has neither box nor point.
        """
        alike: dict[tuple[bool, bool, int], list[int]] = {}
        for index, clue in enumerate(clues):
            if clue.box is None and not clue.points:
                raise InputError("an object needs a box, or a point on it; background points are not enough")
            kind = clue.box is not None, clue.mask is not None, len(clue.points) + len(clue.beside)
            alike.setdefault(kind, []).append(index)
        embedding = self._network.encode(image)
        masks = torch.zeros(len(clues), *image.shape[:2], dtype=torch.bool)
        for (has_box, has_mask, count), indices in alike.items():
            group = [clues[index] for index in indices]
            boxes = points = on_object = None
            if has_box:
                given = [clue.box for clue in group if clue.box is not None]
                boxes = _coordinates(given, "boxes", "x0, y0, x1, y1", image)
                _check_corners(boxes)
            if count:
                every = [[*clue.points, *clue.beside] for clue in group]
                flat = _coordinates([point for one in every for point in one], "points", "x, y", image)
                points = flat.view(len(group), count, 2)
                on_object = torch.tensor([[i < len(clue.points) for i in range(count)] for clue in group])
            coarse = None
            if has_mask:
                coarse = torch.from_numpy(np.stack([clue.mask for clue in group if clue.mask is not None]))
            found = self._network.decode(embedding, Prompts(boxes, points, on_object, coarse)).masks
            masks[indices] = found.to(masks.device)
        return masks

    def _masks(self, image: Image, prompts: Prompts) -> Tensor:
        return self._network.decode(self._network.encode(image), prompts).masks


def build_refiner(
    settings: RefinerSettings,
    *,
    weights: Path | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> MaskRefiner:
    """Build the refiner that a card describes, with its weights.

    Args:
        settings: The card's refiner.
        weights: A checkpoint to use instead of the card's.
        device: Where it works.
        dtype: float32, or bfloat16 or float16 for mixed precision in the image encoder.

    Raises:
        WeightsError: The weights are missing, damaged, or of another kind.
    """
    path = checked_weights(settings.weights, weights)
    place = torch.device(device)
    network: Prompted
    if settings.kind == "light":
        from hqtrack.refinement.light import load_light

        network = load_light(path, device=place, dtype=dtype)
    elif settings.kind.startswith("sam2.1-"):
        require("transformers")
        from hqtrack.refinement.sam2 import load_sam2

        network = load_sam2(settings.kind, path, device=place, dtype=dtype)
    elif settings.library == "transformers":
        require("transformers")
        from hqtrack.refinement import transformers_sam

        network = transformers_sam.load_sam(settings.kind, path, device=place, dtype=dtype)
    else:
        require("segment_anything_hq")
        from hqtrack.refinement.sam import load_sam

        network = load_sam(settings.kind, path, device=place, dtype=dtype)
    return MaskRefiner(
        network,
        iou_threshold=settings.iou_threshold,
        overlap=settings.overlap,
        mask_prompt=settings.mask_prompt,
    )


def _check_corners(corners: Tensor) -> None:
    for x0, y0, x1, y1 in corners.tolist():
        if x0 > x1 or y0 > y1:
            raise InputError(
                f"the box ({x0:g}, {y0:g}, {x1:g}, {y1:g}) is empty; "
                "give x0, y0 (top left), x1, y1 (bottom right), not a width and height"
            )


def _coordinates(values: npt.ArrayLike, what: str, order: str, image: Image) -> Tensor:
    """Check prompts: (N, number of names in `order`), finite, within the image."""
    array = np.asarray(values, dtype=np.float64)
    columns = len(order.split(","))
    if array.ndim != 2 or array.shape[1] != columns or len(array) == 0:
        raise InputError(f"{what} must be one row of {order} for each object, not an array of {array.shape}")
    height, width = image.shape[:2]
    within = (array >= 0) & (array <= np.resize([width - 1, height - 1], columns))
    if not within.all():
        outside = array[int(np.argmin(within.all(axis=1)))].tolist()
        raise InputError(
            f"{outside} is not within the image: x must be 0 to {width - 1}, y 0 to {height - 1} ({order})"
        )
    return torch.from_numpy(array).float()
