"""EfficientNet-Lite0 (arXiv 1905.11946, simplified), from timm, with its batch normalisation folded away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn

from hqtrack.nets.encoders.encoder import Encoder
from hqtrack.nets.interface import Features
from hqtrack.nets.layers import DepthwiseConv2d

_LAST_OF_STRIDE = (1, 2, 4, 6)
"""Stages after which the map of a stride is complete."""
_EPSILON = 1e-5


class EfficientNetLite0(Encoder):
    """EfficientNet-Lite0 without its head; the last map has stride 32.

    Batch normalisation is fixed, so that every convolution holds the one that follows it in its weight and a
    bias: nothing is left to compute, and all maps keep the narrow type of mixed precision.
    """

    channels = (24, 40, 112, 320)

    def __init__(self) -> None:
        super().__init__()
        whole: Any = timm.create_model("efficientnet_lite0", num_classes=0)
        self.conv_stem, self.bn1, self.blocks = whole.conv_stem, whole.bn1, whole.blocks
        for module in list(self.modules()):
            for name, child in module.named_children():
                if isinstance(child, BatchNormAct2d):
                    setattr(module, name, child.act)
                elif isinstance(child, nn.Conv2d) and child.groups > 1:
                    depthwise = DepthwiseConv2d(child.in_channels, child.kernel_size[0], child.stride[0])
                    setattr(module, name, depthwise)
                elif isinstance(child, nn.Conv2d):
                    child.bias = nn.Parameter(torch.zeros(child.out_channels))

    def forward(self, images: Tensor) -> Features:  # noqa: D102
        x = self.bn1(self.conv_stem(images))
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
