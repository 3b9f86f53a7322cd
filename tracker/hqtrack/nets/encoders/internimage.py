"""InternImage-T (arXiv 2211.05778) with its last stage at stride 16, as VMOS uses it.

Everything between the stem and the outputs is channels last, (B, H, W, C), so that linear layers,
normalisations and the deformable operator run without permutations; the maps given out are views of the
usual shape (B, C, H, W).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, cast

import torch
from timm.layers import DropPath
from torch import Tensor, nn

from hqtrack.nets.dcnv3 import DCNv3
from hqtrack.nets.encoders.encoder import Encoder
from hqtrack.nets.interface import Features

_EPSILON = 1e-6
_DROP_PATH = 0.2
"""Probability with which training skips the last block; it grows linearly from 0 at the first."""
_TOKENS_PER_PART = 2048
"""Tokens that an MLP handles at a time on a CPU."""


class _InternImageStage(NamedTuple):
    channels: int
    depth: int
    groups: int


_STAGES = (
    _InternImageStage(64, 4, 4),
    _InternImageStage(128, 4, 8),
    _InternImageStage(256, 18, 16),
    _InternImageStage(256, 4, 32),
)


class InternImage(Encoder):
    """The tiny variant; the fourth stage works on the third's map, instead of on a smaller one."""

    channels = (64, 128, 256, 256)

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = _Stem(_STAGES[0].channels)
        rates = torch.linspace(0, _DROP_PATH, sum(stage.depth for stage in _STAGES)).tolist()
        self.levels = nn.ModuleList()
        for number, stage in enumerate(_STAGES):
            taken = [rates.pop(0) for _ in range(stage.depth)]
            self.levels.append(_Level(stage, taken, downsample=number < len(_STAGES) - 1))

    def forward(self, images: Tensor) -> Features:  # noqa: D102
        first, second, third, fourth = cast(Iterable[_Level], self.levels)
        quarter = first(self.patch_embed(images))
        eighth = second(first.downsample(quarter))
        sixteenth = third(second.downsample(eighth))
        # The third level's down-sampling is in published checkpoints, but nothing reads its output.
        last = fourth(sixteenth)
        return tuple(x.permute(0, 3, 1, 2) for x in (quarter, eighth, sixteenth, last))


class _Stem(nn.Module):
    """Reduce images (B, 3, H, W) to tokens (B, H / 4, W / 4, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, channels // 2, 3, stride=2, padding=1)
        self.norm1 = _norm_after_convolution(channels // 2)
        self.act = nn.GELU()
        self.conv2 = nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1)
        self.norm2 = _norm_after_convolution(channels)

    def forward(self, images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        x = self.act(self.norm1(self.conv1(images).permute(0, 2, 3, 1)))
        return self.norm2(self.conv2(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))


class _Downsample(nn.Module):
    """Halve the sides and double the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=False)
        self.norm = _norm_after_convolution(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))


class _MLP(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or torch.is_grad_enabled() or torch.compiler.is_compiling():
            return self.fc2(self.act(self.fc1(x)))
        # The hidden layer of a whole map does not fit in a CPU's cache; that of some tokens does.
        parts = x.reshape(-1, x.shape[-1]).split(_TOKENS_PER_PART)
        return torch.cat([self.fc2(self.act(self.fc1(part))) for part in parts]).view(x.shape)


class _Block(nn.Module):
    """A deformable convolution and an MLP, each normalised before, scaled and added."""

    def __init__(self, stage: _InternImageStage, drop_path: float) -> None:
        super().__init__()
        self.norm1 = _norm(stage.channels)
        self.dcn = DCNv3(stage.channels, stage.groups)
        self.norm2 = _norm(stage.channels)
        self.mlp = _MLP(stage.channels)
        self.drop_path = DropPath(drop_path)
        self.gamma1 = nn.Parameter(torch.ones(stage.channels))
        self.gamma2 = nn.Parameter(torch.ones(stage.channels))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.addcmul(x, self.gamma1, self.drop_path(self.dcn(self.norm1(x))))
        return torch.addcmul(x, self.gamma2, self.drop_path(self.mlp(self.norm2(x))))


class _Level(nn.Module):
    """The blocks of one stage; `downsample` leads to the next and is called by it."""

    def __init__(self, stage: _InternImageStage, drop_path: list[float], downsample: bool) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(_Block(stage, rate) for rate in drop_path))
        self.norm = _norm(stage.channels)
        self.downsample = _Downsample(stage.channels) if downsample else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.blocks(x))


def _norm(channels: int) -> nn.Module:
    return nn.Sequential(nn.LayerNorm(channels, eps=_EPSILON))


def _norm_after_convolution(channels: int) -> nn.Module:
    # The first slot holds a permutation in the published layout.
    return nn.Sequential(nn.Identity(), nn.LayerNorm(channels, eps=_EPSILON))
