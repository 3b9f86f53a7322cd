"""Decoders: from propagated embeddings and the encoder's pyramid to logits at stride 4."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from hqtrack.nets.interface import Features
from hqtrack.nets.layers import ConvGroupNorm, grid_of, initialise_matrices, resize


class PyramidDecoder(nn.Module):
    """Feature pyramid decoder of AOT and DeAOT: adds the encoder's maps while it climbs to stride 4."""

    def __init__(
        self, in_channels: int, out_channels: int, encoder_channels: Sequence[int], channels: int
    ) -> None:
        super().__init__()
        self.conv_in = ConvGroupNorm(in_channels, channels, 1)
        self.conv_16x = ConvGroupNorm(channels, channels, 3)
        self.conv_8x = ConvGroupNorm(channels, channels // 2, 3)
        self.conv_4x = ConvGroupNorm(channels // 2, channels // 2, 3)
        self.adapter_16x = nn.Conv2d(encoder_channels[2], channels, 1)
        self.adapter_8x = nn.Conv2d(encoder_channels[1], channels, 1)
        self.adapter_4x = nn.Conv2d(encoder_channels[0], channels // 2, 1)
        self.conv_out = nn.Conv2d(channels // 2, out_channels, 1)
        initialise_matrices(self)

    def forward(self, embedding: Tensor, features: Features) -> Tensor:
        """Map an embedding (B, in_channels, h, w) at stride 16 to logits (B, out_channels, 4 h, 4 w)."""
        finest, finer, fine = features[:3]
        x = F.relu(self.conv_in(embedding))
        x = F.relu(self.conv_16x(self.adapter_16x(fine) + x))
        x = resize(x, grid_of(finer))
        x = F.relu(self.conv_8x(self.adapter_8x(finer) + x))
        x = resize(x, grid_of(finest))
        x = F.relu(self.conv_4x(self.adapter_4x(finest) + x))
        return self.conv_out(x)
