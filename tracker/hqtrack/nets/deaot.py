"""DeAOT: gated propagation layers at stride 16 and a feature pyramid decoder (arXiv 2210.09782)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from hqtrack.nets.decoders import PyramidDecoder
from hqtrack.nets.encoders.encoder import Encoder
from hqtrack.nets.gpm import GatedPropagationModule
from hqtrack.nets.interface import Features, Identity, LayerLayout, Propagation, channels_of
from hqtrack.nets.layered import MemoryLayer, Pending, Recall, TopProjectedNetwork, normalised_identity
from hqtrack.nets.layers import grid_of, to_map, to_tokens

DEAOT_CHANNELS = 256
_DROP_PATH = 0.1


class JointGroupNorm(nn.Module):
    """Normalises the visual and the identity half of a map, each as a group."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gn = nn.GroupNorm(2, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, h, w) to the same shape."""
        return self.gn(x)


class GatedPropagationLayers(nn.Module):
    """Gated propagation modules at stride 16, one after another."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            GatedPropagationModule(DEAOT_CHANNELS, first=index == 0, drop_path=_DROP_PATH)
            for index in range(count)
        )
        self.decoder_norms = nn.ModuleList([JointGroupNorm(2 * DEAOT_CHANNELS)])

    def memory_layers(self) -> list[GatedPropagationModule]:
        """Return every layer that keeps a memory, in order."""
        return self._coarse_layers()

    def layouts(self) -> tuple[LayerLayout, ...]:
        """Return what every layer keeps of a frame."""
        return tuple(layer.layout(16) for layer in self._coarse_layers())

    def _coarse_layers(self) -> list[GatedPropagationModule]:
        return cast(list[GatedPropagationModule], list(self.layers))

    def run(self, top: Tensor, recall: Recall) -> tuple[list[Tensor], list[Tensor], list[Pending]]:
        """Run the layers on the projected top (B, 256, h, w) of a pyramid.

        Returns:
            The visual and the identity tokens (B, N, 256) after each layer, and what memory needs of each.
        """
        grid = grid_of(top)
        visual, identity = to_tokens(top), None
        visuals, identities, pending = [], [], []
        for index, layer in enumerate(self._coarse_layers()):
            projected = layer.project(visual, identity)
            visual, identity = layer.propagate(
                visual, identity, projected, *recall(index, projected.pending), grid
            )
            visuals.append(visual)
            identities.append(identity)
            pending.append(projected.pending)
        return visuals, identities, pending


class DeAOT(TopProjectedNetwork):
    """Decoupled features in hierarchical propagation; the baseline of the paper's Table 2."""

    def __init__(self, encoder: Encoder, *, layers: int) -> None:
        super().__init__(encoder, DEAOT_CHANNELS)
        self.LSTT = self._propagation_layers(layers, encoder.channels)
        self.decoder = PyramidDecoder(
            2 * DEAOT_CHANNELS, self.max_objects + 1, encoder.channels, DEAOT_CHANNELS
        )
        self.id_norm = nn.LayerNorm(DEAOT_CHANNELS)
        self.layouts = self.LSTT.layouts()

    def _propagation_layers(self, count: int, encoder_channels: Sequence[int]) -> GatedPropagationLayers:
        return GatedPropagationLayers(count)

    def _memory_layers(self) -> Sequence[MemoryLayer]:
        return self.LSTT.memory_layers()

    def embed_identity(self, one_hot: Tensor) -> Identity:
        """Embed masks as normalised tokens (B, N, 256) at stride 16."""
        return (normalised_identity(one_hot, self.patch_wise_id_bank, self.id_norm, 16),)

    def _run(self, features: Features, recall: Recall) -> Propagation:
        visuals, identities, pending = self.LSTT.run(features[-1], recall)
        embedding = to_map(torch.cat([visuals[-1], identities[-1]], -1), grid_of(features[-1]))
        return Propagation((embedding,), tuple(pending))

    def decode(self, features: Features, propagation: Propagation, identities: Tensor) -> Tensor:
        """See `PropagationNetwork.decode`."""
        (embedding,) = propagation.embeddings
        return channels_of(self.decoder(self.LSTT.decoder_norms[0](embedding), features), identities)
