"""Folding: the same features without normalisations, on the network's own or any other way of convolving."""

import pytest
import torch
from torch import Tensor, nn

from hqtrack.nets import build
from hqtrack.nets.encoders import build_encoder
from hqtrack.nets.folding import folded

ENCODERS = ["resnet50", "mobilenetv2", "efficientnet_lite0"]


def with_statistics(network: nn.Module) -> nn.Module:
    """Return every normalisation statistics and an affine map that folding must not lose."""
    generator = torch.Generator().manual_seed(0)
    for name, value in network.state_dict().items():
        module = network.get_submodule(name.rpartition(".")[0])
        if hasattr(module, "running_mean") and value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) * 0.4 + 0.8)
    return network.eval()


def normalisations(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if hasattr(module, "running_mean")]


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("grad", [False, True])
def test_a_folded_encoder_gives_the_same_features(name: str, grad: bool) -> None:
    encoder = with_statistics(build_encoder(name))
    images = torch.randn(1, 3, 64, 48, generator=torch.Generator().manual_seed(1))
    fast = folded(encoder)
    with torch.set_grad_enabled(grad):
        expected, features = encoder(images), fast(images)
    assert normalisations(encoder) or name == "efficientnet_lite0"  # it holds its own in its convolutions
    assert len(list(fast.modules())) != len(list(encoder.modules()))
    assert not normalisations(fast)
    for before, after in zip(expected, features, strict=True):
        before = before.detach()
        assert before.abs().max() > 1e-3
        torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4 * float(before.abs().max()))


def test_the_network_itself_stays_as_it_was() -> None:
    network = build("vmos_light").eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert folded(network) is not network
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_network_with_nothing_to_fold_is_not_copied() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Conv2d(3, 3, 1), nn.GroupNorm(1, 3)).eval()
    assert folded(network) is network


def test_a_convolution_of_another_kind_is_left_alone() -> None:
    class Own(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(2 * x)

    network = nn.Sequential(Own(3, 4, 1), nn.BatchNorm2d(4)).eval()
    assert folded(network) is network


def test_an_activation_that_cannot_be_fused_still_works() -> None:
    norm = nn.BatchNorm2d(4).eval()
    norm.act = nn.Tanh()  # type: ignore[assignment]
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), norm)
    x = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(folded(network)(x), norm.act(network(x)))
