"""The encoders: published features under published names, types, sizes, and torch's own compilers."""

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from formula_weights import formula_state_dict, formula_tensor
from hqtrack.nets.encoders import Encoder, build_encoder
from hqtrack.nets.encoders.internimage import InternImage
from hqtrack.nets.encoders.resnet import ResNet50
from nets.plain_engine import network_input

PARITY = Path(__file__).parents[1] / "data" / "parity"
NAMES = ["internimage_t", "resnet50", "mobilenetv2"]
PREFIX = "encoder."
IMAGE = (49, 65)


def formula_encoder(name: str) -> Encoder:
    """An encoder with the weights it has inside a network with formula weights.

    Running means are shifted by -1 to lie around 0: with the formula's own, around 1, most units of
    ResNet-50 never fire, and its features are zero.
    """
    encoder = build_encoder(name)
    state = {key: formula_tensor(PREFIX + key, value) for key, value in encoder.state_dict().items()}
    state = {key: value - float(key.endswith("running_mean")) for key, value in state.items()}
    encoder.load_state_dict(state, strict=True)
    return encoder.eval()


@pytest.fixture(scope="module", params=NAMES)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return formula_encoder(request.param)


ROUNDINGS = 5
"""How much farther than our own float32 recorded numbers, rounded elsewhere, may be from float64."""


def assert_as_exact(recorded: np.ndarray, ours: torch.Tensor, exact: torch.Tensor) -> None:
    """Check recorded numbers, and ours, against the same network in float64; rounding gives the scale."""
    rounding = float((ours - exact).abs().max())
    assert 0 < rounding < 1e-4 * float(exact.abs().max())
    assert float((torch.from_numpy(recorded) - exact).abs().max()) <= ROUNDINGS * rounding


def images(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal(shape, dtype=np.float32))


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("internimage_t", "vmos"),
        ("resnet50", "r50_deaotl"),
        ("resnet50", "r50_aotl"),
        ("mobilenetv2", "deaott"),
    ],
)
def test_names_and_shapes_are_the_published_ones(name: str, network: str) -> None:
    published = json.loads((PARITY / f"{network}_state_dict.json").read_text())
    expected = {key.removeprefix(PREFIX): shape for key, shape in published.items() if key.startswith(PREFIX)}
    assert {key: list(value.shape) for key, value in build_encoder(name).state_dict().items()} == expected


@pytest.mark.slow
@torch.inference_mode()
def test_internimage_gives_the_published_features() -> None:
    recorded = np.load(PARITY / "vmos_dev.npz")
    _, _, height, width = recorded["input0_shape"].tolist()
    pixels = network_input(recorded["frames"][0], (height, width))
    torch.testing.assert_close(
        pixels[0, :, ::8, ::8], torch.from_numpy(recorded["input0"]), rtol=0, atol=1e-5
    )
    encoder = build_encoder("internimage_t").eval()
    names = formula_state_dict({PREFIX + key: value for key, value in encoder.state_dict().items()})
    encoder.load_state_dict({key.removeprefix(PREFIX): value for key, value in names.items()}, strict=True)
    found = encoder(pixels)
    exact = encoder.double()(pixels.double())
    for number, (ours, scale) in enumerate(zip(found, exact, strict=True)):
        assert list(ours.shape) == recorded[f"encoder{number}_shape"].tolist()
        part = np.s_[0, ::8, ::4, ::4]
        assert_as_exact(recorded[f"encoder{number}"], ours[part], scale[part])


