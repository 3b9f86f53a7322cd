"""Small layers that the propagation networks share, and the two layouts of their features.

Features are either a map (B, C, h, w) or the same numbers as tokens (B, h * w, C), row by row.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def to_tokens(feature_map: Tensor) -> Tensor:
    """Turn a map (B, C, h, w) into tokens (B, h * w, C)."""
    return feature_map.flatten(2).transpose(1, 2)


def to_map(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Turn tokens (B, h * w, C) into a map (B, C, h, w); a view, channels last in storage."""
    return tokens.unflatten(1, grid).permute(0, 3, 1, 2)


def grid_of(feature_map: Tensor) -> tuple[int, int]:
    """Return (h, w) of a map."""
    return feature_map.shape[-2], feature_map.shape[-1]


def resize(feature_map: Tensor, grid: tuple[int, int]) -> Tensor:
    """Resize a map bilinearly between grids whose corners coincide."""
    return F.interpolate(feature_map, size=grid, mode="bilinear", align_corners=True)


class ConvGroupNorm(nn.Module):
    """A convolution that keeps the size, then group normalisation."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.gn = nn.GroupNorm(8, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, h, w) to (B, out_channels, h, w)."""
        return self.gn(self.conv(x))


class ResidualBlock(nn.Module):
    """Two rectified 3 x 3 convolutions with group normalisation, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.gn1 = nn.GroupNorm(8, channels)
        self.gn2 = nn.GroupNorm(8, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, h, w) to the same shape."""
        residual = self.gn1(self.conv1(F.relu(x)))
        return x + self.gn2(self.conv2(F.relu(residual)))


class ResidualPair(nn.Module):
    """Two residual blocks, one after the other."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.res1 = ResidualBlock(channels)
        self.res2 = ResidualBlock(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, h, w) to the same shape."""
        return self.res2(self.res1(x))


class DepthwiseConv(nn.Module):
    """A 5 x 5 depth-wise convolution over tokens, with channel dropout in training."""

    def __init__(self, channels: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """Map tokens (B, N, channels) to the same shape."""
        return to_tokens(self.dropout(self.conv(to_map(tokens, grid))))


class DropPath(nn.Module):
    """Drops a residual branch of a whole sample in training (stochastic depth)."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, branch: Tensor) -> Tensor:
        """Return the branch (B, ...), with each sample either dropped or scaled to keep the expectation."""
        if not self.training or self.probability == 0:
            return branch
        keep = 1 - self.probability
        kept = torch.empty((branch.shape[0],) + (1,) * (branch.ndim - 1), device=branch.device).bernoulli_(
            keep
        )
        return branch * (kept / keep).to(branch.dtype)


def initialise_matrices(module: nn.Module) -> None:
    """Return every weight of two or more dimensions a Xavier-uniform start, as AOT and DeAOT do."""
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)


class DepthwiseConv2d(nn.Conv2d):
    """A convolution of every channel by itself, whose gradients are found in float32 on a CPU.

    In bfloat16, which mixed precision would take, a CPU needs four times as long for them.
    """

    def __init__(self, channels: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__(channels, channels, kernel_size, stride, kernel_size // 2, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H / stride, W / stride), sides rounded up."""
        if not (torch.is_grad_enabled() and torch.is_autocast_enabled("cpu") and x.device.type == "cpu"):
            return super().forward(x)
        narrow = torch.get_autocast_dtype("cpu")
        assert self.bias is not None
        out: Tensor = _Depthwise.apply(
            x.to(narrow), self.weight.to(narrow), self.bias.to(narrow), self.stride, self.padding
        )
        return out


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: tuple[int, int], padding: tuple[int, int]
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, bias, stride, padding, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        wide = gradient.float(), x.float(), weight.float()
        settings = ctx.stride, ctx.padding, (1, 1), False, (0, 0), x.shape[1]
        parts = torch.ops.aten.convolution_backward(
            *wide, [x.shape[1]], *settings, tuple(ctx.needs_input_grad[:3])
        )
        return (*(None if part is None else part.to(x.dtype) for part in parts), None, None)
