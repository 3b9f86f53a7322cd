"""AOT: long short-term transformer layers at stride 16 (arXiv 2106.02638); the family of Table 1."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqtrack.nets.attention import ATTENTION_WINDOW, attend, attend_locally
from hqtrack.nets.decoders import PyramidDecoder
from hqtrack.nets.encoders.encoder import Encoder
from hqtrack.nets.interface import Features, LayerLayout, MemoryEntry, Propagation, channels_of
from hqtrack.nets.layered import MemoryLayer, Pending, Recall, TopProjectedNetwork
from hqtrack.nets.layers import DropPath, grid_of, initialise_matrices, to_map, to_tokens
from hqtrack.nets.positions import sine_positions

_CHANNELS = 256
HEADS = 8
_HIDDEN_CHANNELS = 1024
_DROP_PATH = 0.1


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """View tokens (B, N, C) as (B, heads, N, C / heads)."""
    return tokens.unflatten(-1, (heads, -1)).transpose(1, 2)


def join_heads(tokens: Tensor) -> Tensor:
    """Undo `split_heads`."""
    return tokens.transpose(1, 2).flatten(2)


class LongTermAttention(nn.Module):
    """Multi-head attention to every remembered token."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.projection = nn.Linear(channels, channels)

    def forward(self, query: Tensor, memory: MemoryEntry) -> Tensor:
        """Map queries (B, N, C) to the same shape."""
        return self.projection(join_heads(attend(split_heads(query, self.heads), memory)))


