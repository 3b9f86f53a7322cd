"""AOT: long short-term transformer layers at stride 16 (arXiv 2106.02638); the family of Table 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqtrack.nets.attention import WINDOW, attend, attend_locally
from hqtrack.nets.decoders import PyramidDecoder
from hqtrack.nets.encoders.encoder import Encoder
from hqtrack.nets.interface import Features, LayerLayout, MemoryEntry, Propagation, channels_of
from hqtrack.nets.layered import LayeredNetwork, MemoryLayer, Pending, Recall
from hqtrack.nets.layers import DropPath, grid_of, initialise_matrices, to_map, to_tokens
from hqtrack.nets.positions import sine_positions

CHANNELS = 256
HEADS = 8
HIDDEN_CHANNELS = 1024
DROP_PATH = 0.1


def split_heads(tokens: Tensor) -> Tensor:
    """View tokens (B, N, C) as (B, heads, N, C / heads)."""
    return tokens.unflatten(-1, (HEADS, -1)).transpose(1, 2)


def join_heads(tokens: Tensor) -> Tensor:
    """Undo `split_heads`."""
    return tokens.transpose(1, 2).flatten(2)


class LongTermAttention(nn.Module):
    """Multi-head attention to every remembered token."""

    def __init__(self) -> None:
        super().__init__()
        self.projection = nn.Linear(CHANNELS, CHANNELS)

    def forward(self, query: Tensor, memory: MemoryEntry) -> Tensor:
        """Map queries (B, N, 256) to the same shape."""
        return self.projection(join_heads(attend(split_heads(query), memory)))


class SelfAttention(LongTermAttention):
    """Multi-head attention within a frame."""

    def __init__(self) -> None:
        super().__init__()
        self.linear_Q = nn.Linear(CHANNELS, CHANNELS)
        self.linear_K = nn.Linear(CHANNELS, CHANNELS)
        self.linear_V = nn.Linear(CHANNELS, CHANNELS)

    def within(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Map tokens (B, N, 256), compared by content and position (N, 256), to the same shape."""
        placed = tokens + positions
        memory = MemoryEntry(split_heads(self.linear_K(placed)), split_heads(self.linear_V(tokens)))
        return self(self.linear_Q(placed), memory)


