"""What every encoder offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from hqtrack.nets.interface import Features


class Encoder(nn.Module, ABC):
    """An image network of four maps; the last keeps the stride of the one before, 16, or has 32."""

    channels: tuple[int, int, int, int]
    """Channels of the four maps."""

    @abstractmethod
    def forward(self, images: Tensor) -> Features:
        """Return four maps, of strides 4, 8, 16 and 16 or 32, of normalised RGB images (B, 3, H, W)."""

    def own_names(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return published weights of the encoder alone by the names of its own state dict."""
        return state
