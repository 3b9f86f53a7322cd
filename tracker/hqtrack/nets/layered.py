"""What AOT, DeAOT and VMOS have in common: an encoder, an identity bank, and layers with a memory each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqtrack.nets.encoders.encoder import Encoder
from hqtrack.nets.interface import (
    Features,
    Identity,
    LayerLayout,
    Memory,
    MemoryEntry,
    Propagation,
    PropagationNetwork,
)
from hqtrack.nets.layers import to_tokens

Pending = tuple[Tensor, ...]
Recall = Callable[[int, Pending], tuple[MemoryEntry, MemoryEntry]]
"""Gives a layer's long-term and short-term memory, from its index and the frame's projection in it."""

IDENTITY_GAIN = 17**-2
"""Scale of a fresh identity bank, as published for patches of every size."""


class MemoryLayer(Protocol):
    """A propagation layer: what it keeps of a frame depends on the frame's projection and its masks."""

    def layout(self, stride: int) -> LayerLayout:
        """Return what the layer keeps of a frame when it works at `stride`."""

    def memorize(self, pending: Pending, identity_embedding: Tensor) -> MemoryEntry:
        """Make a frame's memory from its projection and the identity embedding (B, N, C) of its masks."""


class LayeredNetwork(PropagationNetwork):
    """A propagation network whose layers work one after another, each with its own memory.

    A subclass runs its layers in `_run`, which asks for memories layer by layer: a frame with known masks
    remembers itself, any other frame is given memories of earlier frames.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    @abstractmethod
    def _memory_layers(self) -> Sequence[MemoryLayer]:
        """Return the layers in the order of `layouts`."""

    @abstractmethod
    def _run(self, features: Features, recall: Recall) -> Propagation:
        """Run all layers on a frame."""

    @abstractmethod
    def _identity_of_layers(self, identity: Identity) -> Sequence[Tensor]:
        """Return the identity embedding of every layer."""

    def reference(self, features: Features, identity: Identity) -> Memory:
        """Return a frame's memory; in every layer the frame attends to itself.

        Propagating with this memory as long-term and short-term memory repeats the pass exactly, which
        gives the reference frame's own prediction (the auxiliary loss of training).
        """
        embeddings = self._identity_of_layers(identity)
        layers = self._memory_layers()
        memory: list[MemoryEntry] = []

        def remember(index: int, pending: Pending) -> tuple[MemoryEntry, MemoryEntry]:
            memory.append(layers[index].memorize(pending, embeddings[index]))
            return memory[index], memory[index]

        self._run(features, remember)
        return tuple(memory)

    def propagate(
        self,
        features: Features,
        long_term: Memory,
        short_term: Memory,
        references: float = 1,
        identities: int | None = None,
    ) -> Propagation:
        """Propagate identities from memory to a frame."""
        return self._run(features, lambda index, _: (long_term[index], short_term[index]))

    def memorize(self, propagation: Propagation, identity: Identity) -> Memory:
        """Complete a propagated frame's memory with the identities that were found in it."""
        layers = zip(
            self._memory_layers(), propagation.pending, self._identity_of_layers(identity), strict=True
        )
        return tuple(layer.memorize(pending, embedding) for layer, pending, embedding in layers)


class TopProjectedNetwork(LayeredNetwork):
    """A layered network whose layers begin with a projection of the encoder's top.

    Every stride at which there are layers has one identity embedding, which they share.
    """

    identity_strides: tuple[int, ...] = (16,)
    """Strides of the identity embeddings, in the order of `Identity`."""

    def __init__(self, encoder: Encoder, channels: int) -> None:
        """Build the parts around the layers, whose width at stride 16 is `channels`."""
        super().__init__(encoder)
        self.encoder_projector = nn.Conv2d(encoder.channels[-1], channels, 1)
        nn.init.xavier_uniform_(self.encoder_projector.weight)
        self.patch_wise_id_bank = identity_bank(self.max_objects, channels)

    def encode(self, images: Tensor) -> Features:
        """Encode images; the last of the four maps is the input of the first layer."""
        *pyramid, top = self.encoder(images)
        return (*pyramid, self.encoder_projector(top))

    def embed_identity(self, one_hot: Tensor) -> Identity:
        """Embed masks as tokens (B, N, channels) at stride 16."""
        return (to_tokens(embedded(one_hot, self.patch_wise_id_bank)),)

    def _identity_of_layers(self, identity: Identity) -> list[Tensor]:
        of_stride = dict(zip(self.identity_strides, identity, strict=True))
        return [of_stride[layout.stride] for layout in self.layouts]


def identity_bank(max_objects: int, channels: int, stride: int = 16) -> nn.Conv2d:
    """Make the identity bank: a vector for each identity and place in a patch (AOT, section 3).

    Patches overlap by one pixel, centred on the corners of the grid of `stride` (align-corners grid).
    """
    bank = nn.Conv2d(max_objects + 1, channels, stride + 1, stride=stride, padding=stride // 2)
    with torch.no_grad():
        nn.init.orthogonal_(bank.weight.view(channels, -1), gain=IDENTITY_GAIN)
    return bank


def embedded(one_hot: Tensor, bank: nn.Conv2d) -> Tensor:
    """Embed masks (B, S, H, W) with the first S identities of a bank, as a map (B, C, h, w)."""
    weight = bank.weight[:, : one_hot.shape[1]]
    return F.conv2d(one_hot, weight, bank.bias, bank.stride, bank.padding)


def normalised_identity(one_hot: Tensor, bank: nn.Conv2d, norm: nn.LayerNorm, stride: int) -> Tensor:
    """Embed masks (B, identities, H, W) as normalised tokens (B, N, C) on the grid of `stride`.

    Patches are on the grid of the bank's own stride; a finer grid repeats the nearest.
    """
    embedding = norm(embedded(one_hot, bank).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    if bank.stride != (stride, stride):
        height, width = one_hot.shape[-2:]
        grid = (-(-height // stride), -(-width // stride))
        embedding = F.interpolate(embedding, size=grid, mode="nearest")
    return to_tokens(embedding)
