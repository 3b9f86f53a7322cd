"""Small random networks of every engine: what they find is no sense, but depends on image and memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from hqtrack.engines import Start

POINTERS = 8
"""Frames whose object pointers the small networks of SAM 2's kind read, so that memories are full early."""

SMALL_VIT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "global_attn_indexes": [1],
    "window_size": 4,
    "pretrain_image_size": 56,
}
"""Settings of a small image encoder of SAM 3."""


def sensitive(model: Any) -> Any:
    """Have masks depend on memory: random weights call every object absent, and answer everything alike."""
    with torch.no_grad():
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(5.0)
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "backbone" not in name:
                parameter.mul_(2.0)
    return model.eval()


def small_sam2(side: int = 64, **settings: Any) -> Any:
    """Return a small `Sam2VideoModel` with a square input of so many pixels."""
    transformers = pytest.importorskip("transformers", reason="needs hqtrack[sam2]")
    from hqtrack.zoo.hiera import Hiera, configuration

    torch.manual_seed(3)
    small = Hiera(16, 1, (1, 1, 2, 1), (3, 3, 3), (4, 4, 4, 4), 4)
    config = configuration(small, image_size=side, memory_attention_num_layers=1, **settings)
    return sensitive(transformers.Sam2VideoModel(config))


def small_edgetam(**settings: Any) -> Any:
    """Return a small `EdgeTamVideoModel`; only its published image encoder has a configuration."""
    transformers = pytest.importorskip("transformers", reason="needs hqtrack[sam2]")
    pytest.importorskip("timm", reason="needs hqtrack[sam2]")
    from hqtrack.engines import edgetam

    torch.manual_seed(3)
    config = edgetam.configuration(image_size=128, latents=16, memory_attention_num_layers=1, **settings)
    return sensitive(transformers.EdgeTamVideoModel(config))


def small_sam3(**settings: Any) -> Any:
    """Return a small `Sam3TrackerVideoModel`."""
    transformers = pytest.importorskip("transformers", reason="needs hqtrack[sam2]")
    from hqtrack.engines import sam3

    torch.manual_seed(3)
    config = sam3.configuration(image_size=112, encoder=SMALL_VIT, memory_attention_num_layers=1, **settings)
    return sensitive(transformers.Sam3TrackerVideoModel(config))


def start_sam2(dtype: torch.dtype) -> Start:
    """Start SAM 2.1."""
    model = small_sam2(max_object_pointers_in_encoder=POINTERS)
    from hqtrack.engines import sam2

    return sam2.starter(model, device=torch.device("cpu"), dtype=dtype)


def start_dam(dtype: torch.dtype) -> Start:
    """Start SAM 2.1 with distractor-aware memory."""
    model = small_sam2(max_object_pointers_in_encoder=POINTERS)
    from hqtrack.engines import dam_sam2

    return dam_sam2.starter(model, device=torch.device("cpu"), dtype=dtype)


def start_edgetam(dtype: torch.dtype) -> Start:
    """Start EdgeTAM."""
    model = small_edgetam(max_object_pointers_in_encoder=POINTERS)
    from hqtrack.engines.sam2 import SAM2, starter_of

    return starter_of(SAM2, model, device=torch.device("cpu"), dtype=dtype)


def start_sam3(dtype: torch.dtype) -> Start:
    """Start SAM 3's tracker."""
    model = small_sam3(max_object_pointers_in_encoder=POINTERS)
    from hqtrack.engines import sam3

    return sam3.starter(model, device=torch.device("cpu"), dtype=dtype)


def start_cutie(dtype: torch.dtype) -> Start:
    """Start Cutie with memories that small frames fill early."""
    pytest.importorskip("cutie", reason="needs hqtrack[cutie]")
    from hqtrack.engines import cutie

    torch.manual_seed(2)
    config = cutie.configuration("cutie-small")
    config.mem_every = 2
    config.long_term.max_mem_frames, config.long_term.min_mem_frames = 3, 2
    config.long_term.num_prototypes = 16
    config.long_term.max_num_tokens, config.long_term.buffer_tokens = 48, 16
    return cutie.starter(cutie.build(config).eval(), config, device=torch.device("cpu"), dtype=dtype)


SMALL_ENGINES: dict[str, Callable[[torch.dtype], Start]] = {
    "sam2": start_sam2,
    "dam-sam2": start_dam,
    "edgetam": start_edgetam,
    "sam3-tracker": start_sam3,
    "cutie": start_cutie,
}
"""What starts each with random weights on the CPU, by the engine's name."""

CARD_OF = {
    "sam2": "sam2.1-tiny",
    "dam-sam2": "dam-sam2.1-large",
    "edgetam": "edgetam",
    "sam3-tracker": "sam3-tracker",
    "cutie": "cutie-small",
}
"""A card of each engine of another library."""
