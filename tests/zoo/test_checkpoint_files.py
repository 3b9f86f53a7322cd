import json
import re
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from formula_weights import formula_state_dict
from hqtrack import WeightsError, nets
from hqtrack.zoo import check_family, describe, export_published, load_card, load_network, read_checkpoint

PARITY = Path(__file__).parents[1] / "data" / "parity"


def published(name: str) -> dict[str, Tensor]:
    """Keys and shapes of a published checkpoint, without memory behind them."""
    table = json.loads((PARITY / f"{name}_state_dict.json").read_text())
    return {key: torch.empty(shape, device="meta") for key, shape in table.items()}


@cache
def network_state(name: str) -> Mapping[str, Tensor]:
    return nets.build(name).state_dict()


def sam_state(kind: str, *, high_quality: bool) -> Mapping[str, Tensor]:
    """Keys and shapes of the refiners, from the very classes that load them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that timm has moved
        from segment_anything_hq import sam_model_registry, sam_model_registry_baseline

        build = (sam_model_registry if high_quality else sam_model_registry_baseline)[kind]
        with nullcontext() if kind == "vit_tiny" else torch.device("meta"):  # the tiny one needs numbers
            return build(checkpoint=None).state_dict()


SMALL = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


@pytest.mark.parametrize("wrapper", ["", "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_checkpoint_is_read_as_published(tmp_path: Path, wrapper: str, prefix: str) -> None:
    state = {prefix + key: value for key, value in SMALL.items()}
    content = {wrapper: state, "optimizer": {"step": 3}} if wrapper else state
    torch.save(content, tmp_path / "a.pth")
    read = read_checkpoint(tmp_path / "a.pth")
    assert read.keys() == SMALL.keys()
    assert all(torch.equal(read[key], SMALL[key]) for key in SMALL)


def test_a_wrapper_in_a_wrapper_is_opened(tmp_path: Path) -> None:
    torch.save({"model": {"state_dict": SMALL}}, tmp_path / "a.pth")
    assert read_checkpoint(tmp_path / "a.pth").keys() == SMALL.keys()


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file(SMALL, tmp_path / "a.safetensors")
    assert torch.equal(read_checkpoint(tmp_path / "a.safetensors")["a.weight"], SMALL["a.weight"])


class Trap:
    """Would leave a file behind if unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return Path.touch, (self.path,)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    torch.save({"state_dict": SMALL, "trap": Trap(tmp_path / "sprung")}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="contains code, which is not run"):
        read_checkpoint(tmp_path / "a.pth")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>quota exceeded</html>", b"PK\x03\x04 cut"])
def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=name):
        read_checkpoint(path)


def test_half_a_checkpoint_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save(SMALL, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(WeightsError, match="damaged"):
        read_checkpoint(path)


def test_what_torch_says_of_a_foreign_file_does_not_reach_users(tmp_path: Path) -> None:
    torch.save({"trap": Trap(tmp_path / "sprung")}, tmp_path / "a.pth")
    for content in (None, b"a text file\n" * 9, b"\x80\x02}q\x00."):
        if content is not None:
            (tmp_path / "a.pth").write_bytes(content)
        with pytest.raises(WeightsError) as caught:
            read_checkpoint(tmp_path / "a.pth")
        assert "weights_only" not in str(caught.value)


def itself() -> dict[str, object]:
    content: dict[str, object] = {}
    content["model"] = content
    return content


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"epoch": 3},
        {"state_dict": {}},
        [1, 2],
        SMALL["a.bias"],
        itself(),
        {1: torch.ones(1)},
        {"a": torch.ones(1, device="meta")},
        {"a": torch.eye(2).to_sparse()},
        {"a": torch.ones(1, dtype=torch.complex64)},
    ],
    ids=lambda content: type(content).__name__,
)
def test_a_file_without_a_network_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="no tensors of a network"):
        read_checkpoint(tmp_path / "a.pth")


def test_a_checkpoint_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no checkpoint at"):
        read_checkpoint(tmp_path / "a.pth")


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("vmos", "VMOS with InternImage-T, 3 layers"),
        ("r50_deaotl", "DeAOT with ResNet-50, 3 layers"),
        ("deaott", "DeAOT with MobileNet, 1 layer"),
        ("r50_aotl", "AOT with ResNet-50, 3 layers"),
        ("ms_aot", "MS-AOT with ResNet-50"),
    ],
)
def test_the_family_of_a_published_checkpoint_is_recognised(name: str, family: str) -> None:
    assert describe(published(name)) == family


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("vmos_light", "VMOS-light"),
        ("vmos_r50", "VMOS with ResNet-50, 3 layers"),
        ("deaot_internimage_t", "DeAOT with InternImage-T, 3 layers"),
    ],
)
def test_the_family_of_the_other_networks_is_recognised(name: str, family: str) -> None:
    assert describe(network_state(name)) == family


