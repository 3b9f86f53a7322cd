"""What every encoder offers."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from hqtrack.nets.interface import Features


class Encoder(nn.Module, ABC):
    """An image network whose last stage keeps the stride of the one before, 16."""

    channels: tuple[int, int, int, int]
    """Channels of the four maps."""

    @abstractmethod
    def forward(self, images: Tensor) -> Features:
        """Give four maps, of strides 4, 8, 16 and 16, of normalised RGB images (B, 3, H, W)."""
