"""EfficientNet-Lite0 (arXiv 1905.11946, simplified), with its batch normalisation folded away."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hqtrack.nets.encoders.encoder import Encoder
from hqtrack.nets.interface import Features
from hqtrack.nets.layers import DepthwiseConv2d


class _EfficientNetStage(NamedTuple):
    blocks: int
    kernel_size: int
    stride: int
    """Of its first block."""
    channels: int


_STEM = 32
_FIRST = 16
"""Channels after the first stage, a single block that does not widen."""
_EXPANSION = 6
_STAGES = (
    _EfficientNetStage(2, 3, 2, 24),
    _EfficientNetStage(2, 5, 2, 40),
    _EfficientNetStage(3, 3, 2, 80),
    _EfficientNetStage(3, 5, 1, 112),
    _EfficientNetStage(4, 5, 2, 192),
    _EfficientNetStage(1, 3, 1, 320),
)
"""The stages behind the first (table 1 of the paper; the Lite variant keeps its sizes)."""
_LAST_OF_STRIDE = (1, 2, 4, 6)
"""Stages after which the map of a stride is complete."""
_EPSILON = 1e-5


class EfficientNetLite0(Encoder):
    """EfficientNet-Lite0 without its head; the last map has stride 32.

    Batch normalisation is fixed, so that every convolution holds the one that follows it in its weight and a
    bias: nothing is left to compute, and all maps keep the narrow type of mixed precision. Parameters have
    the names of timm's network of the same name. Its layers are not used, because importing them takes as
    long as importing torch, whenever a tracker starts.
    """

    channels = (24, 40, 112, 320)

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem, self.act = nn.Conv2d(3, _STEM, 3, 2, 1), nn.ReLU6(inplace=True)
        self.blocks = nn.ModuleList([nn.Sequential(_Separable(_STEM, _FIRST))])
        width = _FIRST
        for blocks, kernel_size, stride, channels in _STAGES:
            stage = nn.Sequential()
            for index in range(blocks):
                stage.append(_EfficientNetBlock(width, channels, kernel_size, 1 if index else stride))
                width = channels
            self.blocks.append(stage)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=math.sqrt(2 * module.groups / module.weight[:, 0].numel()))
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Features:  # noqa: D102
        x = self.act(self.conv_stem(images))
        maps = []
        for number, stage in enumerate(self.blocks):
            x = stage(x)
            if number in _LAST_OF_STRIDE:
                maps.append(x)
        return tuple(maps)

    def own_names(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """See `Encoder.own_names`: published files hold each convolution and its normalisation, in order."""
        own = self.state_dict()
        if state.keys() >= own.keys():
            return state
        names = (name.removesuffix(".weight") for name in own if name.endswith(".weight"))
        folded: dict[str, Tensor] = {}
        for name, five in zip(names, zip(*[iter(state.values())] * 5, strict=False), strict=False):
            weight, gain, offset, mean, variance = five
            if weight.dim() != 4 or any(one.shape != weight.shape[:1] for one in five[1:]):
                break
            scale = gain * torch.rsqrt(variance + _EPSILON)
            folded[f"{name}.weight"] = weight * scale[:, None, None, None]
            folded[f"{name}.bias"] = offset - mean * scale
        return folded


class _Separable(nn.Sequential):
    """A depthwise convolution, and one of single pixels: (B, C, H, W) to (B, channels_out, H, W)."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__()
        self.conv_dw, self.act = DepthwiseConv2d(channels, 3), nn.ReLU6(inplace=True)
        self.conv_pw = nn.Conv2d(channels, channels_out, 1)


class _EfficientNetBlock(nn.Module):
    """Widened, convolved depthwise, narrowed; added to what came in where both have the same size."""

    def __init__(self, channels: int, channels_out: int, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.has_skip = channels == channels_out and stride == 1
        wide = _EXPANSION * channels
        self.conv_pw, self.act1 = nn.Conv2d(channels, wide, 1), nn.ReLU6(inplace=True)
        self.conv_dw, self.act2 = DepthwiseConv2d(wide, kernel_size, stride), nn.ReLU6(inplace=True)
        self.conv_pwl = nn.Conv2d(wide, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, channels_out, H / stride, W / stride), sides rounded up."""
        out: Tensor = self.conv_pwl(self.act2(self.conv_dw(self.act1(self.conv_pw(x)))))
        return out + x if self.has_skip else out
