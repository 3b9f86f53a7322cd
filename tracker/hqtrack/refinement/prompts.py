"""What a refiner is asked and what it answers, whichever network it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor

from hqtrack.errors import InputError
from hqtrack.images import Image
from hqtrack.masks import Mask


@dataclass(frozen=True)
class Prompts:
    """Boxes, points or both for N objects, in pixels of the frame; all of them are given the same kinds."""

    boxes: Tensor | None = None
    """(N, 4): x0, y0, x1, y1, inclusive."""
    points: Tensor | None = None
    """(N, P, 2): x, y."""
    on_object: Tensor | None = None
    """(N, P) bool: whether a point is on the object, rather than in the background; None if all are."""
    masks: Tensor | None = None
    """(N, H, W) bool: coarse masks; only some networks take them, and only with boxes."""

    @property
    def count(self) -> int:
        """Number of objects."""
        given = self.boxes if self.boxes is not None else self.points
        return 0 if given is None else len(given)

    def signed_points(self, index: int) -> tuple[list[list[float]], list[list[float]]]:
        """Return the points on an object, and the background points."""
        if self.points is None:
            return [], []
        points: list[list[float]] = self.points[index].tolist()
        signs = [True] * len(points) if self.on_object is None else self.on_object[index].tolist()
        signed = list(zip(points, signs, strict=True))
        return [point for point, on in signed if on], [point for point, on in signed if not on]

    def part(self, start: int, end: int) -> Prompts:
        """Return the prompts of some of the objects."""
        every = (self.boxes, self.points, self.on_object, self.masks)
        return Prompts(*(None if each is None else each[start:end] for each in every))


class Prediction(NamedTuple):
    """Masks for N prompts."""

    masks: Tensor
    """(N, H, W) bool, at the frame's size."""
    quality: Tensor
    """(N,) float32: IoU with the true mask that the network predicts."""


class Prompted(Protocol):
    """A network that answers prompts on a frame, which is encoded once."""

    def encode(self, image: Image) -> Any:
        """Prepare a frame, (H, W, 3) uint8 RGB."""

    def decode(self, embedding: Any, prompts: Prompts) -> Prediction:
        """Predict one mask for each object, in batches of a bounded size."""


class Clues(NamedTuple):
    """A user's prompts for one object: a box, points on it, background points; in pixels of the frame."""

    box: Sequence[float] | None = None
    """x0, y0, x1, y1, inclusive."""
    points: Sequence[Sequence[float]] = ()
    """x, y each."""
    beside: Sequence[Sequence[float]] = ()
    """x, y each: not on the object."""
    mask: Mask | None = None
    """(H, W): what the object was taken for so far; with a box only, and not all networks look at it."""


def check_image(image: Image) -> None:
    """Check that an image is (H, W, 3) uint8 RGB with pixels.

    Raises:
        InputError: It has another shape or dtype.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise InputError(
            f"an image must be (H, W, 3) uint8 RGB, not {image.shape} {image.dtype}; convert it first"
        )
