"""EfficientNet-Lite0 (arXiv 1905.11946, simplified), from timm, with fixed batch normalisation."""

from __future__ import annotations

from collections.abc import Mapping

import timm
from timm.utils.model import freeze_batch_norm_2d
from torch import Tensor

from hqtrack.nets.encoders.encoder import Encoder
from hqtrack.nets.interface import Features

_LAST_OF_STRIDE = (1, 2, 4, 6)
"""Stages after which the map of a stride is complete."""


class EfficientNetLite0(Encoder):
    """EfficientNet-Lite0 without its head; the last map has stride 32."""

    channels = (24, 40, 112, 320)

    def __init__(self) -> None:
        super().__init__()
        whole = freeze_batch_norm_2d(timm.create_model("efficientnet_lite0", num_classes=0))
        self.conv_stem, self.bn1, self.blocks = whole.conv_stem, whole.bn1, whole.blocks

    def forward(self, images: Tensor) -> Features:  # noqa: D102
        x = self.bn1(self.conv_stem(images))
        maps = []
        for number, stage in enumerate(self.blocks):
            x = stage(x)
            if number in _LAST_OF_STRIDE:
                maps.append(x)
        return tuple(maps)

    def own_names(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """See `Encoder.own_names`: the package's file has names of its own, in the order of ours."""
        if "_conv_stem.weight" not in state:
            return state
        return dict(zip(self.state_dict(), state.values(), strict=False))
