"""A small promptable segmenter: a crop around an object and prompts in, its mask and predicted IoU out."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqtrack.nets.encoders.efficientnet import EfficientNetLite0

CROP = 256
"""Side of the crops that the network is trained on, in pixels; others that 32 divides work too."""

PROMPTS = 4
"""Maps of prompts: mask (1 object, -1 elsewhere, 0 not given), box (likewise), points on the object and
points off it (discs of 1)."""

_DETAIL, _WIDTHS = 24, (48, 64, 96, 128)


class Segmentation(NamedTuple):
    """What the network predicts for B crops."""

    logits: Tensor
    """(B, H, W)."""
    quality: Tensor
    """(B,): logits of the IoU with the true mask."""


class LightSegmenter(nn.Module):
    """Crops at an object's own scale, prompts as maps.

    The maps join the pretrained encoder at stride 4, whose earlier stages stay as they are, and once more
    every stride of the decoder. The sharp outline comes from the pixels themselves, at stride 2.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = EfficientNetLite0()
        first, *_ = widths = _WIDTHS
        self.detail = _conv(4 * (3 + PROMPTS), _DETAIL)
        self.prompted = _conv(_DETAIL, 32, stride=2)
        self.joined = nn.Conv2d(32, self.encoder.channels[0], 1)
        for parameter in self.joined.parameters():
            nn.init.zeros_(parameter)
        self.lateral = nn.ModuleList(
            _conv(given + PROMPTS, width, 1)
            for given, width in zip(self.encoder.channels, widths, strict=True)
        )
        self.context = nn.Linear(widths[3], widths[3])
        self.down = nn.ModuleList(nn.Conv2d(wide, narrow, 1) for narrow, wide in pairwise(widths))
        self.merge = nn.ModuleList(
            nn.Sequential(*(_conv(width, width) for _ in range(count)))
            for width, count in zip(widths, (1, 2, 2, 1), strict=True)
        )
        self.fine = nn.Conv2d(first, _DETAIL, 1)
        self.early = nn.Conv2d(16, _DETAIL, 1)
        self.last = nn.Sequential(_conv(_DETAIL, _DETAIL), nn.Conv2d(_DETAIL, 4, 3, padding=1))
        self.judge = nn.Sequential(nn.Linear(2 * widths[1] + 1, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, images: Tensor, prompts: Tensor) -> Segmentation:
        """Segment one object in each crop.

        Args:
            images: (B, 3, H, W) normalised RGB, sides that 32 divides.
            prompts: (B, 4, H, W), see `PROMPTS`.
        """
        detail = self.detail(F.pixel_unshuffle(torch.cat([images, prompts], 1), 2))
        encoder = self.encoder
        with torch.no_grad():  # edges and textures are as ImageNet taught them
            half = encoder.blocks[0](encoder.act(encoder.conv_stem(images)))
            quarter = encoder.blocks[1](half)
        x = quarter + self.joined(self.prompted(detail))
        maps = [x]
        for stage in encoder.blocks[2:]:
            x = stage(x)
            maps.append(x)
        pyramid = maps[0], maps[1], maps[3], maps[5]
        given = [F.avg_pool2d(prompts, 4)]
        for _ in range(3):
            given.append(F.avg_pool2d(given[-1], 2))
        sides = [
            lateral(torch.cat([level, prompt], 1))
            for lateral, level, prompt in zip(self.lateral, pyramid, given, strict=True)
        ]
        x = sides[3]
        x = self.merge[3](x + self.context(x.mean((2, 3)))[:, :, None, None])
        eighth = x
        for level in (2, 1, 0):
            x = self.merge[level](sides[level] + _double(self.down[level](x)))
            if level == 1:
                eighth = x
        x = F.relu(_double(self.fine(x)) + self.early(half) + detail)
        logits = F.pixel_shuffle(self.last(x), 2)
        shares = F.avg_pool2d(logits.detach().float().sigmoid(), 8)
        found = (eighth * shares).sum((2, 3)) / shares.sum((2, 3)).clamp(min=1e-3)
        judged = torch.cat([eighth.mean((2, 3)), found, shares.mean((2, 3))], 1)
        judged = judged.to(next(self.judge.parameters()).dtype)
        return Segmentation(logits[:, 0], self.judge(judged)[:, 0])


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def _conv(given: int, width: int, side: int = 3, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(given, width, side, stride, side // 2, bias=False), nn.BatchNorm2d(width), nn.ReLU(True)
    )