class ShortTermAttention(nn.Module):
    """Multi-head attention to the window around each token in one earlier frame."""

    def __init__(self) -> None:
        super().__init__()
        self.relative_emb_k = nn.Conv2d(CHANNELS, HEADS * WINDOW * WINDOW, 1, groups=HEADS)
        self.relative_emb_v = nn.Parameter(torch.zeros(HEADS, CHANNELS // HEADS, WINDOW * WINDOW))
        self.projection = nn.Linear(CHANNELS, CHANNELS)

    def forward(self, query: Tensor, memory: MemoryEntry, grid: tuple[int, int]) -> Tensor:
        """Map queries (B, N, 256) to the same shape."""
        query = split_heads(query)
        weight, bias = self.relative_emb_k.weight, self.relative_emb_k.bias
        per_head = weight.flatten(1).unflatten(0, (HEADS, -1)).transpose(1, 2)
        relative_bias = query @ per_head
        if bias is not None:
            relative_bias = relative_bias + bias.view(HEADS, 1, -1)
        return self.projection(
            join_heads(attend_locally(query, memory, relative_bias, grid, self.relative_emb_v))
        )


class ConvolvedActivation(nn.Module):
    """Group normalisation, GELU and a 5 x 5 depth-wise convolution, between the two feed-forward layers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gn = nn.GroupNorm(32, channels)
        self.conv = nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False)

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """Map tokens (B, N, channels) to the same shape."""
        return to_tokens(self.conv(F.gelu(self.gn(to_map(tokens, grid)))))


class LongShortTermBlock(nn.Module):
    """One layer: attention within the frame, to long-term and short-term memory, and a feed-forward part."""

    def __init__(self, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(CHANNELS)
        self.linear_Q = nn.Linear(CHANNELS, CHANNELS)
        self.linear_V = nn.Linear(CHANNELS, CHANNELS)
        self.long_term_attn = LongTermAttention()
        self.short_term_attn = ShortTermAttention()
        self.norm2 = nn.LayerNorm(CHANNELS)
        self.self_attn = SelfAttention()
        self.norm3 = nn.LayerNorm(CHANNELS)
        self.linear1 = nn.Linear(CHANNELS, HIDDEN_CHANNELS)
        self.activation = ConvolvedActivation(HIDDEN_CHANNELS)
        self.linear2 = nn.Linear(HIDDEN_CHANNELS, CHANNELS)
        self.droppath = DropPath(drop_path)
        initialise_matrices(self)

    def layout(self, stride: int) -> LayerLayout:
        """Say what this layer keeps of a frame when it works at `stride`."""
        return LayerLayout(stride, HEADS, CHANNELS // HEADS, CHANNELS // HEADS)

    def attend_within(self, tokens: Tensor, positions: Tensor) -> tuple[Tensor, Pending]:
        """Give tokens (B, N, 256) after attention within the frame, and their projection.

        The projection is the query, which is the key too, and the normalised tokens.
        """
        tokens = tokens + self.droppath(self.self_attn.within(self.norm1(tokens), positions))
        normalised = self.norm2(tokens)
        return tokens, (self.linear_Q(normalised), normalised)

    def memorize(self, pending: Pending, identity_embedding: Tensor) -> MemoryEntry:
        """Make a frame's memory from its projection and the identity embedding (B, N, 256) of its masks."""
        key, normalised = pending
        return MemoryEntry(split_heads(key), split_heads(self.linear_V(normalised + identity_embedding)))

    def propagate(
        self,
        tokens: Tensor,
        query: Tensor,
        long_term: MemoryEntry,
        short_term: MemoryEntry,
        grid: tuple[int, int],
    ) -> Tensor:
        """Give tokens (B, N, 256) after attention to memory and the feed-forward part."""
        tokens = (
            tokens + self.long_term_attn(query, long_term) + self.short_term_attn(query, short_term, grid)
        )
        hidden = self.activation(self.linear1(self.norm3(tokens)), grid)
        return tokens + self.droppath(self.linear2(hidden))


class LongShortTermTransformer(nn.Module):
    """Long short-term blocks at stride 16, one after another."""

    def __init__(self, count: int) -> None:
        super().__init__()
        # Part of the published checkpoints, though no computation uses it.
        self.mask_token = nn.Parameter(torch.randn(1, 1, CHANNELS))
        self.layers = nn.ModuleList(LongShortTermBlock(DROP_PATH) for _ in range(count))
        self.decoder_norms = nn.ModuleList(nn.LayerNorm(CHANNELS) for _ in range(count))

    def memory_layers(self) -> list[LongShortTermBlock]:
        """Give every layer, in order."""
        return cast(list[LongShortTermBlock], list(self.layers))


class AOT(LayeredNetwork):
    """Associating objects with transformers."""

    def __init__(self, encoder: Encoder, *, layers: int) -> None:
        super().__init__(encoder, CHANNELS)
        self.LSTT = LongShortTermTransformer(layers)
        self.decoder = PyramidDecoder(
            CHANNELS * (layers + 1), self.max_objects + 1, encoder.channels, CHANNELS
        )
        self.layouts = tuple(layer.layout(16) for layer in self.LSTT.memory_layers())

    def _memory_layers(self) -> Sequence[MemoryLayer]:
        return self.LSTT.memory_layers()

    def _run(self, features: Features, recall: Recall) -> Propagation:
        top = features[-1]
        grid = grid_of(top)
        positions = sine_positions(grid, CHANNELS, device=top.device).to(top.dtype)
        tokens = to_tokens(top)
        embeddings, pending = [], []
        for index, layer in enumerate(self.LSTT.memory_layers()):
            tokens, projected = layer.attend_within(tokens, positions)
            tokens = layer.propagate(tokens, projected[0], *recall(index, projected), grid)
            embeddings.append(to_map(self.LSTT.decoder_norms[index](tokens), grid))
            pending.append(projected)
        return Propagation(tuple(embeddings), tuple(pending))

    def decode(self, features: Features, propagation: Propagation, identities: Tensor) -> Tensor:
        """See `PropagationNetwork.decode`."""
        return channels_of(
            self.decoder(torch.cat([features[-1], *propagation.embeddings], 1), features), identities
        )
