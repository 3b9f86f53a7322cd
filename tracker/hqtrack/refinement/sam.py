"""SAM and HQ-SAM of segment-anything-hq, the library of the published system.

HQTrack's published copy of that library predicts the same: it only lacks TinyViT, and leaves `eval` to the
caller, which changes nothing in a ViT.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hqtrack.cards import RefinerKind
from hqtrack.refinement.attention import fuse_attention
from hqtrack.refinement.prompted_sam import Embedding, PromptedNetwork
from hqtrack.zoo.checkpoints import load_into, read_checkpoint

with warnings.catch_warnings():
    # The library imports timm under old names, and registers its TinyViT over timm's.
    warnings.filterwarnings("ignore", message="Importing from timm.models", category=FutureWarning)
    warnings.filterwarnings("ignore", message="Overwriting tiny_vit", category=UserWarning)
    from segment_anything_hq import sam_model_registry, sam_model_registry_baseline

_CLASSIFIER = ("image_encoder.head.", "image_encoder.norm_head.")
"""TinyViT's classifier, which SAM never calls; files have it or not."""


class PromptedSam(PromptedNetwork):
    """A SAM or HQ-SAM of the library; HQ-SAM's decoder adds the logits of its high-quality token itself.

    Args:
        network: A network of the library, with its weights. Its encoder's attention is replaced.
        device: Where it works.
        dtype: bfloat16 or float16 for the encoder's matrix products; all else stays float32.
    """

    network: Any

    def __init__(self, network: Any, *, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        fuse_attention(network.image_encoder)
        super().__init__(network, network.image_encoder.img_size, device=device, dtype=dtype)

    def embed(self, square: Tensor) -> tuple[Tensor, list[Tensor]]:
        """See `PromptedNetwork.embed`."""
        embedded, early = self.network.image_encoder(square)
        return embedded, early

    def predict(
        self, embedding: Embedding, boxes: Tensor | None, points: Tensor | None, on_object: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """See `PromptedNetwork.predict`."""
        labelled = None if points is None else (points, on_object)
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
        return logits, qualities


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
