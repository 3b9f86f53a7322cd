"""Small layers that the propagation networks share, and the two layouts of their features.

Features are either a map (B, C, h, w) or the same numbers as tokens (B, h * w, C), row by row.
"""

from __future__ import annotations

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
    """Give (h, w) of a map."""
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
        """Give the branch (B, ...), with each sample either dropped or scaled to keep the expectation."""
        if not self.training or self.probability == 0:
            return branch
        keep = 1 - self.probability
        kept = torch.empty((branch.shape[0],) + (1,) * (branch.ndim - 1), device=branch.device).bernoulli_(
            keep
        )
        return branch * (kept / keep).to(branch.dtype)


def initialise_matrices(module: nn.Module) -> None:
    """Give every weight of two or more dimensions a Xavier-uniform start, as AOT and DeAOT do."""
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
