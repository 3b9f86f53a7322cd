"""Convolutions that do what comes behind them, once a network is not trained any more."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

from hqtrack import processor
from hqtrack.nets.layers import DepthwiseConv2d

Network = TypeVar("Network", bound=nn.Module)

_FUSED: dict[type[nn.Module], tuple[str, list[float]]] = {
    nn.Identity: ("none", []),
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
}
"""Activations that oneDNN applies while it writes a convolution's result: its name for each, and numbers."""

_ACTIVATIONS = (nn.ReLU, nn.ReLU6)


class FusedConv2d(nn.Conv2d):
    """A convolution and the activation behind it, in one pass where that can be.

    Args:
        convolution: Its weights are taken over.
        activation: Applied to the result.
    """

    def __init__(self, convolution: nn.Conv2d, activation: nn.Module) -> None:
        sizes = (convolution.kernel_size, convolution.stride, convolution.padding, convolution.dilation)
        super().__init__(
            convolution.in_channels,
            convolution.out_channels,
            *sizes,  # type: ignore[arg-type]
            groups=convolution.groups,
        )
        self.weight, self.bias = convolution.weight, convolution.bias
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, out, H', W')."""
        fused = _FUSED.get(type(self.activation))
        if fused is None or x.device.type != "cpu" or torch.is_grad_enabled():
            return self.activation(super().forward(x))
        if not processor.fuses_convolutions(x.dtype):
            return self.activation(self._widened(x))
        # Encoders' maps are large and their channels few: one more pass costs as much as the convolution.
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, self.padding, self.stride, self.dilation, self.groups, *fused, ""
        )

    def _widened(self, x: Tensor) -> Tensor:
        """Convolve in float32 where the processor has nothing but a loop for a narrower type."""
        if x.dtype == torch.float32 or not processor.fuses_convolutions(torch.float32):
            return super().forward(x)
        bias = None if self.bias is None else self.bias.float()
        return self._conv_forward(x.float(), self.weight.float(), bias).to(x.dtype)


def folded(network: Network) -> Network:
    """Return the network with convolutions that do what comes behind them.

    That is a batch normalisation with fixed statistics, which becomes part of the weights, and an activation.
    The result computes the same up to rounding, faster, and cannot be trained. A module counts as coming
    behind a convolution when it is registered right after it, and a normalisation's channels agree. That is
    so in all encoders here, and the custom of timm and torchvision; a module that uses its children in
    another order must not be folded.

    Returns:
        A copy, or the network itself where there is nothing to fold.
    """
    if not any(True for module in network.modules() for _ in _pairs(module)):
        return network
    network = copy.deepcopy(network)
    for module in list(network.modules()):
        for name, next_name in list(_pairs(module)):
            convolution, behind = getattr(module, name), getattr(module, next_name)
            activation = behind
            if _is_norm(behind):
                convolution = _with_norm(convolution, behind)
                activation = getattr(behind, "act", None) or nn.Identity()
            setattr(module, name, FusedConv2d(convolution, activation))
            setattr(module, next_name, nn.Identity())
    return network


def _pairs(module: nn.Module) -> Iterator[tuple[str, str]]:
    """Return the names of each convolution among a module's children and of what comes behind."""
    for (name, convolution), (next_name, behind) in pairwise(module.named_children()):
        if (
            type(convolution) in (nn.Conv2d, DepthwiseConv2d)  # another subclass may have a way of its own
            and isinstance(convolution, nn.Conv2d)
            and not isinstance(convolution.padding, str)
            and (
                type(behind) in _ACTIVATIONS
                or (_is_norm(behind) and len(_tensor(behind, "running_mean")) == convolution.out_channels)
            )
        ):
            yield name, next_name


def _is_norm(module: nn.Module) -> bool:
    return isinstance(getattr(module, "running_mean", None), Tensor)


@torch.no_grad()
def _with_norm(convolution: nn.Conv2d, norm: nn.Module) -> nn.Conv2d:
    """Return a copy of a convolution that does a normalisation, too."""
    mean, variance, weight, shift = (
        _tensor(norm, name) for name in ("running_mean", "running_var", "weight", "bias")
    )
    scale = torch.rsqrt(variance + float(norm.eps)) * weight  # type: ignore[arg-type]
    convolution = copy.deepcopy(convolution)
    own = 0 if convolution.bias is None else convolution.bias
    convolution.weight.mul_(scale[:, None, None, None])
    convolution.bias = nn.Parameter((own - mean) * scale + shift)
    return convolution


def _tensor(module: nn.Module, name: str) -> Tensor:
    value = getattr(module, name)
    assert isinstance(value, Tensor)
    return value
