"""The tracker of SAM 3 as an engine, by the networks of the library `transformers` (extra `sam2`).

SAM 3 finds things by words and tracks them. Its tracker is SAM 2's, with SAM 3's image encoder before it.
Masks are given here, so that the detector is not needed.
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
    from transformers import Sam3TrackerVideoConfig, Sam3TrackerVideoModel

SAM3_NETWORK = "sam3-tracker"
"""The only network, as a card's `network` gives it."""


def load(card: Card, weights: Path | None, *, device: torch.device, dtype: torch.dtype) -> Start:
    """Load the tracker of SAM 3; see `hqtrack.engines.Load`."""
    require("transformers")
    if card.network != SAM3_NETWORK:
        raise CardError(
            f"network = {card.network!r}: the engine sam3-tracker has none; it has {SAM3_NETWORK}"
        )
    check_settings(card)
    path = checked_weights(card.weights, weights)
    model = model_with(
        import_module("transformers").Sam3TrackerVideoModel, configuration(), path, SAM3_NETWORK
    )
    compile_if_wanted(card, model.vision_encoder, device=device)
    return starter(model, device=device, dtype=dtype)


def starter(model: Sam3TrackerVideoModel, *, device: torch.device, dtype: torch.dtype) -> Start:
    """Return what starts a video with a model that has its weights."""
    return starter_of(SAM2, model, processor="Sam3ImageProcessor", device=device, dtype=dtype)


def configuration(
    *, image_size: int = 1008, encoder: dict[str, Any] | None = None, **settings: Any
) -> Sam3TrackerVideoConfig:
    """Return the library's configuration of SAM 3's tracker.

    Args:
        image_size: Side of the square network input in pixels, a multiple of 14; published weights need 1008.
        encoder: Settings of the image encoder, for smaller ones than the published.
        **settings: Further settings of `Sam3TrackerVideoConfig`.
    """
    library = import_module("transformers")
    vision = library.Sam3VisionConfig(backbone_config=library.Sam3ViTConfig(**(encoder or {})))
    config: Sam3TrackerVideoConfig = library.Sam3TrackerVideoConfig(
        vision_config=vision,
        prompt_encoder_config=library.Sam3TrackerVideoPromptEncoderConfig(),
        mask_decoder_config=library.Sam3TrackerVideoMaskDecoderConfig(),
        image_size=image_size,
        **settings,
    )
    return config
