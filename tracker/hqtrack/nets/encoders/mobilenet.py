"""MobileNetV2 at stride 16, made of timm's layers, with fixed batch normalisation."""

from __future__ import annotations

from typing import Any

import timm
from timm.utils.model import freeze_batch_norm_2d
from torch import Tensor, nn

from hqtrack.nets.encoders.encoder import Encoder
from hqtrack.nets.interface import Features

_LAST_OF_STRIDE = (3, 6, 13, 18)
"""Parts of the network after which the map of a stride is complete; the last is the 1280-channel head."""


class MobileNetV2(Encoder):
    """MobileNetV2 whose last two stages are dilated instead of strided.

    timm gives the layers; they are grouped here as in the published checkpoints, so that names agree.
    """

    channels = (24, 32, 96, 1280)

    def __init__(self) -> None:
        super().__init__()
        whole = freeze_batch_norm_2d(timm.create_model("mobilenetv2_100", num_classes=0, output_stride=16))
        self.features = nn.Sequential(
            nn.Sequential(whole.conv_stem, whole.bn1),
            *(_MobileNetBlock(block) for stage in whole.blocks for block in stage),
            nn.Sequential(whole.conv_head, whole.bn2),
        )

    def forward(self, images: Tensor) -> Features:  # noqa: D102
        x = images
        maps = []
        for number, part in enumerate(self.features):
            x = part(x)
            if number in _LAST_OF_STRIDE:
                maps.append(x)
        return tuple(maps)


class _MobileNetBlock(nn.Module):
    """The layers of a timm block in a row; timm's normalisations include the activation, if there is one."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        if hasattr(block, "conv_pwl"):
            expand, project = [nn.Sequential(block.conv_pw, block.bn1)], [block.conv_pwl, block.bn3]
            depthwise = nn.Sequential(block.conv_dw, block.bn2)
        else:  # the first block expands nothing
            expand, project = [], [block.conv_pw, block.bn2]
            depthwise = nn.Sequential(block.conv_dw, block.bn1)
        self.conv = nn.Sequential(*expand, depthwise, *project)
        self.has_skip = bool(block.has_skip)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.has_skip else self.conv(x)
