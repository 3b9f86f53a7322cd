"""SAM 2.1's image model as a refiner, by the library `transformers`: it takes boxes, points and masks.

The checkpoint is that of the video model, of which only the parts for images are loaded.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import Sam2Config, Sam2ImageProcessor, Sam2Model

from hqtrack.cards import RefinerKind
from hqtrack.errors import WeightsError
from hqtrack.images import Image
from hqtrack.refinement.prompted_sam import in_batches, point_labels, scaled
from hqtrack.refinement.prompts import Prediction, Prompts, check_image
from hqtrack.zoo.checkpoints import load_into, read_checkpoint
from hqtrack.zoo.hiera import HIERAS, Hiera, configuration

MASK_LOGIT = 10.0
"""Of the pixels of a mask prompt, and its negative elsewhere, as SAM 2's video model takes given masks."""


class Sam2Embedding(NamedTuple):
    """What encoding a frame gives."""

    levels: list[Tensor]
    """Features from fine to coarse, (1, C, s, s) float32 each."""
    frame_size: tuple[int, int]
    """Height and width of the frame."""


class PromptedSam2:
    """SAM 2.1's image model, ready to use.

    Where a prompt is a single point, several masks are predicted, and the one with the highest predicted IoU
    is taken; a box, a mask or several points ask for one.

    Args:
        network: A `Sam2Model` with its weights.
        device: Where it works.
        dtype: bfloat16 or float16 for the encoder's matrix products; all else stays float32.
    """

    def __init__(
        self, network: Sam2Model, *, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> None:
        self.network: Any = network.to(device).eval().requires_grad_(False)
        self.device = device
        self.dtype = dtype
        self._side = int(network.config.prompt_encoder_config.image_size)
        self._prepare = Sam2ImageProcessor(size={"height": self._side, "width": self._side})

    @torch.no_grad()
    def encode(self, image: Image) -> Sam2Embedding:
        """Encode a frame, which is resized to a square.

        Args:
            image: (H, W, 3) uint8 RGB.

        Raises:
            InputError: The image has another shape or dtype.
        """
        check_image(image)
        square = self._prepare(images=np.ascontiguousarray(image), return_tensors="pt").pixel_values
        mixed = self.dtype != torch.float32
        with torch.autocast(self.device.type, self.dtype if mixed else None, enabled=mixed):
            levels = self.network.get_image_embeddings(square.to(self.device))
        return Sam2Embedding([level.float() for level in levels], (image.shape[0], image.shape[1]))

    @torch.no_grad()
    def decode(self, embedding: Sam2Embedding, prompts: Prompts) -> Prediction:
        """Predict one mask for each prompt, in batches.

        Args:
            embedding: From `encode`.
            prompts: Of at least one object; on any device.
        """
        return in_batches(prompts, partial(self._decode_batch, embedding))

    def _decode_batch(self, embedding: Sam2Embedding, prompts: Prompts) -> Prediction:
        count, square = prompts.count, (self._side, self._side)
        boxes = scaled(prompts.boxes, embedding.frame_size, square, self.device)
        points = scaled(prompts.points, embedding.frame_size, square, self.device)
        labels = point_labels(prompts, self.device)
        ambiguous = boxes is None and prompts.masks is None and points is not None and points.shape[1] == 1
        found = self.network(
            image_embeddings=[level.expand(count, -1, -1, -1) for level in embedding.levels],
            input_boxes=None if boxes is None else boxes[:, None],
            input_points=None if points is None else points[:, None],
            input_labels=None if labels is None else labels[:, None],
            input_masks=None if prompts.masks is None else self._mask_logits(prompts.masks),
            multimask_output=ambiguous,
        )
        quality, best = found.iou_scores[:, 0].max(dim=1)
        chosen = found.pred_masks[torch.arange(count, device=self.device), 0, best]
        masks = functional.interpolate(
            chosen[:, None], embedding.frame_size, mode="bilinear", align_corners=False
        )
        return Prediction(masks[:, 0] > 0, quality)

    def _mask_logits(self, masks: Tensor) -> Tensor:
        """Return mask prompts (N, H, W) bool as the network takes them: (N, 1, side / 4, side / 4)."""
        signs = torch.where(masks.to(self.device), MASK_LOGIT, -MASK_LOGIT)
        size = (self._side // 4, self._side // 4)
        return functional.interpolate(
            signs[:, None], size, mode="bilinear", align_corners=False, antialias=True
        )


def load_sam2(
    kind: RefinerKind, path: Path, *, device: torch.device, dtype: torch.dtype = torch.float32
) -> PromptedSam2:
    """Build a size of SAM 2.1 and load the checkpoint of the video model.

    Args:
        kind: Which network, as cards name it.
        path: A checkpoint of that kind.
        device: Where it works.
        dtype: bfloat16 or float16 for mixed precision.

    Raises:
        WeightsError: The file is missing, damaged, or of another kind; the message has the reason.
    """
    network = build_network(HIERAS[kind])
    wanted = set(network.state_dict())
    state = {key: value for key, value in read_checkpoint(path).items() if key in wanted}
    if not state:
        raise WeightsError(f"{path} has nothing of {kind}; get the file that the card names")
    load_into(network, kind, state, path)
    return PromptedSam2(network.float(), device=device, dtype=dtype)


def build_network(hiera: Hiera, *, image_size: int = 1024) -> Sam2Model:
    """Build the image model with an image encoder, without weights.

    Args:
        hiera: The image encoder.
        image_size: Side of the square network input in pixels, a multiple of 16; published weights need 1024.
    """
    video = configuration(hiera, image_size=image_size)
    return Sam2Model(
        Sam2Config(
            vision_config=video.vision_config,
            prompt_encoder_config=video.prompt_encoder_config,
            mask_decoder_config=video.mask_decoder_config,
        )
    )
