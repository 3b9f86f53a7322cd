"""Masks for prompts, against the library's predictor called box by box as HQTrack was published."""

import copy
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hqtrack.cards import RefinerSettings, Weights
from hqtrack.refinement import prompted_sam
from hqtrack.refinement.prompted_sam import resize_as_pillow
from hqtrack.refinement.prompts import Prompts
from hqtrack.refinement.sam import PromptedSam, build_network

from segment_anything_hq import SamPredictor  # isort: skip

pytest.importorskip("transformers")
from transformers import SamConfig, SamHQConfig, SamHQModel, SamModel

from hqtrack.refinement import transformers_sam
from hqtrack.refinement.transformers_sam import TransformersSam, renamed

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


def best(prediction: tuple[np.ndarray, np.ndarray, np.ndarray]) -> tuple[torch.Tensor, float]:
    """Take the mask with the highest predicted IoU, as published."""
    masks, quality, _ = prediction
    index = int(np.argmax(quality))
    return torch.from_numpy(masks[index]), float(quality[index])


def error(values: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the root mean square error in units of the expected values' standard deviation."""
    return float((values - expected).square().mean().sqrt() / expected.std())


def boxes_for(height: int, width: int) -> torch.Tensor:
    """Return boxes: the whole frame, at two borders, in the middle, of one pixel in the last corner."""
    right, bottom = width - 1, height - 1
    return torch.tensor(
        [
            [0, 0, right, bottom],
            [0, height // 3, width // 4, bottom],
            [width // 4, height // 4, width // 2, height // 2],
            [right, bottom, right, bottom],
        ]
    )


def assert_as_the_library(network: Any, image: np.ndarray, boxes: torch.Tensor, points: torch.Tensor) -> None:
    ours = PromptedSam(copy.deepcopy(network), device=CPU)
    library = SamPredictor(network)
    library.set_image(image)
    embedding = ours.encode(image)
    assert error(embedding.image, library.features) < 1e-3
    by_box = [best(library.predict(box=box.numpy())) for box in boxes]
    by_point = [
        best(library.predict(point_coords=point.numpy()[None], point_labels=np.array([1])))
        for point in points
    ]
    for prompts, expected in ((Prompts(boxes=boxes), by_box), (Prompts(points=points[:, None]), by_point)):
        masks, quality = ours.decode(embedding, prompts)
        assert masks.shape == (len(expected), *image.shape[:2])
        for mask, predicted, (want, want_quality) in zip(masks, quality, expected, strict=True):
            assert (mask == want).float().mean() >= 0.999
            assert float(predicted) == pytest.approx(want_quality, abs=1e-4)
    assert len({round(quality, 4) for _, quality in by_box}) == len(by_box)  # prompts make a difference


@pytest.mark.parametrize("size", [(20, 31), (360, 640), (1200, 700)])
def test_light_hq_sam_predicts_what_the_library_predicts_box_by_box(light_network, picture, size):
    image = picture(*size)
    assert_as_the_library(
        light_network, image, boxes_for(*size), torch.tensor([[size[1] // 2, size[0] // 3]])
    )


def test_vit_with_either_decoder_predicts_what_the_library_predicts_box_by_box(
    one_block_network_of_full_side, picture
):
    points = torch.tensor([[100.0, 80.0], [0.0, 239.0]])
    assert_as_the_library(one_block_network_of_full_side, picture(240, 427), boxes_for(240, 427), points)


def test_the_image_matters_to_the_embedding_far_more_than_the_tolerance(one_block_network, picture):
    ours = PromptedSam(copy.deepcopy(one_block_network), device=CPU)
    first, second = ours.encode(picture(64, 64)).image, ours.encode(picture(64, 64, seed=1)).image
    assert error(first, second) > 0.1


@pytest.mark.parametrize("size", [(1, 3000), (3000, 1)])
def test_a_frame_of_one_row_or_column_keeps_that_row(one_block_network, size):
    ours = PromptedSam(copy.deepcopy(one_block_network), device=CPU)
    embedding = ours.encode(np.full((*size, 3), 128, np.uint8))
    assert min(embedding.input_size) == 1
    masks, _ = ours.decode(embedding, Prompts(boxes=torch.tensor([[0, 0, size[1] - 1, size[0] - 1]])))
    assert masks.shape == (1, *size)


def test_many_prompts_are_decoded_in_chunks_of_bounded_size(one_block_network, picture, monkeypatch):
    ours = PromptedSam(copy.deepcopy(one_block_network), device=CPU)
    sizes: list[int] = []
    ours.network.mask_decoder.register_forward_hook(lambda _, __, output: sizes.append(len(output[0])))
    embedding, boxes = ours.encode(picture(60, 80)), boxes_for(60, 80).repeat(2, 1)[:7]
    whole = ours.decode(embedding, Prompts(boxes=boxes))
    assert sizes == [7]
    monkeypatch.setattr(prompted_sam, "PROMPTS_AT_ONCE", 3)
    chunked = ours.decode(embedding, Prompts(boxes=boxes))
    assert sizes == [7, 3, 3, 1]
    assert (whole.masks == chunked.masks).float().mean() >= 0.999
    assert torch.allclose(whole.quality, chunked.quality, atol=1e-5)


@pytest.mark.parametrize(
    ("frame_size", "size"),
    [
        ((1080, 608), (1024, 576)),
        ((55, 640), (88, 1024)),
        ((48, 48), (1024, 1024)),
        ((240, 427), (576, 1024)),
    ],
)
def test_resizing_a_frame_equals_pillow_but_for_rounding(frame_size, size):
    noise = np.random.default_rng(3).integers(0, 256, (*frame_size, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(noise).resize(size[::-1], Image.Resampling.BILINEAR))
    resized = resize_as_pillow(torch.from_numpy(noise).permute(2, 0, 1)[None], size)
    difference = np.abs(resized[0].permute(1, 2, 0).numpy() - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.03


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 2e-2), (torch.float16, 2e-3)])
def test_mixed_precision_predicts_what_float32_predicts(one_block_network, picture, dtype, tolerance):
    image, prompts = picture(120, 160), Prompts(boxes=boxes_for(120, 160))
    full = PromptedSam(copy.deepcopy(one_block_network), device=CPU)
    mixed = PromptedSam(copy.deepcopy(one_block_network), device=CPU, dtype=dtype)
    expected, embedding = full.encode(image), mixed.encode(image)
    assert embedding.image.dtype == torch.float32
    assert 0 < error(embedding.image, expected.image) < tolerance
    want, got = full.decode(expected, prompts), mixed.decode(embedding, prompts)
    assert (want.masks == got.masks).float().mean() >= 0.99
    assert torch.allclose(want.quality, got.quality, atol=tolerance)


def test_importing_says_nothing():
    run = subprocess.run(
        [sys.executable, "-W", "default", "-c", "import hqtrack.refinement"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == ""
    assert "timm" not in run.stderr


def test_transformers_predicts_the_same_from_the_same_checkpoint(one_block_network, picture, tmp_path):
    high_quality = hasattr(one_block_network.mask_decoder, "hf_token")
    encoder = {
        "image_size": 256,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "mlp_dim": 128,
        "global_attn_indexes": [1],
    }
    prompts = {"image_size": 256}
    if high_quality:
        decoder = {"vit_dim": 32}
        network = SamHQModel(
            SamHQConfig(vision_config=encoder, prompt_encoder_config=prompts, mask_decoder_config=decoder)
        )
    else:
        network = SamModel(SamConfig(vision_config=encoder, prompt_encoder_config=prompts))
    state = renamed(one_block_network.state_dict())
    assert set(state) == set(network.state_dict())
    network.load_state_dict(state)
    ours = PromptedSam(copy.deepcopy(one_block_network), device=CPU)
    theirs = TransformersSam(network, device=CPU)
    image = picture(60, 107)
    first, second = ours.encode(image), theirs.encode(image)
    assert error(second.image, first.image) < 1e-3
    points = torch.tensor([[[25.0, 20.0], [0.0, 59.0]], [[75.0, 5.0], [1.0, 1.0]]])
    negative = torch.tensor([[True, False], [True, True]])
    for prompts in (Prompts(boxes=boxes_for(60, 107)), Prompts(points=points, on_object=negative)):
        want, got = ours.decode(first, prompts), theirs.decode(first, prompts)
        assert (want.masks == got.masks).float().mean() >= 0.999
        assert (want.masks == theirs.decode(second, prompts).masks).float().mean() >= 0.999
        assert torch.allclose(want.quality, got.quality, atol=1e-4)
        assert len(want.quality.unique()) > 1


@pytest.mark.parametrize("kind", ["hq-sam-vit-b", "sam-vit-b", "hq-sam-vit-l", "sam-vit-h"])
def test_transformers_networks_hold_just_the_parameters_of_published_checkpoints(kind):
    with torch.device("meta"):
        published = build_network(kind).state_dict()
        network = transformers_sam.build_network(kind).state_dict()
    state = renamed(published)
    assert {name: value.shape for name, value in state.items()} == {
        name: value.shape for name, value in network.items()
    }


def test_a_card_that_wants_tiny_vit_of_transformers_is_refused():
    weights = Weights(file="sam.pth", origin="published", url="https://example.org/sam.pth")
    with pytest.raises(ValueError, match="transformers"):
        RefinerSettings(kind="hq-sam-vit-tiny", weights=weights, library="transformers")
