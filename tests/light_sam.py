"""Real networks with formula weights; the light HQ-SAM is built once for all tests here."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from formula_weights import formula_state_dict
from hqtrack.refinement import MaskRefiner
from hqtrack.refinement.sam import PromptedSam, build_network

# after ours, which silences what the library says when it is imported
from segment_anything_hq.modeling import (  # isort: skip
    ImageEncoderViT,
    MaskDecoder,
    MaskDecoderHQ,
    PromptEncoder,
    Sam,
    TinyViT,
    TwoWayTransformer,
)


Picture = Callable[..., np.ndarray]


@pytest.fixture(scope="session")
def picture() -> Picture:
    """Return a function that makes frames of smooth coloured patches."""

    def make(height: int, width: int, seed: int = 0) -> np.ndarray:
        patches = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
        return cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC)

    return make


class Calls:
    """Counts how often an image encoder and a mask decoder work, whoever owns them."""

    encoded = 0
    decoded = 0

    def count(self, module: nn.Module, *_: Any) -> None:
        self.encoded += isinstance(module, TinyViT)
        self.decoded += isinstance(module, MaskDecoderHQ)


@pytest.fixture(scope="session")
def light_network() -> Any:
    """Return the library's light HQ-SAM as the library has it, with formula weights."""
    network = build_network("hq-sam-vit-tiny")
    network.load_state_dict(formula_state_dict(network.state_dict()))
    return network.eval()


@pytest.fixture(scope="session")
def light_sam(light_network: Any) -> PromptedSam:
    return PromptedSam(copy.deepcopy(light_network), device=torch.device("cpu"))


@pytest.fixture
def refiner(light_sam: PromptedSam) -> MaskRefiner:
    return MaskRefiner(light_sam, iou_threshold=0.1)


@pytest.fixture
def calls() -> Iterator[Calls]:
    calls = Calls()
    hook = register_module_forward_hook(calls.count)
    yield calls
    hook.remove()


@pytest.fixture(scope="session")
def light_checkpoint(light_network: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of the light HQ-SAM in the published form: a bare state dict."""
    path = tmp_path_factory.mktemp("weights") / "sam_hq_vit_tiny.pth"
    torch.save(light_network.state_dict(), path)
    return path


@pytest.fixture(scope="session", params=["hq-sam", "sam"])
def one_block_network(request: pytest.FixtureRequest) -> Any:
    """Return HQ-SAM or SAM with a small ViT and input: half precision is slow on older processors."""
    return small_vit(request.param, 256)


@pytest.fixture(scope="session", params=["hq-sam", "sam"])
def one_block_network_of_full_side(request: pytest.FixtureRequest) -> Any:
    """Return HQ-SAM or SAM with a small ViT and the published input."""
    return small_vit(request.param, 1024)


def small_vit(kind: str, side: int) -> Any:
    """Return a SAM with its full decoder and a small ViT: one windowed block, one global block."""
    high_quality = kind == "hq-sam"
    decoder: dict[str, Any] = {
        "num_multimask_outputs": 3,
        "transformer": TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8),
        "transformer_dim": 256,
    }
    encoder = ImageEncoderViT(
        img_size=side,
        embed_dim=32,
        depth=2,
        num_heads=2,
        out_chans=256,
        use_rel_pos=True,
        window_size=14,
        global_attn_indexes=(1,),
    )
    network = Sam(
        encoder,
        PromptEncoder(256, (side // 16, side // 16), (side, side), 16),
        MaskDecoderHQ(**decoder, vit_dim=32) if high_quality else MaskDecoder(**decoder),
    )
    network.load_state_dict(formula_state_dict(network.state_dict()))
    return network.eval()
