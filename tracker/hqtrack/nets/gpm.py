"""The gated propagation module (GPM) of DeAOT, which VMOS uses at two scales.

A layer carries two branches of tokens: visual ones, and identity ones. Both are propagated from memory by
the same attention maps, computed from visual keys alone (DeAOT, section 4; paper section 3.1). Attribute
names are those of the published checkpoints.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqtrack.nets.attention import ATTENTION_WINDOW, attend, attend_locally
from hqtrack.nets.interface import LayerLayout, MemoryEntry
from hqtrack.nets.layers import DepthwiseConv, DropPath, initialise_matrices


class Projected(NamedTuple):
    """A frame's tokens, projected for one layer."""

    pending: tuple[Tensor, ...]
    """What `memorize` needs: visual key (B, N, C / 2) and value (B, N, 2 C); in every layer but the first,
    where there are none yet, also the normalised identity tokens (B, N, C)."""
    gate: Tensor
    """(B, N, 4 C)."""


class GatedOutput(nn.Module):
    """The second half of gated propagation: gate, depth-wise convolution, projection."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.dw_conv = DepthwiseConv(channels)
        self.projection = nn.Linear(channels, out_channels)

    def finish(self, propagated: Tensor, gate: Tensor, grid: tuple[int, int]) -> Tensor:
        """Map propagated values (B, 1, N, channels), gated, to (B, N, out_channels)."""
        return self.projection(self.dw_conv(propagated.squeeze(1) * gate, grid))


class LongTermPropagation(GatedOutput):
    """Gated propagation from every remembered token."""

    def forward(self, query: Tensor, memory: MemoryEntry, gate: Tensor, grid: tuple[int, int]) -> Tensor:
        """Propagate to queries (B, N, key_channels); the result is (B, N, out_channels)."""
        return self.finish(attend(query.unsqueeze(1), memory), gate, grid)


class ShortTermPropagation(GatedOutput):
    """Gated propagation from the window around each token in one earlier frame."""

    def __init__(self, channels: int, out_channels: int, key_channels: int) -> None:
        super().__init__(channels, out_channels)
        self.relative_emb_k = nn.Conv2d(key_channels, ATTENTION_WINDOW * ATTENTION_WINDOW, 1)

    def forward(self, query: Tensor, memory: MemoryEntry, gate: Tensor, grid: tuple[int, int]) -> Tensor:
        """Propagate to queries (B, N, key_channels); the result is (B, N, out_channels)."""
        relative_bias = F.linear(query, self.relative_emb_k.weight.flatten(1), self.relative_emb_k.bias)
        propagated = attend_locally(query.unsqueeze(1), memory, relative_bias.unsqueeze(1), grid)
        return self.finish(propagated, gate, grid)


class SelfPropagation(GatedOutput):
    """Gated propagation within a frame; each branch has its own value and gate, the attention is shared."""

    def __init__(self, channels: int, key_channels: int) -> None:
        super().__init__(4 * channels, 2 * channels)
        self.linear_QK = nn.Linear(2 * channels, key_channels)
        self.linear_V1 = nn.Linear(channels, 2 * channels)
        self.linear_V2 = nn.Linear(channels, 2 * channels)
        self.linear_U1 = nn.Linear(channels, 2 * channels)
        self.linear_U2 = nn.Linear(channels, 2 * channels)

    def forward(self, visual: Tensor, identity: Tensor, grid: tuple[int, int]) -> Tensor:
        """Map two branches (B, N, C) to one tensor (B, N, 2 C), visual channels first."""
        query = self.linear_QK(torch.cat([visual, identity], -1)).unsqueeze(1)
        value = F.silu(torch.cat([self.linear_V1(visual), self.linear_V2(identity)], -1)).unsqueeze(1)
        gate = F.silu(torch.cat([self.linear_U1(visual), self.linear_U2(identity)], -1))
        return self.finish(attend(query, MemoryEntry(query, value)), gate, grid)


class GatedPropagationModule(nn.Module):
    """One layer: long-term and short-term propagation from memory, then propagation within the frame."""

    def __init__(self, channels: int, *, first: bool, drop_path: float) -> None:
        super().__init__()
        key_channels, value_channels = channels // 2, 2 * channels
        self.channels, self.key_channels, self.value_channels = channels, key_channels, value_channels

        self.norm1 = nn.LayerNorm(channels)
        self.linear_QV = nn.Linear(channels, key_channels + value_channels)
        self.linear_U = nn.Linear(channels, value_channels)
        if first:
            self.linear_ID_V = nn.Linear(channels, value_channels)
        else:
            self.id_norm1 = nn.LayerNorm(channels)
            self.linear_ID_V = nn.Linear(2 * channels, value_channels)
            self.linear_ID_U = nn.Linear(channels, value_channels)
        self.long_term_attn = LongTermPropagation(2 * value_channels, 2 * channels)
        self.short_term_attn = ShortTermPropagation(2 * value_channels, 2 * channels, key_channels)

        self.norm2 = nn.LayerNorm(channels)
        self.id_norm2 = nn.LayerNorm(channels)
        self.self_attn = SelfPropagation(channels, key_channels)
        self.droppath = DropPath(drop_path)
        initialise_matrices(self)

    def layout(self, stride: int) -> LayerLayout:
        """Return what this layer keeps of a frame when it works at `stride`."""
        return LayerLayout(stride, 1, self.key_channels, 2 * self.value_channels)

    def project(self, visual: Tensor, identity: Tensor | None) -> Projected:
        """Project the branches (B, N, C), of which the first layer has only the visual one."""
        visual = self.norm1(visual)
        key, value = self.linear_QV(visual).split([self.key_channels, self.value_channels], -1)
        value, gate = F.silu(value), F.silu(self.linear_U(visual))
        if identity is None:
            return Projected((key, value), torch.cat([gate, torch.ones_like(gate)], -1))
        identity = self.id_norm1(identity)
        gate = torch.cat([gate, F.silu(self.linear_ID_U(identity))], -1)
        return Projected((key, value, identity), gate)

    def memorize(self, pending: tuple[Tensor, ...], identity_embedding: Tensor) -> MemoryEntry:
        """Make a frame's memory from its projection and the identity embedding (B, N, C) of its masks."""
        key, value, *identity = pending
        identity_value = F.silu(self.linear_ID_V(torch.cat([*identity, identity_embedding], -1)))
        return MemoryEntry(key.unsqueeze(1), torch.cat([value, identity_value], -1).unsqueeze(1))

    def propagate(
        self,
        visual: Tensor,
        identity: Tensor | None,
        projected: Projected,
        long_term: MemoryEntry,
        short_term: MemoryEntry,
        grid: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        """Return both branches (B, N, C) after propagation from memory and within the frame."""
        query, gate = projected.pending[0], projected.gate
        propagated = self.long_term_attn(query, long_term, gate, grid)
        propagated = propagated + self.short_term_attn(query, short_term, gate, grid)
        from_visual, from_identity = propagated.chunk(2, -1)
        visual = visual + from_visual
        identity = from_identity if identity is None else identity + from_identity

        within = self.self_attn(self.norm2(visual), self.id_norm2(identity), grid)
        within_visual, within_identity = within.chunk(2, -1)
        return visual + self.droppath(within_visual), identity + self.droppath(within_identity)