class SelfAttention(LongTermAttention):
    """Multi-head attention within a frame.

    Args:
        channels: Of the tokens.
        heads: Of the attention.
        step: Tokens attend to every `step`-th token, counted row by row.
    """

    def __init__(self, channels: int, heads: int, step: int = 1) -> None:
        super().__init__(channels, heads)
        self.step = step
        self.linear_Q = nn.Linear(channels, channels)
        self.linear_K = nn.Linear(channels, channels)
        self.linear_V = nn.Linear(channels, channels)

    def within(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Map tokens (B, N, C), compared by content and position (N, C), to the same shape."""
        placed = tokens + positions
        key = self.linear_K(placed[:, :: self.step])
        value = self.linear_V(tokens[:, :: self.step])
        memory = MemoryEntry(split_heads(key, self.heads), split_heads(value, self.heads))
        return self(self.linear_Q(placed), memory)


class ShortTermAttention(nn.Module):
    """Multi-head attention to the window around each token in one earlier frame."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_emb_k = nn.Conv2d(
            channels, heads * ATTENTION_WINDOW * ATTENTION_WINDOW, 1, groups=heads
        )
        self.relative_emb_v = nn.Parameter(
            torch.zeros(heads, channels // heads, ATTENTION_WINDOW * ATTENTION_WINDOW)
        )
        self.projection = nn.Linear(channels, channels)

    def forward(self, query: Tensor, memory: MemoryEntry, grid: tuple[int, int]) -> Tensor:
        """Map queries (B, N, C) to the same shape."""
        query = split_heads(query, self.heads)
        weight, bias = self.relative_emb_k.weight, self.relative_emb_k.bias
        per_head = weight.flatten(1).unflatten(0, (self.heads, -1)).transpose(1, 2)
        relative_bias = query @ per_head
        if bias is not None:
            relative_bias = relative_bias + bias.view(self.heads, 1, -1)
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


class AttentionBlock(nn.Module, ABC):
    """One layer: attention within the frame, to long-term and short-term memory, and a feed-forward part.

    A subclass defines how a frame is projected and how identities enter its memory.
    """

    def __init__(
        self,
        channels: int,
        *,
        heads: int,
        self_heads: int,
        hidden_channels: int,
        drop_path: float,
        step: int = 1,
    ) -> None:
        """Build the parts; `step` is that of `SelfAttention`."""
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(channels)
        self.long_term_attn = LongTermAttention(channels, heads)
        self.short_term_attn = ShortTermAttention(channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.self_attn = SelfAttention(channels, self_heads, step)
        self.norm3 = nn.LayerNorm(channels)
        self.linear1 = nn.Linear(channels, hidden_channels)
        self.activation = ConvolvedActivation(hidden_channels)
        self.linear2 = nn.Linear(hidden_channels, channels)
        self.droppath = DropPath(drop_path)

    @abstractmethod
    def project(self, normalised: Tensor) -> Pending:
        """Project tokens (B, N, C); the first part is the query, which is the key too."""

    @abstractmethod
    def memorize(self, pending: Pending, identity_embedding: Tensor) -> MemoryEntry:
        """Make a frame's memory from its projection and the identity embedding (B, N, C) of its masks."""

    def layout(self, stride: int) -> LayerLayout:
        """Return what this layer keeps of a frame when it works at `stride`."""
        width = self.norm1.normalized_shape[0] // self.heads
        return LayerLayout(stride, self.heads, width, width)

    def attend_within(self, tokens: Tensor, positions: Tensor) -> tuple[Tensor, Pending]:
        """Return tokens (B, N, C) after attention within the frame, and their projection."""
        tokens = tokens + self.droppath(self.self_attn.within(self.norm1(tokens), positions))
        return tokens, self.project(self.norm2(tokens))

    def propagate(
        self,
        tokens: Tensor,
        query: Tensor,
        long_term: MemoryEntry,
        short_term: MemoryEntry,
        grid: tuple[int, int],
    ) -> Tensor:
        """Return tokens (B, N, C) after attention to memory and the feed-forward part."""
        tokens = (
            tokens + self.long_term_attn(query, long_term) + self.short_term_attn(query, short_term, grid)
        )
        hidden = self.activation(self.linear1(self.norm3(tokens)), grid)
        return tokens + self.droppath(self.linear2(hidden))


class LongShortTermBlock(AttentionBlock):
    """A layer of AOT: identities are added to the normalised tokens before these become values."""

    def __init__(self, drop_path: float) -> None:
        super().__init__(
            _CHANNELS, heads=HEADS, self_heads=HEADS, hidden_channels=_HIDDEN_CHANNELS, drop_path=drop_path
        )
        self.linear_Q = nn.Linear(_CHANNELS, _CHANNELS)
        self.linear_V = nn.Linear(_CHANNELS, _CHANNELS)
        initialise_matrices(self)

    def project(self, normalised: Tensor) -> Pending:
        """Return the query, which is the key too, and the normalised tokens, both (B, N, 256)."""
        return self.linear_Q(normalised), normalised

    def memorize(self, pending: Pending, identity_embedding: Tensor) -> MemoryEntry:
        """Make a frame's memory from its projection and the identity embedding (B, N, 256) of its masks."""
        key, normalised = pending
        value = self.linear_V(normalised + identity_embedding)
        return MemoryEntry(split_heads(key, self.heads), split_heads(value, self.heads))


class LongShortTermTransformer(nn.Module):
    """Long short-term blocks at stride 16, one after another."""

    def __init__(self, count: int) -> None:
        super().__init__()
        # Part of the published checkpoints, though no computation uses it.
        self.mask_token = nn.Parameter(torch.randn(1, 1, _CHANNELS))
        self.layers = nn.ModuleList(LongShortTermBlock(_DROP_PATH) for _ in range(count))
        self.decoder_norms = nn.ModuleList(nn.LayerNorm(_CHANNELS) for _ in range(count))

    def memory_layers(self) -> list[LongShortTermBlock]:
        """Return every layer, in order."""
        return cast(list[LongShortTermBlock], list(self.layers))


class AOT(TopProjectedNetwork):
    """Associating objects with transformers."""

    def __init__(self, encoder: Encoder, *, layers: int) -> None:
        super().__init__(encoder, _CHANNELS)
        self.LSTT = LongShortTermTransformer(layers)
        self.decoder = PyramidDecoder(
            _CHANNELS * (layers + 1), self.max_objects + 1, encoder.channels, _CHANNELS
        )
        self.layouts = tuple(layer.layout(16) for layer in self.LSTT.memory_layers())

    def _memory_layers(self) -> Sequence[MemoryLayer]:
        return self.LSTT.memory_layers()

    def _run(self, features: Features, recall: Recall) -> Propagation:
        top = features[-1]
        grid = grid_of(top)
        positions = sine_positions(grid, _CHANNELS, device=top.device).to(top.dtype)
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
