"""SAM 2.1's networks by their image encoders, as the library `transformers` configures them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import Sam2VideoConfig


@dataclass(frozen=True)
class Hiera:
    """A size of SAM 2.1's image encoder, as its authors' configurations have it."""

    width: int
    """Channels of the first stage; each later stage has twice as many."""
    heads: int
    """Attention heads of the first stage."""
    blocks: tuple[int, int, int, int]
    global_attention: tuple[int, int, int]
    """Blocks that attend to the whole image."""
    windows: tuple[int, int, int, int]
    position_grid: int
    """Side of the learned positions before they are enlarged."""


HIERAS = {
    "sam2.1-hiera-tiny": Hiera(96, 1, (1, 2, 7, 2), (5, 7, 9), (8, 4, 14, 7), 7),
    "sam2.1-hiera-small": Hiera(96, 1, (1, 2, 11, 2), (7, 10, 13), (8, 4, 14, 7), 7),
    "sam2.1-hiera-base-plus": Hiera(112, 2, (2, 3, 16, 3), (12, 16, 20), (8, 4, 14, 7), 14),
    "sam2.1-hiera-large": Hiera(144, 2, (2, 6, 36, 4), (23, 33, 43), (8, 4, 16, 8), 7),
}
"""Networks by the name that a card's `network` gives."""


def configuration(hiera: Hiera, *, image_size: int = 1024, **settings: Any) -> Sam2VideoConfig:
    """Return the library's configuration of SAM 2.1 with an image encoder.

    Args:
        hiera: The image encoder.
        image_size: Side of the square network input in pixels, a multiple of 16; published weights need 1024.
        **settings: Further settings of `Sam2VideoConfig`, for smaller networks than the published.
    """
    widths = [hiera.width * 2**stage for stage in range(4)]
    grid = image_size // 16
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": hiera.width,
        "num_attention_heads": hiera.heads,
        "image_size": [image_size, image_size],
        "blocks_per_stage": list(hiera.blocks),
        "embed_dim_per_stage": widths,
        "num_attention_heads_per_stage": [hiera.heads * 2**stage for stage in range(4)],
        "window_size_per_stage": list(hiera.windows),
        "global_attention_blocks": list(hiera.global_attention),
        "window_positional_embedding_background_size": [hiera.position_grid, hiera.position_grid],
    }
    vision = {
        "model_type": "sam2_vision_model",
        "backbone_config": backbone,
        "backbone_channel_list": widths[::-1],
        "backbone_feature_sizes": [[4 * grid] * 2, [2 * grid] * 2, [grid] * 2],
    }
    config: Sam2VideoConfig = import_module("transformers").Sam2VideoConfig(
        image_size=image_size,
        memory_attention_rope_feat_sizes=[grid, grid],
        vision_config=vision,
        prompt_encoder_config={"image_size": image_size},
        **settings,
    )
    return config