@pytest.mark.parametrize(
    ("kind", "high_quality", "family"),
    [
        ("vit_h", True, "HQ-SAM with ViT-H"),
        ("vit_l", True, "HQ-SAM with ViT-L"),
        ("vit_b", True, "HQ-SAM with ViT-B"),
        ("vit_tiny", True, "HQ-SAM with ViT-Tiny"),
        ("vit_h", False, "SAM with ViT-H"),
        ("vit_b", False, "SAM with ViT-B"),
    ],
)
def test_the_family_of_a_refiner_is_recognised(kind: str, high_quality: bool, family: str) -> None:
    assert describe(sam_state(kind, high_quality=high_quality)) == family


def test_an_encoder_alone_and_nonsense_are_recognised() -> None:
    encoder = {
        key.removeprefix("encoder."): value
        for key, value in published("vmos").items()
        if key.startswith("encoder.")
    }
    assert describe(encoder) == "an encoder alone (InternImage-T)"
    assert describe(SMALL) == "no known network"


@pytest.mark.parametrize("name", ["vmos", "r50_deaotl", "deaott", "r50_aotl", "ms_aot"])
def test_networks_have_the_published_keys_and_shapes(name: str) -> None:
    check_family(name, network_state(name), published(name), Path("published.pth"))
    check_family(name, published(name), network_state(name), Path("ours.pth"))


def test_a_checkpoint_of_another_family_names_the_family_and_the_keys() -> None:
    with pytest.raises(WeightsError) as caught:
        check_family("r50_deaotl", published("r50_deaotl"), published("vmos"), Path("save_step_42000.pth"))
    message = str(caught.value)
    assert (
        "save_step_42000.pth does not fit the network r50_deaotl (DeAOT with ResNet-50, 3 layers)" in message
    )
    assert "it looks like VMOS with InternImage-T, 3 layers" in message
    ours, theirs = published("r50_deaotl"), published("vmos")
    assert f"{len(ours.keys() - theirs.keys())} missing (encoder.conv1.weight, " in message
    assert f"{len(theirs.keys() - ours.keys())} not of this network (" in message
    assert "4 of another shape (" in message
    assert "(256, 256, 1, 1) instead of (256, 1024, 1, 1)" in message


def test_a_checkpoint_with_more_than_the_network_needs_is_refused() -> None:
    ours, theirs = published("r50_deaotl"), network_state("vmos_r50")
    with pytest.raises(WeightsError, match="it looks like VMOS with ResNet-50"):
        check_family("r50_deaotl", ours, theirs, Path("a.pth"))


@pytest.mark.parametrize(
    ("card", "file"), [("hqtrack-light", "light.safetensors"), ("deaot-r50", "deaot.pth")]
)
def test_exported_weights_come_back_as_they_were(tmp_path: Path, card: str, file: str) -> None:
    system = load_card(card)
    network = nets.build(system.network)
    network.load_state_dict(formula_state_dict(network.state_dict()))
    export_published(network, tmp_path / file)
    assert [path.name for path in tmp_path.iterdir()] == [file]

    loaded = load_network(system, tmp_path / file)
    assert not loaded.training
    for key, value in network.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(loaded.state_dict()[key], value), key


def test_weights_stored_in_half_precision_are_used_in_single(tmp_path: Path) -> None:
    system = load_card("hqtrack-light")
    state = nets.build(system.network).half().state_dict()
    save_file(dict(state), tmp_path / "light.safetensors")
    loaded = load_network(system, tmp_path / "light.safetensors")
    assert {value.dtype for value in loaded.parameters()} == {torch.float32}


def test_weights_of_another_network_are_not_loaded(tmp_path: Path) -> None:
    torch.save({"state_dict": dict(nets.build("vmos_light").state_dict())}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="it looks like VMOS-light"):
        load_network(load_card("deaot-r50"), tmp_path / "a.pth")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_not_loaded(tmp_path: Path, value: float) -> None:
    state = dict(nets.build("vmos_light").state_dict())
    key = next(key for key in state if state[key].is_floating_point())
    state[key] = torch.full_like(state[key], value)
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match=re.escape(f"1 tensors are not finite ({key})")):
        load_network(load_card("hqtrack-light"), tmp_path / "a.safetensors")


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot write"):
        export_published(nets.build("vmos_light"), tmp_path / "nowhere" / "a.pth")
