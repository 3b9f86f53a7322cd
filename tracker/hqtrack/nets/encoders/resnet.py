"""ResNet-50 up to its third stage, from timm, with fixed batch normalisation."""

from __future__ import annotations

import timm
from timm.utils.model import freeze_batch_norm_2d
from torch import Tensor

from hqtrack.nets.encoders.encoder import Encoder
from hqtrack.nets.interface import Features


class ResNet50(Encoder):
    """ResNet-50 without its last stage: the third one's map, of stride 16, is given twice."""

    channels = (256, 512, 1024, 1024)

    def __init__(self) -> None:
        super().__init__()
        whole = freeze_batch_norm_2d(timm.create_model("resnet50", num_classes=0))
        self.conv1, self.bn1, self.act1, self.maxpool = whole.conv1, whole.bn1, whole.act1, whole.maxpool
        self.layer1, self.layer2, self.layer3 = whole.layer1, whole.layer2, whole.layer3

    def forward(self, images: Tensor) -> Features:  # noqa: D102
        x = self.maxpool(self.act1(self.bn1(self.conv1(images))))
        quarter = self.layer1(x)
        eighth = self.layer2(quarter)
        sixteenth = self.layer3(eighth)
        return quarter, eighth, sixteenth, sixteenth
