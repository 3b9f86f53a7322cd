"""Batch normalisations folded into the convolutions before them, once a network is not trained any more."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

from hqtrack.nets.layers import DepthwiseConv2d

Network = TypeVar("Network", bound=nn.Module)

_FUSED: dict[type[nn.Module], tuple[str, list[float]]] = {
    nn.Identity: ("none", []),
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
}
"""Activations that oneDNN applies while it writes a convolution's result: its name for each, and numbers."""


class FoldedConv2d(nn.Conv2d):
    """A convolution with what is left of the normalisation behind it, and its activation, if any.

    Args:
        convolution: Its weights are copied.
        following: A normalisation, whose activation may be its part `act`, or an activation.
    """

    def __init__(self, convolution: nn.Conv2d, following: nn.Module) -> None:
        sizes = (convolution.kernel_size, convolution.stride, convolution.padding, convolution.dilation)
        super().__init__(
            convolution.in_channels,
            convolution.out_channels,
            *sizes,  # type: ignore[arg-type]
            groups=convolution.groups,
        )
        assert self.bias is not None
        scale, mean, shift = torch.ones(()), torch.zeros(()), torch.zeros(())
        activation: object = following
        if _is_norm(following):
            mean, variance, weight, shift = (
                _tensor(following, name) for name in ("running_mean", "running_var", "weight", "bias")
            )
            scale = torch.rsqrt(variance + float(following.eps)) * weight  # type: ignore[arg-type]
            activation = getattr(following, "act", None)
        with torch.no_grad():
            self.weight.copy_(convolution.weight * scale.view(-1, 1, 1, 1))
            own = 0 if convolution.bias is None else convolution.bias
            self.bias.copy_((own - mean) * scale + shift)
        self.activation = activation if isinstance(activation, nn.Module) else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, out, H', W')."""
        fused = _FUSED.get(type(self.activation))
        if fused is None or x.device.type != "cpu" or torch.is_grad_enabled() or not _has_onednn():
            return self.activation(super().forward(x))
        # Encoders' maps are large and their channels few: one more pass costs as much as the convolution.
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, self.padding, self.stride, self.dilation, self.groups, *fused, ""
        )


def folded(network: Network) -> Network:
    """Give the network without the batch normalisations and activations that follow a convolution.

    It computes the same up to rounding, faster, and cannot be trained. A normalisation counts as following a
    convolution when a module registers one right after the other and their channels agree. That is so in all
    encoders here, and the custom of timm and torchvision; a module that uses them in another order must not
    be folded.

    Returns:
        A copy, or the network itself where there is nothing to fold.
    """
    if not any(True for module in network.modules() for _ in _pairs(module)):
        return network
    network = copy.deepcopy(network)
    for module in list(network.modules()):
        for name, next_name in list(_pairs(module)):
            convolution, following = getattr(module, name), getattr(module, next_name)
            setattr(module, name, FoldedConv2d(convolution, following))
            setattr(module, next_name, nn.Identity())
    return network


def _pairs(module: nn.Module) -> Iterator[tuple[str, str]]:
    """Give the names of each convolution among a module's children and of what follows and can be folded."""
    for (name, convolution), (next_name, following) in pairwise(module.named_children()):
        if (
            type(convolution) in (nn.Conv2d, DepthwiseConv2d)  # other kinds may pad in a way of their own
            and not isinstance(convolution.padding, str)
            and (
                type(following) in (nn.ReLU, nn.ReLU6)
                or (
                    _is_norm(following)
                    and len(_tensor(following, "running_mean")) == convolution.out_channels
                )
            )
        ):
            yield name, next_name


def _is_norm(module: nn.Module) -> bool:
    return isinstance(getattr(module, "running_mean", None), Tensor)


def _tensor(module: nn.Module, name: str) -> Tensor:
    value = getattr(module, name)
    assert isinstance(value, Tensor)
    return value


def _has_onednn() -> bool:
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
