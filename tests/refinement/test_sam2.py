"""SAM 2.1's image model as a refiner, against the library's own model and processor, prompt by prompt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

pytest.importorskip("transformers", reason="needs hqtrack[sam2]")
import transformers

from hqtrack.cards import RefinerSettings, Weights
from hqtrack.errors import WeightsError
from hqtrack.refinement import MaskRefiner, prompted_sam, sam2
from hqtrack.refinement.prompts import Prompts
from hqtrack.refinement.sam2 import PromptedSam2, build_network, load_sam2
from hqtrack.zoo.hiera import HIERAS, Hiera, configuration

SMALL = Hiera(16, 1, (1, 1, 2, 1), (3, 3, 3), (4, 4, 4, 4), 4)
SIDE = 64
CPU = torch.device("cpu")
SIZE = (48, 80)


@pytest.fixture(scope="module")
def network() -> transformers.Sam2Model:
    torch.manual_seed(3)
    return build_network(SMALL, image_size=SIDE).eval()


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)


@torch.no_grad()
def library(network: transformers.Sam2Model, image: np.ndarray, **prompts: object) -> torch.Tensor:
    """Return the mask of one prompt as the library's documentation gets it."""
    prepare = transformers.Sam2ImageProcessor(size={"height": SIDE, "width": SIDE})
    processor = transformers.Sam2Processor(prepare, target_size=SIDE)
    inputs = processor(images=image, return_tensors="pt", **prompts)
    several = "input_boxes" not in prompts and len(prompts["input_points"][0][0]) == 1
    found = network(**inputs, multimask_output=several)
    best = int(found.iou_scores[0, 0].argmax())
    masks = processor.post_process_masks(found.pred_masks, inputs["original_sizes"])[0]
    return masks[0, best]


def test_masks_of_boxes_and_points_are_the_librarys(
    network: transformers.Sam2Model, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompted_sam, "PROMPTS_AT_ONCE", 2)
    ours = PromptedSam2(network, device=CPU)
    embedding = ours.encode(image)
    boxes = torch.tensor([[0, 0, 79, 47], [10, 5, 40, 30], [70, 40, 79, 47]])
    points = torch.tensor([[[12.0, 30.0]], [[60.0, 3.0]]])
    pairs = torch.tensor([[[12.0, 30.0], [60.0, 3.0]]])
    signs = torch.tensor([[True, False]])
    asked = [
        (Prompts(boxes=boxes), [{"input_boxes": [[box.tolist()]]} for box in boxes]),
        (
            Prompts(points=points),
            [{"input_points": [[each.tolist()]], "input_labels": [[[1]]]} for each in points],
        ),
        (
            Prompts(points=pairs, on_object=signs),
            [{"input_points": [pairs.tolist()[0:1]], "input_labels": [[[1, 0]]]}],
        ),
    ]
    for prompts, alone in asked:
        found = ours.decode(embedding, prompts)
        assert found.masks.shape == (len(alone), *SIZE)
        assert found.quality.shape == (len(alone),)
        for mask, prompt in zip(found.masks, alone, strict=True):
            assert (mask == library(network, image, **prompt)).float().mean() >= 0.999


def test_a_mask_prompt_matters_and_is_taken_for_each_object(
    network: transformers.Sam2Model, image: np.ndarray
) -> None:
    ours = PromptedSam2(network, device=CPU)
    embedding = ours.encode(image)
    masks = torch.zeros(3, *SIZE, dtype=torch.bool)
    masks[0, 5:30, 10:40], masks[1, 10:20, 20:30], masks[2] = True, True, True
    boxes = torch.tensor([[10, 5, 40, 30]] * 3)
    together = ours.decode(embedding, Prompts(boxes=boxes, masks=masks)).quality
    alone = [
        ours.decode(embedding, Prompts(boxes=boxes[:1], masks=mask[None])).quality.item() for mask in masks
    ]
    assert together.tolist() == pytest.approx(alone, abs=1e-5)
    assert len({round(each, 5) for each in alone}) == 3
    refined, report = MaskRefiner(ours, mask_prompt=True).refine(image, masks[:2])
    assert refined.shape == (2, *SIZE)
    assert len(report.objects) == 2


def test_the_checkpoint_of_the_video_model_is_read(
    tmp_path: Path, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HIERAS, "sam2.1-hiera-tiny", SMALL)  # type: ignore[misc]
    monkeypatch.setattr(sam2, "build_network", lambda hiera: build_network(hiera, image_size=SIDE))
    video = transformers.Sam2VideoModel(configuration(SMALL, image_size=SIDE, memory_attention_num_layers=1))
    save_file(video.state_dict(), tmp_path / "video.safetensors")
    loaded = load_sam2("sam2.1-hiera-tiny", tmp_path / "video.safetensors", device=CPU)
    for name, value in loaded.network.state_dict().items():
        assert torch.equal(value, video.state_dict()[name]), name
    assert loaded.decode(loaded.encode(image), Prompts(boxes=torch.tensor([[1, 2, 30, 40]]))).masks.any()

    save_file({"other.weight": torch.ones(2)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"nothing of sam2\.1-hiera-tiny"):
        load_sam2("sam2.1-hiera-tiny", tmp_path / "other.safetensors", device=CPU)


def test_a_card_may_show_it_the_propagated_masks() -> None:
    weights = Weights(file="sam2.safetensors", origin="published", url="https://example.org/sam2.safetensors")
    assert RefinerSettings(kind="sam2.1-hiera-tiny", weights=weights, mask_prompt=True).mask_prompt
