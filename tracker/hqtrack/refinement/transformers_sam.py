"""SAM and HQ-SAM of the library transformers, from the same published checkpoints.

segment-anything-hq is no longer maintained. Here the same weights run without it, with the same masks. The
library has no TinyViT.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import SamConfig, SamHQConfig, SamHQModel, SamModel

from hqtrack.cards import RefinerKind
from hqtrack.refinement.prompted_sam import Embedding, PromptedNetwork
from hqtrack.zoo.checkpoints import load_into, read_checkpoint

ENCODERS: Mapping[str, Mapping[str, Any]] = {
    "b": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12},
    "l": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16},
    "h": {"hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16},
}
"""Sizes of the ViTs; a quarter of the layers at a time ends with one that attends globally."""

_RENAMED = (
    (r"^image_encoder\.patch_embed\.proj\.", "vision_encoder.patch_embed.projection."),
    (r"^image_encoder\.neck\.0\.", "vision_encoder.neck.conv1."),
    (r"^image_encoder\.neck\.1\.", "vision_encoder.neck.layer_norm1."),
    (r"^image_encoder\.neck\.2\.", "vision_encoder.neck.conv2."),
    (r"^image_encoder\.neck\.3\.", "vision_encoder.neck.layer_norm2."),
    (r"^image_encoder\.blocks\.", "vision_encoder.layers."),
    (r"^image_encoder\.", "vision_encoder."),
    (
        r"^prompt_encoder\.pe_layer\.\w+$",
        "shared_image_embedding.positional_embedding",
    ),
    (r"^prompt_encoder\.point_embeddings\.", "prompt_encoder.point_embed."),
    (r"^prompt_encoder\.mask_downscaling\.0\.", "prompt_encoder.mask_embed.conv1."),
    (r"^prompt_encoder\.mask_downscaling\.1\.", "prompt_encoder.mask_embed.layer_norm1."),
    (r"^prompt_encoder\.mask_downscaling\.3\.", "prompt_encoder.mask_embed.conv2."),
    (r"^prompt_encoder\.mask_downscaling\.4\.", "prompt_encoder.mask_embed.layer_norm2."),
    (r"^prompt_encoder\.mask_downscaling\.6\.", "prompt_encoder.mask_embed.conv3."),
    (r"\.norm_final_attn\.", ".layer_norm_final_attn."),
    (r"(\.layers\.\d+)\.norm(\d)\.", r"\1.layer_norm\2."),
    (r"^mask_decoder\.output_upscaling\.0\.", "mask_decoder.upscale_conv1."),
    (r"^mask_decoder\.output_upscaling\.1\.", "mask_decoder.upscale_layer_norm."),
    (r"^mask_decoder\.output_upscaling\.3\.", "mask_decoder.upscale_conv2."),
    (r"^mask_decoder\.hf_token\.", "mask_decoder.hq_token."),
    (r"^mask_decoder\.hf_mlp\.", "mask_decoder.hq_mask_mlp."),
    (r"^mask_decoder\.compress_vit_feat\.0\.", "mask_decoder.compress_vit_conv1."),
    (r"^mask_decoder\.compress_vit_feat\.1\.", "mask_decoder.compress_vit_norm."),
    (r"^mask_decoder\.compress_vit_feat\.3\.", "mask_decoder.compress_vit_conv2."),
    (r"^mask_decoder\.embedding_encoder\.0\.", "mask_decoder.encoder_conv1."),
    (r"^mask_decoder\.embedding_encoder\.1\.", "mask_decoder.encoder_norm."),
    (r"^mask_decoder\.embedding_encoder\.3\.", "mask_decoder.encoder_conv2."),
    (r"^mask_decoder\.embedding_maskfeature\.0\.", "mask_decoder.mask_conv1."),
    (r"^mask_decoder\.embedding_maskfeature\.1\.", "mask_decoder.mask_norm."),
    (r"^mask_decoder\.embedding_maskfeature\.3\.", "mask_decoder.mask_conv2."),
    (r"(_mlps\.\d|_mlp|iou_prediction_head)\.layers\.0\.", r"\1.proj_in."),
    (r"(_mlps\.\d|_mlp|iou_prediction_head)\.layers\.1\.", r"\1.layers.0."),
    (r"(_mlps\.\d|_mlp|iou_prediction_head)\.layers\.2\.", r"\1.proj_out."),
)
"""Names of published parameters, and what the library calls them; in this order."""

_POSITIONS = "shared_image_embedding.positional_embedding"
_SHARED_POSITIONS = "prompt_encoder.shared_embedding.positional_embedding"
"""The library keeps the same numbers twice."""


class TransformersSam(PromptedNetwork):
    """A SAM or HQ-SAM of the library; HQ-SAM's decoder adds the logits of its high-quality token itself.

    Args:
        network: A `SamModel` or `SamHQModel` with its weights.
        device: Where it works.
        dtype: bfloat16 or float16 for the encoder's matrix products; all else stays float32.
    """

    network: Any

    def __init__(self, network: Any, *, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(network, network.config.vision_config.image_size, device=device, dtype=dtype)
        self._high_quality = isinstance(network, SamHQModel)
        if self._high_quality:
            _upscale_what_attention_found(network.mask_decoder)

    def embed(self, square: Tensor) -> tuple[Tensor, list[Tensor]]:
        """See `PromptedNetwork.embed`."""
        encoded = self.network.vision_encoder(square)
        return encoded.last_hidden_state, list(encoded.intermediate_embeddings) if self._high_quality else []

    def predict(
        self, embedding: Embedding, boxes: Tensor | None, points: Tensor | None, on_object: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """See `PromptedNetwork.predict`."""
        sparse, dense = self.network.prompt_encoder(
            input_points=None if points is None else points[None],
            input_labels=None if on_object is None else on_object[None],
            input_boxes=None if boxes is None else boxes[None],
            input_masks=None,
        )
        more = (
            {"hq_token_only": False, "intermediate_embeddings": embedding.early} if self._high_quality else {}
        )
        logits, qualities = self.network.mask_decoder(
            image_embeddings=embedding.image,
            image_positional_embeddings=self.network.get_image_wide_positional_embeddings(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
            **more,
        )
        return logits[0], qualities[0]


def _upscale_what_attention_found(decoder: nn.Module) -> None:
    """Have HQ-SAM's decoder upscale the features that its transformer returns.

    transformers 5.24 drops them, and upscales the image's features as they came in, with rows and columns
    exchanged. Where a later version upscales the right ones, they are replaced by themselves.
    """
    found: list[Tensor] = []

    def keep(_: nn.Module, __: Any, output: tuple[Tensor, Tensor]) -> None:
        found[:] = [output[1]]

    def replace(_: nn.Module, given: tuple[Tensor]) -> tuple[Tensor]:
        return (found.pop().flatten(0, 1).transpose(1, 2).reshape(given[0].shape),)

    decoder.get_submodule("transformer").register_forward_hook(keep)
    decoder.get_submodule("upscale_conv1").register_forward_pre_hook(replace)


def load_sam(
    kind: RefinerKind, path: Path, *, device: torch.device, dtype: torch.dtype = torch.float32
) -> TransformersSam:
    """Build a kind of SAM and load a published checkpoint, with the names of segment-anything-hq.

    Args:
        kind: Which network, as cards name it; with a ViT.
        path: A checkpoint of that kind.
        device: Where it works.
        dtype: bfloat16 or float16 for mixed precision.

    Raises:
        WeightsError: The file is missing, damaged, or of another kind; the message has the reason.
    """
    state = read_checkpoint(path)
    network = build_network(kind)
    load_into(network, kind, renamed(state), path)
    return TransformersSam(network.float(), device=device, dtype=dtype)


def build_network(kind: RefinerKind) -> nn.Module:
    """Build the library's network of a kind, without weights."""
    encoder = dict(ENCODERS[kind.rpartition("-")[2]])
    quarter = encoder["num_hidden_layers"] // 4
    encoder |= {
        "mlp_dim": 4 * encoder["hidden_size"],
        "global_attn_indexes": [quarter * part - 1 for part in range(1, 5)],
    }
    if not kind.startswith("hq-"):
        plain: nn.Module = SamModel(SamConfig(vision_config=encoder))
        return plain
    decoder = {"vit_dim": encoder["hidden_size"]}
    network: nn.Module = SamHQModel(SamHQConfig(vision_config=encoder, mask_decoder_config=decoder))
    return network


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a published state under the library's names.

    Example:
        >>> list(renamed({"image_encoder.blocks.3.norm1.weight": torch.ones(1)}))
        ['vision_encoder.layers.3.layer_norm1.weight']
    """
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        for published, ours in _RENAMED:
            name = re.sub(published, ours, name)
        found[name] = value
    if _POSITIONS in found:
        found[_SHARED_POSITIONS] = found[_POSITIONS]
    return found