@torch.inference_mode()
@pytest.mark.parametrize("name", ["resnet50", "mobilenetv2"])
def test_features_are_those_of_the_published_code(name: str) -> None:
    recorded = np.load(PARITY / "encoders.npz")
    encoder, pixels = formula_encoder(name), images(2, 3, 97, 113)
    found = encoder(pixels)
    exact = encoder.double()(pixels.double())
    for number, (ours, scale) in enumerate(zip(found, exact, strict=True)):
        assert list(ours.shape) == recorded[f"{name}_{number}_shape"].tolist()
        expected = recorded[f"{name}_{number}"]
        assert np.abs(expected).mean() > 0.01
        part = np.s_[:, :: max(1, ours.shape[1] // 16), ::3, ::3]
        assert_as_exact(expected, ours[part], scale[part])


@torch.inference_mode()
@pytest.mark.parametrize("size", [(33, 33), (64, 48), (17, 97)], ids=str)
def test_any_size_gives_four_maps_of_strides_4_8_16_16(encoder: Encoder, size: tuple[int, int]) -> None:
    features = encoder(images(2, 3, *size))
    for one, stride, channels in zip(features, (4, 8, 16, 16), encoder.channels, strict=True):
        assert tuple(one.shape) == (2, channels, -(-size[0] // stride), -(-size[1] // stride))
        assert one.isfinite().all()


@torch.inference_mode()
def test_the_layer_that_nobody_reads_is_not_run() -> None:
    encoder = formula_encoder("internimage_t")
    before = encoder(images(1, 3, *IMAGE))
    for parameter in encoder.levels[2].downsample.parameters():
        parameter.fill_(torch.nan)
    for one, other in zip(encoder(images(1, 3, *IMAGE)), before, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@torch.inference_mode()
def test_bfloat16_features_lie_near_those_of_float32(encoder: Encoder) -> None:
    pixels = images(1, 3, *IMAGE)
    exact = encoder(pixels)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = encoder(pixels)
    narrow = build_encoder(NAMES[[64, 256, 24].index(encoder.channels[0])]).eval()
    narrow.load_state_dict(encoder.state_dict())
    for one, half, full in zip(mixed, narrow.bfloat16()(pixels.bfloat16()), exact, strict=True):
        assert half.dtype == torch.bfloat16
        for features in (one, half):
            assert (features.float() - full).norm() < 0.05 * full.norm()


def test_gradients_reach_the_image_and_every_weight_that_is_read(encoder: Encoder) -> None:
    pixels = images(1, 3, *IMAGE).requires_grad_()
    encoder.zero_grad()
    sum(one.square().mean() for one in encoder(pixels)).backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().sum() > 0
    silent = {name for name, weight in encoder.named_parameters() if weight.grad is None}
    assert {name for name in silent if not name.startswith("levels.2.downsample.")} == set()
    encoder.zero_grad()


def test_training_leaves_fixed_normalisation_as_it_is() -> None:
    for name in ("resnet50", "mobilenetv2"):
        encoder = formula_encoder(name)
        before = {key: value.clone() for key, value in encoder.state_dict().items()}
        expected = encoder(images(1, 3, *IMAGE))[3]
        encoder.train()
        torch.testing.assert_close(encoder(images(1, 3, *IMAGE))[3], expected)
        assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())


@pytest.mark.slow
def test_whole_maps_and_parts_of_them_give_the_same(encoder: Encoder) -> None:
    """Without gradients, a CPU handles tokens in parts."""
    pixels = images(1, 3, 193, 225)
    with torch.no_grad():
        in_parts = encoder(pixels)
    for one, other in zip(encoder(pixels), in_parts, strict=True):
        torch.testing.assert_close(one.detach(), other, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def shallow(encoder: Encoder) -> Encoder:
    """The encoder with each kind of block, but few of each: compilers take long for thirty alike."""
    shallow = formula_encoder(NAMES[[64, 256, 24].index(encoder.channels[0])])
    if isinstance(shallow, InternImage):
        for level in shallow.levels:
            level.blocks = level.blocks[:1]
    elif isinstance(shallow, ResNet50):  # the first block of a stage widens, the others are alike
        shallow.layer1, shallow.layer2, shallow.layer3 = (
            stage[:2] for stage in (shallow.layer1, shallow.layer2, shallow.layer3)
        )
    else:  # blocks with a way around them keep size and channels
        around = [number for number, part in enumerate(shallow.features) if getattr(part, "has_skip", False)]
        for number in around[1:]:
            shallow.features[number] = torch.nn.Identity()
    return shallow


@pytest.mark.slow
@torch.inference_mode()
def test_the_encoder_can_be_exported(shallow: Encoder) -> None:
    pixels = images(1, 3, *IMAGE)
    exported = torch.export.export(shallow, (pixels,), strict=False).module()
    for one, other in zip(exported(pixels), shallow(pixels), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@torch.no_grad()
def test_the_encoder_is_captured_as_one_graph(shallow: Encoder) -> None:
    """The first half of `torch.compile`; what follows is as for the exported graph."""
    pixels = images(1, 3, *IMAGE)
    compiled = torch.compile(shallow, backend="eager", fullgraph=True)
    for one, other in zip(compiled(pixels), shallow(pixels), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_an_unknown_encoder_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown encoder 'resnet18'; .*internimage_t"):
        build_encoder("resnet18")


@torch.inference_mode()
def test_efficientnet_gives_maps_of_strides_4_8_16_32() -> None:
    encoder = build_encoder("efficientnet_lite0").eval()
    features = encoder(images(2, 3, 64, 96))
    for one, stride, channels in zip(features, (4, 8, 16, 32), (24, 40, 112, 320), strict=True):
        assert tuple(one.shape) == (2, channels, 64 // stride, 96 // stride)


@torch.inference_mode()
def test_efficientnet_reads_published_weights_by_their_order() -> None:
    whole = timm.create_model("efficientnet_lite0").eval()
    state = {key: formula_tensor(key, value) for key, value in whole.state_dict().items()}
    whole.load_state_dict(state)
    encoder = build_encoder("efficientnet_lite0").eval()
    tensors = [value for key, value in state.items() if not key.endswith("num_batches_tracked")]
    published = {f"_number{i}": value for i, value in enumerate(tensors)}
    encoder.load_state_dict(encoder.own_names(published))
    assert encoder.own_names(encoder.state_dict()).keys() == encoder.state_dict().keys()
    pixels = images(1, 3, 64, 96)
    expected = whole.forward_intermediates(pixels, intermediates_only=True)
    for one, other in zip(encoder(pixels), expected[1:], strict=True):
        assert other.std() > 1e-3
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
