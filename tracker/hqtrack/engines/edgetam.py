"""EdgeTAM as an engine, by the networks of the library `transformers` (extra `sam2`).

EdgeTAM (arXiv 2501.07256) is SAM 2 for small devices: another image encoder, and memories of 512 tokens a
frame. It remembers what SAM 2 does.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from hqtrack.cards import Card
from hqtrack.engines.compiling import compile_if_wanted
from hqtrack.engines.engine import Start, check_settings
from hqtrack.engines.sam2 import SAM2, model_with, starter_of
from hqtrack.errors import CardError, require
from hqtrack.zoo import checked_weights

if TYPE_CHECKING:
    from transformers import EdgeTamVideoConfig

EDGETAM_NETWORK = "edgetam"
"""The only network, as a card's `network` gives it."""


def load(card: Card, weights: Path | None, *, device: torch.device, dtype: torch.dtype) -> Start:
    """Load EdgeTAM; see `hqtrack.engines.Load`."""
    require("transformers")
    require("timm")
    if card.network != EDGETAM_NETWORK:
        raise CardError(f"network = {card.network!r}: the engine edgetam has none; it has {EDGETAM_NETWORK}")
    check_settings(card)
    path = checked_weights(card.weights, weights)
    model = model_with(
        import_module("transformers").EdgeTamVideoModel, configuration(), path, EDGETAM_NETWORK
    )
    compile_if_wanted(card, model.vision_encoder, device=device)
    return starter_of(SAM2, model, device=device, dtype=dtype)


def configuration(
    *, image_size: int = 1024, latents: int = 256, encoder: str = "repvit_m1", **settings: Any
) -> EdgeTamVideoConfig:
    """Return the library's configuration of EdgeTAM.

    Args:
        image_size: Side of the square network input in pixels, a multiple of 32; published weights need 1024.
        latents: Tokens of a frame's memory, once without places and once on a grid: a square number.
        encoder: The image encoder, as timm names it.
        **settings: Further settings of `EdgeTamVideoConfig`, for smaller networks than the published.
    """
    library = import_module("transformers")
    grid, side = image_size // 16, round(latents**0.5)
    backbone = library.TimmWrapperConfig(
        architecture=encoder,
        model_args={"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
    )
    vision = library.EdgeTamVisionConfig(
        backbone_config=backbone, backbone_feature_sizes=[[4 * grid] * 2, [2 * grid] * 2, [grid] * 2]
    )
    config: EdgeTamVideoConfig = library.EdgeTamVideoConfig(
        vision_config=vision,
        image_size=image_size,
        prompt_encoder_config={"image_size": image_size},
        memory_attention_rope_feat_sizes=[grid, grid],
        memory_attention_rope_k_sizes=[side, side],
        perceiver_resampler_num_latents=latents,
        perceiver_resampler_num_latents_2d=latents,
        **settings,
    )
    return config
