"""What every propagation network offers to the run-time side, and the shapes that pass between them.

A network is stateless: features, memories and masks go in and come out. Who remembers what, and for
how long, is decided in `hqtrack.propagation`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

Features = tuple[Tensor, ...]
"""Encoder pyramid of one image, finest level first, each (B, C, H / stride, W / stride)."""

Identity = tuple[Tensor, ...]
"""Identity embeddings of one set of masks, one tensor for each scale at which memory is kept."""

LOGIT_STRIDE = 4
"""Logits are on a grid of this stride over the network's input."""


class LayerLayout(NamedTuple):
    """What one propagation layer keeps of a frame."""

    stride: int
    """Tokens are on a grid of this stride (16 or 8) over the network input."""
    heads: int
    key_channels: int
    """Channels of a key, for each head."""
    value_channels: int
    """Channels of a value, for each head."""


class MemoryEntry(NamedTuple):
    """Keys and values of one layer for T tokens (one frame: T = H/stride * W/stride, row by row)."""

    key: Tensor
    """(B, heads, T, key_channels)."""
    value: Tensor
    """(B, heads, T, value_channels)."""


Memory = tuple[MemoryEntry, ...]
"""One entry for each propagation layer, in the order of `PropagationNetwork.layouts`."""


class Propagation(NamedTuple):
    """What propagating one frame gives; only the network that made it looks inside."""

    embeddings: tuple[Tensor, ...]
    """Inputs of the decoder."""
    pending: tuple[tuple[Tensor, ...], ...]
    """For each layer, what `memorize` needs to complete this frame's memory."""


def channels_of(maps: Tensor, identities: Tensor) -> Tensor:
    """Pick channels (B, S) of maps (B, C, h, w), for each of a batch its own."""
    index = identities[:, :, None, None].expand(-1, -1, *maps.shape[-2:])
    return maps.gather(1, index)


class PropagationNetwork(nn.Module, ABC):
    """An encoder, propagation layers and a decoder: AOT, DeAOT, VMOS and the light model.

    Masks travel as one-hot maps of shape (B, S, H, W), float, at the size of the network input; channel 0 is
    background, channel i is identity i. S is at most max_objects + 1: identities beyond have no object.
    """

    max_objects: int = 10
    """Identities in the bank: how many objects are propagated jointly."""
    align_corners: bool = True
    """True: input sides are 16 n + 1 (align-corners grid). False: multiples of 16."""
    layouts: tuple[LayerLayout, ...]
    memory_format: torch.memory_format = torch.contiguous_format
    """In which the weights are best kept at run time."""

    @abstractmethod
    def encode(self, images: Tensor) -> Features:
        """Encode normalised RGB images of shape (B, 3, H, W)."""

    @abstractmethod
    def embed_identity(self, one_hot: Tensor) -> Identity:
        """Embed one-hot masks (B, S, H, W) with the identity bank."""

    @abstractmethod
    def reference(self, features: Features, identity: Identity) -> Memory:
        """Return the memory of a frame whose masks are known."""

    @abstractmethod
    def propagate(
        self,
        features: Features,
        long_term: Memory,
        short_term: Memory,
        references: float = 1,
        identities: int | None = None,
    ) -> Propagation:
        """Propagate identities from memory to a frame.

        Args:
            features: The frame's pyramid, from `encode`.
            long_term: Any number of frames, their tokens one after another along T: references first, then
                propagated frames in any order.
            short_term: Exactly one frame.
            references: How many of the long-term frames have known masks. Networks may trust them more. A
                picture of another size counts as the part of a frame that its tokens are.
            identities: Only so many, the first ones with background, are in memory and will be decoded, which
                networks may make use of; None leaves it open.
        """

    @abstractmethod
    def decode(self, features: Features, propagation: Propagation, identities: Tensor) -> Tensor:
        """Return the logits of some identities.

        Args:
            features: The frame's pyramid, from `encode`.
            propagation: What `propagate` gave for it.
            identities: (B, S) int64, the channels that are wanted, 0 to max_objects.

        Returns:
            (B, S, H / 4, W / 4), sides rounded up.
        """

    @abstractmethod
    def memorize(self, propagation: Propagation, identity: Identity) -> Memory:
        """Complete a propagated frame's memory with the identities that were found in it."""
