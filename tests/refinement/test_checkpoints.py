"""Checkpoint files of SAM: which load, and what is said of those that do not."""

from pathlib import Path

import pytest
import torch

from hqtrack.cards import RefinerSettings, Weights
from hqtrack.errors import WeightsError
from hqtrack.refinement import build_refiner
from hqtrack.refinement.attention import BiasedAttention
from hqtrack.refinement.sam import build_network, load_sam

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


def test_missing_weights_come_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("HQTRACK_CACHE", str(tmp_path))
    weights = Weights(
        name="hq-sam-vit-h", file="sam_hq_vit_h.pth", origin="published", page="https://example.org/hq-sam"
    )
    with pytest.raises(WeightsError, match=r"sam_hq_vit_h\.pth.* missing.*https://example\.org/hq-sam"):
        build_refiner(RefinerSettings(kind="hq-sam-vit-h", weights=weights))


def test_a_checkpoint_of_another_encoder_is_named_with_what_was_expected(light_checkpoint):
    words = r"hq-sam-vit-b \(HQ-SAM with ViT-B\): it looks like HQ-SAM with ViT-Tiny"
    with pytest.raises(WeightsError, match=words):
        load_sam("hq-sam-vit-b", light_checkpoint, device=CPU)


def test_sam_is_told_from_hq_sam(light_network, tmp_path):
    path = tmp_path / "mobile_sam.pth"
    high_quality = ("hf_", "compress_vit_feat", "embedding_encoder", "embedding_maskfeature")
    state = light_network.state_dict()
    torch.save({key: state[key] for key in state if not any(part in key for part in high_quality)}, path)
    words = r"hq-sam-vit-tiny \(HQ-SAM with ViT-Tiny\): it looks like SAM with ViT-Tiny"
    with pytest.raises(WeightsError, match=words):
        load_sam("hq-sam-vit-tiny", path, device=CPU)


def test_a_file_that_is_no_checkpoint_is_named(tmp_path):
    path = tmp_path / "sam_hq_vit_tiny.pth"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(WeightsError, match=r"sam_hq_vit_tiny\.pth"):
        load_sam("hq-sam-vit-tiny", path, device=CPU)


def test_tiny_vit_loads_with_and_without_the_classifier_that_nobody_calls(light_network, tmp_path):
    state = dict(light_network.state_dict())
    state["image_encoder.head.weight"] = torch.zeros(1000, 320)
    state["image_encoder.norm_head.weight"] = torch.zeros(320)
    path = tmp_path / "with_head.pth"
    torch.save(state, path)
    loaded = load_sam("hq-sam-vit-tiny", path, device=CPU).network.state_dict()
    assert loaded.keys() == light_network.state_dict().keys()
    assert all(torch.equal(loaded[key], value) for key, value in light_network.state_dict().items())


def test_tiny_vit_works_with_the_attention_biases_of_the_file(light_checkpoint: Path):
    """The library keeps those of the untrained network until it is told to evaluate once more."""
    network = load_sam("hq-sam-vit-tiny", light_checkpoint, device=CPU).network
    attentions = [part for part in network.modules() if isinstance(part, BiasedAttention)]
    assert len(attentions) == 10
    for attention in attentions:
        assert attention.bias.abs().max() > 0
        assert set(attention.bias[0].unique().tolist()) == set(attention.attention_biases[0].tolist())


@pytest.mark.parametrize(
    ("kind", "width", "high_quality"),
    [
        ("hq-sam-vit-b", 768, True),
        ("hq-sam-vit-l", 1024, True),
        ("hq-sam-vit-h", 1280, True),
        ("sam-vit-b", 768, False),
        ("sam-vit-l", 1024, False),
        ("sam-vit-h", 1280, False),
    ],
)
def test_kinds_are_the_networks_of_their_names(kind, width, high_quality):
    with torch.device("meta"):
        state = build_network(kind).state_dict()
    assert state["image_encoder.patch_embed.proj.weight"].shape == (width, 3, 16, 16)
    assert ("mask_decoder.hf_token.weight" in state) is high_quality
