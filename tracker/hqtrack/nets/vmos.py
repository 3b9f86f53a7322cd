"""VMOS: DeAOT with gated propagation at two scales and a decoder at stride 4 (paper section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqtrack.nets.deaot import DEAOT_CHANNELS, DeAOT, GatedPropagationLayers, JointGroupNorm
from hqtrack.nets.encoders.encoder import Encoder
from hqtrack.nets.gpm import GatedPropagationModule
from hqtrack.nets.interface import Features, Identity, LayerLayout, Propagation, channels_of
from hqtrack.nets.layered import Recall, identity_bank, normalised_identity
from hqtrack.nets.layers import ConvGroupNorm, ResidualPair, grid_of, resize, to_map, to_tokens

CHANNELS_S8 = 128
CHANNELS_S4 = 64


class MultiScaleLayers(GatedPropagationLayers):
    """Gated propagation at stride 16, then at stride 8; both branches then climb to stride 4.

    Each branch climbs by the same steps: compress, resize, add the encoder's map, refine.
    """

    def __init__(self, count: int, encoder_channels: Sequence[int]) -> None:
        super().__init__(count)
        self.layer_s8 = GatedPropagationModule(CHANNELS_S8, first=False, drop_path=0.0)
        self.s8_cons_in = ConvGroupNorm(count * DEAOT_CHANNELS, CHANNELS_S8, 1)
        self.s8_cons_in_id = ConvGroupNorm(count * DEAOT_CHANNELS, CHANNELS_S8, 1)
        self.s8_cons_out = ResidualPair(CHANNELS_S8)
        self.s8_cons_out_id = ResidualPair(CHANNELS_S8)
        self.s8_proj = nn.Conv2d(encoder_channels[1], CHANNELS_S8, 1)
        self.s4_cons_in = ConvGroupNorm(CHANNELS_S8, CHANNELS_S4, 1)
        self.s4_cons_in_id = ConvGroupNorm(CHANNELS_S8, CHANNELS_S4, 1)
        self.s4_cons_out = ResidualPair(CHANNELS_S4)
        self.s4_cons_out_id = ResidualPair(CHANNELS_S4)
        self.s4_proj = nn.Conv2d(encoder_channels[0], CHANNELS_S4, 1)
        self.decoder_norms_s4 = nn.ModuleList([JointGroupNorm(2 * CHANNELS_S4)])

    def memory_layers(self) -> list[GatedPropagationModule]:
        """Return every layer that keeps a memory, in order."""
        return [*super().memory_layers(), self.layer_s8]

    def layouts(self) -> tuple[LayerLayout, ...]:
        """Return what every layer keeps of a frame."""
        return (*super().layouts(), self.layer_s8.layout(8))

    def climb_to_s8(self, visual: Tensor, identity: Tensor, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """Bring maps (B, layers * 256, h, w) of both branches to the encoder's stride-8 grid."""
        shortcut, grid = self.s8_proj(encoded), grid_of(encoded)
        visual = resize(F.relu(self.s8_cons_in(visual)), grid)
        identity = resize(F.relu(self.s8_cons_in_id(identity)), grid)
        visual = F.relu(self.s8_cons_out(shortcut + visual))
        identity = F.relu(self.s8_cons_out_id(shortcut + identity))
        return visual, identity

    def climb_to_s4(self, visual: Tensor, identity: Tensor, encoded: Tensor) -> Tensor:
        """Bring maps (B, 128, h, w) of both branches to the encoder's stride-4 grid, and join them."""
        shortcut, grid = self.s4_proj(encoded), grid_of(encoded)
        visual = resize(F.relu(self.s4_cons_in(visual)), grid)
        identity = resize(F.relu(self.s4_cons_in_id(identity)), grid)
        visual = F.relu(self.s4_cons_out(shortcut + visual))
        identity = F.relu(self.s4_cons_out_id(shortcut + identity))
        return self.decoder_norms_s4[0](torch.cat([visual, identity], 1))


class VMOS(DeAOT):
    """The Video Multi-Object Segmenter of HQTrack.

    The published checkpoint also holds DeAOT's pyramid decoder and its norm, which VMOS does not use; their
    entries are kept so that it loads as it is.
    """

    LSTT: MultiScaleLayers
    identity_strides = (16, 8)

    def __init__(self, encoder: Encoder, *, layers: int) -> None:
        super().__init__(encoder, layers=layers)
        self.patch_wise_id_bank_s8 = identity_bank(self.max_objects, CHANNELS_S8)
        self.id_norm_s8 = nn.LayerNorm(CHANNELS_S8)
        self.conv_output1 = ConvGroupNorm(2 * CHANNELS_S4, 2 * CHANNELS_S4, 3)
        self.conv_output2 = nn.Conv2d(2 * CHANNELS_S4, self.max_objects + 1, 1)

    def _propagation_layers(self, count: int, encoder_channels: Sequence[int]) -> MultiScaleLayers:
        return MultiScaleLayers(count, encoder_channels)

    def embed_identity(self, one_hot: Tensor) -> Identity:
        """Embed masks as normalised tokens (B, N, C) at strides 16 (C = 256) and 8 (C = 128)."""
        (coarse,) = super().embed_identity(one_hot)
        return coarse, normalised_identity(one_hot, self.patch_wise_id_bank_s8, self.id_norm_s8, 8)

    def _run(self, features: Features, recall: Recall) -> Propagation:
        coarse, fine = grid_of(features[-1]), grid_of(features[1])
        visuals, identities, pending = self.LSTT.run(features[-1], recall)
        visual, identity = self.LSTT.climb_to_s8(
            to_map(torch.cat(visuals, -1), coarse), to_map(torch.cat(identities, -1), coarse), features[1]
        )

        layer = self.LSTT.layer_s8
        visual, identity = to_tokens(visual), to_tokens(identity)
        projected = layer.project(visual, identity)
        memories = recall(len(pending), projected.pending)
        visual, identity = layer.propagate(visual, identity, projected, *memories, fine)
        return Propagation((to_map(visual, fine), to_map(identity, fine)), (*pending, projected.pending))

    def decode(self, features: Features, propagation: Propagation, identities: Tensor) -> Tensor:
        """See `PropagationNetwork.decode`."""
        visual, identity = propagation.embeddings
        embedding = self.LSTT.climb_to_s4(visual, identity, features[0])
        return channels_of(self.conv_output2(F.relu(self.conv_output1(embedding))), identities)
