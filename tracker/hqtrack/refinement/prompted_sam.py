"""What SAMs of every library have in common: one expensive encoding of a frame, then cheap masks for prompts.

Preparation and output follow `SamPredictor` of segment-anything-hq, whose masks these equal, but work on the
network's device and for all prompts at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hqtrack.images import Image
from hqtrack.refinement.prompts import Prediction, Prompts, check_image

PROMPTS_AT_ONCE = 16
"""Prompts decoded in one batch: bounds memory, about 0.1 GB for each prompt."""

PIXEL_MEAN = (123.675, 116.28, 103.53)
"""Of ImageNet's RGB values, 0 to 255; SAM's input is normalised by them,"""
PIXEL_DEVIATION = (58.395, 57.12, 57.375)
"""and by their standard deviation."""


class Embedding(NamedTuple):
    """What encoding a frame gives."""

    image: Tensor
    """(1, 256, 64, 64) float32."""
    early: list[Tensor]
    """Features of early blocks, each (1, 64, 64, C) float32; HQ-SAM's decoder reads the first."""
    frame_size: tuple[int, int]
    """Height and width of the frame."""
    input_size: tuple[int, int]
    """Height and width of the frame within the network's square input."""


class PromptedNetwork(ABC):
    """A SAM of some library that is ready to use.

    Of the masks that SAM predicts for one prompt, the one with the highest predicted IoU is taken.

    Args:
        network: With its weights.
        side: Height and width of its square input.
        device: Where it works.
        dtype: bfloat16 or float16 for the encoder's matrix products; all else stays float32.
    """

    def __init__(
        self, network: nn.Module, side: int, *, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> None:
        self.network: nn.Module = network.to(device).eval().requires_grad_(False)
        self.device = device
        self.dtype = dtype
        self._side = side
        self._mean = torch.tensor(PIXEL_MEAN, device=device)[:, None, None]
        self._deviation = torch.tensor(PIXEL_DEVIATION, device=device)[:, None, None]

    @abstractmethod
    def embed(self, square: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return features (1, 256, s, s) of a normalised input, and those of early blocks (1, s, s, C).

        Args:
            square: (1, 3, side, side) float32.
        """

    @abstractmethod
    def predict(
        self, embedding: Embedding, boxes: Tensor | None, points: Tensor | None, on_object: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return logits (N, K, 4s, 4s) and predicted IoU (N, K) of K masks for each of N prompts.

        Args:
            embedding: Of the frame.
            boxes: (N, 4) float32: x0, y0, x1, y1 in pixels of the input.
            points: (N, P, 2) float32: x, y in pixels of the input.
            on_object: (N, P) int: 1 for points on the object, 0 for others.
        """

    @torch.no_grad()
    def encode(self, image: Image) -> Embedding:
        """Encode a frame.

        Args:
            image: (H, W, 3) uint8 RGB.

        Raises:
            InputError: The image has another shape or dtype.
        """
        check_image(image)
        frame_size = (image.shape[0], image.shape[1])
        input_size = self._input_size(frame_size)
        frame = torch.from_numpy(np.ascontiguousarray(image)).to(self.device).permute(2, 0, 1)[None]
        resized = resize_as_pillow(frame, input_size)
        normalised = (resized - self._mean) / self._deviation
        square = functional.pad(normalised, (0, self._side - input_size[1], 0, self._side - input_size[0]))
        mixed = self.dtype != torch.float32
        with torch.autocast(self.device.type, self.dtype if mixed else None, enabled=mixed):
            embedded, early = self.embed(square)
        return Embedding(embedded.float(), [features.float() for features in early], frame_size, input_size)

    @torch.no_grad()
    def decode(self, embedding: Embedding, prompts: Prompts) -> Prediction:
        """Predict one mask for each prompt, in batches of `PROMPTS_AT_ONCE`.

        Args:
            embedding: From `encode`.
            prompts: Of at least one object; on any device. Masks are not looked at.
        """
        return in_batches(prompts, partial(self._decode_batch, embedding))

    def _decode_batch(self, embedding: Embedding, prompts: Prompts) -> Prediction:
        boxes = scaled(prompts.boxes, embedding.frame_size, embedding.input_size, self.device)
        points = scaled(prompts.points, embedding.frame_size, embedding.input_size, self.device)
        logits, qualities = self.predict(embedding, boxes, points, point_labels(prompts, self.device))
        quality, best = qualities.max(dim=1)
        chosen = logits[torch.arange(len(logits), device=self.device), best]
        return Prediction(self._to_frame(chosen, embedding) > 0, quality)

    def _to_frame(self, logits: Tensor, embedding: Embedding) -> Tensor:
        """Resize logits (N, 256, 256) to the frame's size: (N, H, W)."""
        square = functional.interpolate(
            logits[:, None], (self._side, self._side), mode="bilinear", align_corners=False
        )
        height, width = embedding.input_size
        cropped = square[..., :height, :width]
        resized = functional.interpolate(cropped, embedding.frame_size, mode="bilinear", align_corners=False)
        return resized[:, 0]

    def _input_size(self, frame_size: tuple[int, int]) -> tuple[int, int]:
        """Return the size at which a frame's long edge fills the input; no side vanishes."""
        scale = self._side / max(frame_size)
        height, width = (max(int(side * scale + 0.5), 1) for side in frame_size)
        return height, width


def in_batches(prompts: Prompts, decode: Callable[[Prompts], Prediction]) -> Prediction:
    """Return what is predicted for all prompts, `PROMPTS_AT_ONCE` at a time."""
    starts = range(0, prompts.count, PROMPTS_AT_ONCE)
    parts = [decode(prompts.part(start, start + PROMPTS_AT_ONCE)) for start in starts]
    return Prediction(torch.cat([part.masks for part in parts]), torch.cat([part.quality for part in parts]))


def scaled(
    coordinates: Tensor | None, frame_size: tuple[int, int], input_size: tuple[int, int], device: torch.device
) -> Tensor | None:
    """Return coordinates of the frame as coordinates of the network's input, in float32 on a device.

    Args:
        coordinates: (…, 2 or 4): x and y in turns, in pixels of the frame; or None, which is returned.
        frame_size: Height and width of the frame.
        input_size: Height and width of the frame within the input.
        device: Of the result.
    """
    if coordinates is None:
        return None
    (height, width), (new_height, new_width) = frame_size, input_size
    scale = torch.tensor([new_width / width, new_height / height], device=device)
    return coordinates.to(device, torch.float32) * scale.repeat(coordinates.shape[-1] // 2)


def point_labels(prompts: Prompts, device: torch.device) -> Tensor | None:
    """Return (N, P) int on a device: 1 for points on the object, 0 for others; None without points."""
    if prompts.points is None:
        return None
    on_object = torch.ones(prompts.points.shape[:2]) if prompts.on_object is None else prompts.on_object
    return on_object.to(device, torch.int)


def resize_as_pillow(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize an image as Pillow's bilinear filter does, on any device.

    Pillow resizes along the width, rounds to whole grey levels (halves up), then
    resizes along the height and rounds again. What is left differs by one level, in few pixels.

    Args:
        image: (1, 3, H, W) uint8.
        size: Height and width to resize to.

    Returns:
        (1, 3, *size) float32 of whole numbers, 0 to 255.
    """
    resized = image.float()
    for step in ((image.shape[2], size[1]), size):
        if resized.shape[2:] != step:
            exact = functional.interpolate(
                resized, step, mode="bilinear", align_corners=False, antialias=True
            )
            resized = (exact + 0.5).floor_()
    return resized
