"""SAM and HQ-SAM: one expensive encoding of a frame, then cheap masks for any number of prompts.

Preparation and output follow `SamPredictor` of segment-anything-hq, whose masks these equal, but work on the
network's device and for all prompts at once. HQTrack's published copy of that library predicts the same: it
only lacks TinyViT, and leaves `eval` to the caller, which changes nothing in a ViT.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hqtrack.cards import RefinerKind
from hqtrack.images import Image
from hqtrack.refinement.attention import fuse_attention
from hqtrack.refinement.prompts import Prediction, Prompts, check_image
from hqtrack.zoo.checkpoints import load_into, read_checkpoint

with warnings.catch_warnings():
    # The library imports timm under old names, and registers its TinyViT over timm's.
    warnings.filterwarnings("ignore", message="Importing from timm.models", category=FutureWarning)
    warnings.filterwarnings("ignore", message="Overwriting tiny_vit", category=UserWarning)
    from segment_anything_hq import sam_model_registry, sam_model_registry_baseline

PROMPTS_AT_ONCE = 16
"""Prompts decoded in one batch: bounds memory, about 0.1 GB for each prompt."""

_CLASSIFIER = ("image_encoder.head.", "image_encoder.norm_head.")
"""TinyViT's classifier, which SAM never calls; files have it or not."""


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


class PromptedSam:
    """A SAM or HQ-SAM network that is ready to use.

    Of the masks that SAM predicts for one prompt, the one with the highest predicted IoU is taken. HQ-SAM's
    decoder does that itself, and adds the logits of its high-quality token to it.

    Args:
        network: A network of the library, with its weights. Its encoder's attention is replaced.
        device: Where it works.
        dtype: bfloat16 or float16 for the encoder's matrix products; all else stays float32.
    """

    def __init__(self, network: Any, *, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        fuse_attention(network.image_encoder)
        self.network: Any = network.to(device).eval().requires_grad_(False)
        self.device = device
        self.dtype = dtype
        self._side: int = network.image_encoder.img_size

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
        normalised = (resized - self.network.pixel_mean) / self.network.pixel_std
        square = functional.pad(normalised, (0, self._side - input_size[1], 0, self._side - input_size[0]))
        mixed = self.dtype != torch.float32
        with torch.autocast(self.device.type, self.dtype if mixed else None, enabled=mixed):
            embedded, early = self.network.image_encoder(square)
        return Embedding(embedded.float(), [features.float() for features in early], frame_size, input_size)

    @torch.no_grad()
    def decode(self, embedding: Embedding, prompts: Prompts) -> Prediction:
        """Predict one mask for each prompt, all in one batch (in chunks of `PROMPTS_AT_ONCE`).

        Args:
            embedding: From `encode`.
            prompts: Of at least one object; on any device. Masks are not looked at.
        """
        starts = range(0, prompts.count, PROMPTS_AT_ONCE)
        parts = [self._decode_chunk(embedding, prompts.part(s, s + PROMPTS_AT_ONCE)) for s in starts]
        return Prediction(
            torch.cat([part.masks for part in parts]), torch.cat([part.quality for part in parts])
        )

    def _decode_chunk(self, embedding: Embedding, prompts: Prompts) -> Prediction:
        boxes, points = (self._scaled(prompt, embedding) for prompt in (prompts.boxes, prompts.points))
        labelled = None
        if points is not None:
            on_object = torch.ones(points.shape[:2]) if prompts.on_object is None else prompts.on_object
            labelled = (points, on_object.to(self.device, torch.int))
        sparse, dense = self.network.prompt_encoder(points=labelled, boxes=boxes, masks=None)
        logits, qualities = self.network.mask_decoder(
            image_embeddings=embedding.image,
            image_pe=self.network.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
            hq_token_only=False,
            interm_embeddings=embedding.early,
        )
        quality, best = qualities.max(dim=1)
        chosen = logits[torch.arange(len(logits), device=self.device), best]
        return Prediction(self._to_frame(chosen, embedding) > self.network.mask_threshold, quality)

    def _to_frame(self, logits: Tensor, embedding: Embedding) -> Tensor:
        """Resize logits (N, 256, 256) to the frame's size: (N, H, W)."""
        square = functional.interpolate(
            logits[:, None], (self._side, self._side), mode="bilinear", align_corners=False
        )
        height, width = embedding.input_size
        cropped = square[..., :height, :width]
        resized = functional.interpolate(cropped, embedding.frame_size, mode="bilinear", align_corners=False)
        return resized[:, 0]

    def _scaled(self, prompt: Tensor | None, embedding: Embedding) -> Tensor | None:
        """Scale coordinates (…, 2 or 4) of the frame to those of the network's input."""
        if prompt is None:
            return None
        (height, width), (new_height, new_width) = embedding.frame_size, embedding.input_size
        scale = torch.tensor([new_width / width, new_height / height], device=self.device)
        return prompt.to(self.device, torch.float32) * scale.repeat(prompt.shape[-1] // 2)

    def _input_size(self, frame_size: tuple[int, int]) -> tuple[int, int]:
        """Return the size at which a frame's long edge fills the input; no side vanishes."""
        scale = self._side / max(frame_size)
        height, width = (max(int(side * scale + 0.5), 1) for side in frame_size)
        return height, width


def load_sam(
    kind: RefinerKind, path: Path, *, device: torch.device, dtype: torch.dtype = torch.float32
) -> PromptedSam:
    """Build a kind of SAM and load a published checkpoint.

    Args:
        kind: Which network, as cards name it.
        path: A checkpoint of that kind.
        device: Where it works.
        dtype: bfloat16 or float16 for mixed precision.

    Raises:
        WeightsError: The file is missing, damaged, or of another kind; the message has the reason.
    """
    state = read_checkpoint(path)
    network = build_network(kind)
    state = {key: value for key, value in state.items() if not key.startswith(_CLASSIFIER)}
    load_into(network, kind, state, path)
    return PromptedSam(network.float(), device=device, dtype=dtype)


def build_network(kind: RefinerKind) -> nn.Module:
    """Build the library's network of a kind, without weights and without the classifier of TinyViT."""
    high_quality = kind.startswith("hq-")
    registry = sam_model_registry if high_quality else sam_model_registry_baseline
    network: Any = registry[kind.removeprefix("hq-").removeprefix("sam-").replace("-", "_")]()
    if kind == "hq-sam-vit-tiny":
        network.image_encoder.head = network.image_encoder.norm_head = nn.Identity()
    built: nn.Module = network
    return built


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
