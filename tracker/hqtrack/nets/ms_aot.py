"""MS-AOT: long short-term transformer layers at strides 16 and 8 and a decoder at stride 4.

The network of the paper's Table 1, and of the winner of VOT2022, published as pyramid AOT (arXiv 2305.04470)
with ResNet-50. Attribute names are those of its checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqtrack.nets.aot import AttentionBlock, split_heads
from hqtrack.nets.encoders.encoder import Encoder
from hqtrack.nets.interface import Features, Identity, MemoryEntry, Propagation, channels_of
from hqtrack.nets.layered import (
    LayeredNetwork,
    MemoryLayer,
    Pending,
    Recall,
    identity_bank,
    normalised_identity,
)
from hqtrack.nets.layers import (
    ConvGroupNorm,
    ResidualPair,
    grid_of,
    initialise_matrices,
    resize,
    to_map,
    to_tokens,
)
from hqtrack.nets.positions import sine_positions

STRIDES = (16, 16, 8, 4)
"""Of the four scales, in the order in which they are climbed; stride 16 counts twice."""
_CHANNELS = (256, 256, 256, 128)
SELF_HEADS = (8, 8, 4)
LONG_TERM_STEP = (1, 1, 2)
"""At stride 8, a token attends to every second token of its frame, and of rows and columns of memory."""
_HIDDEN_CHANNELS = 1024
_DROP_PATH = (0.1, 0.1, 0.2)


class MultiScaleBlock(AttentionBlock):
    """A layer of MS-AOT: identities scale the keys and are added to the values, one head looks at memory."""

    def __init__(self, channels: int, *, self_heads: int, step: int, drop_path: float) -> None:
        super().__init__(
            channels,
            heads=1,
            self_heads=self_heads,
            hidden_channels=_HIDDEN_CHANNELS,
            drop_path=drop_path,
            step=step,
        )
        self.step = step
        self.linear_QV = nn.Linear(channels, 2 * channels)
        self.linear_ID_KV = nn.Linear(channels, channels + self.heads)
        initialise_matrices(self)

    def project(self, normalised: Tensor) -> Pending:
        """Return the query, which is the key too, and the value, both (B, N, C)."""
        return self.linear_QV(normalised).chunk(2, -1)

    def memorize(self, pending: Pending, identity_embedding: Tensor) -> MemoryEntry:
        """Make a frame's memory from its projection and the identity embedding (B, N, C) of its masks."""
        key, value = pending
        from_identity = self.linear_ID_KV(identity_embedding)
        gain, added = from_identity.split([self.heads, value.shape[-1]], -1)
        key = split_heads(key, self.heads) * (1 + torch.tanh(split_heads(gain, self.heads)))
        return MemoryEntry(key, split_heads(value + added, self.heads))

    def propagate(
        self,
        tokens: Tensor,
        query: Tensor,
        long_term: MemoryEntry,
        short_term: MemoryEntry,
        grid: tuple[int, int],
    ) -> Tensor:
        """See `AttentionBlock.propagate`; long-term memory is thinned out first."""
        if self.step > 1:
            long_term = MemoryEntry(*(self._thinned(part, grid) for part in long_term))
        return super().propagate(tokens, query, long_term, short_term, grid)

    def _thinned(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """Keep every `step`-th row and column of frames (B, heads, frames * N, C), side by side."""
        frames = tokens.unflatten(2, (-1, *grid))
        return frames[:, :, :, :: self.step, :: self.step].flatten(2, 4)


class MultiScaleTransformer(nn.Module):
    """Long short-term blocks scale by scale, and the climb from each scale to the next."""

    def __init__(self, counts: Sequence[int]) -> None:
        super().__init__()
        self.layers_list = nn.ModuleList(
            nn.ModuleList(
                MultiScaleBlock(channels, self_heads=self_heads, step=step, drop_path=drop_path)
                for _ in range(count)
            )
            for count, channels, self_heads, step, drop_path in zip(
                counts, _CHANNELS[:3], SELF_HEADS, LONG_TERM_STEP, _DROP_PATH, strict=True
            )
        )
        self.decoder_norms = nn.ModuleList(
            nn.LayerNorm(channels)
            for count, channels in zip(counts, _CHANNELS[:3], strict=True)
            for _ in range(count)
        )
        self.convs_in = nn.ModuleList(
            ConvGroupNorm(channels * (count + 1), above, 1)
            for count, channels, above in zip(counts, _CHANNELS[:3], _CHANNELS[1:], strict=True)
        )
        self.convs_out = nn.ModuleList(ResidualPair(channels) for channels in _CHANNELS[1:])

    def scales(self) -> list[list[MultiScaleBlock]]:
        """Return the layers of every scale."""
        return [cast(list[MultiScaleBlock], list(cast(nn.ModuleList, layers))) for layers in self.layers_list]

    def climb(self, scale: int, maps: Sequence[Tensor], encoded: Tensor) -> Tensor:
        """Join a scale's maps (B, C, h, w) on the next scale's grid with what was encoded there."""
        joined = F.relu(self.convs_in[scale](torch.cat(list(maps), 1)))
        return F.relu(self.convs_out[scale](encoded + resize(joined, grid_of(encoded))))


class MSAOT(LayeredNetwork):
    """Multi-scale AOT.

    Args:
        encoder: Gives the pyramid.
        layers: Layers at stride 16, at least 2: the last of them works on a projection of its own. One more
            works at stride 8.
    """

    def __init__(self, encoder: Encoder, *, layers: int) -> None:
        super().__init__(encoder)
        self.adapters = nn.ModuleList(
            nn.Conv2d(above, channels, 1)
            for above, channels in zip(reversed(encoder.channels), _CHANNELS, strict=True)
        )
        for adapter in self.adapters:
            initialise_matrices(adapter)
        self.MSLSTT = MultiScaleTransformer((layers - 1, 1, 1))
        # No layer at stride 4 keeps a memory; its bank and norm are part of the published checkpoints.
        self.patch_wise_id_banks = nn.ModuleList(
            identity_bank(self.max_objects, channels, stride)
            for channels, stride in zip(_CHANNELS, STRIDES, strict=True)
        )
        self.id_norms = nn.ModuleList(nn.LayerNorm(channels) for channels in _CHANNELS)
        self.conv_output1 = ConvGroupNorm(_CHANNELS[-1], _CHANNELS[-1], 3)
        self.conv_output2 = nn.Conv2d(_CHANNELS[-1], self.max_objects + 1, 1)
        nn.init.xavier_uniform_(self.conv_output2.weight)
        self.layouts = tuple(
            layer.layout(stride)
            for layers_of_scale, stride in zip(self.MSLSTT.scales(), STRIDES[:3], strict=True)
            for layer in layers_of_scale
        )

    def encode(self, images: Tensor) -> Features:
        """Encode images; each map is projected to the channels of its scale, finest first."""
        pyramid = self.encoder(images)
        return tuple(adapter(level) for adapter, level in zip(reversed(self.adapters), pyramid, strict=True))

    def embed_identity(self, one_hot: Tensor) -> Identity:
        """Embed masks as normalised tokens (B, N, 256) for the scales 16, 16 and 8."""
        return tuple(
            normalised_identity(one_hot, cast(nn.Conv2d, bank), cast(nn.LayerNorm, norm), stride)
            for bank, norm, stride in zip(
                self.patch_wise_id_banks[:3], self.id_norms[:3], STRIDES[:3], strict=True
            )
        )

    def _memory_layers(self) -> Sequence[MemoryLayer]:
        return [layer for layers in self.MSLSTT.scales() for layer in layers]

    def _identity_of_layers(self, identity: Identity) -> list[Tensor]:
        return [
            embedding
            for embedding, layers in zip(identity, self.MSLSTT.scales(), strict=True)
            for _ in layers
        ]

    def _run(self, features: Features, recall: Recall) -> Propagation:
        x = features[-1]
        pending: list[Pending] = []
        for scale, (layers, encoded) in enumerate(
            zip(self.MSLSTT.scales(), reversed(features[:-1]), strict=True)
        ):
            grid = grid_of(x)
            positions = sine_positions(grid, _CHANNELS[scale], device=x.device).to(x.dtype)
            maps, tokens = [x], to_tokens(x)
            for layer in layers:
                index = len(pending)
                tokens, projected = layer.attend_within(tokens, positions)
                tokens = layer.propagate(tokens, projected[0], *recall(index, projected), grid)
                tokens = self.MSLSTT.decoder_norms[index](tokens)
                maps.append(to_map(tokens, grid))
                pending.append(projected)
            x = self.MSLSTT.climb(scale, maps, encoded)
        return Propagation((x,), tuple(pending))

    def decode(self, features: Features, propagation: Propagation, identities: Tensor) -> Tensor:
        """See `PropagationNetwork.decode`."""
        (embedding,) = propagation.embeddings
        return channels_of(self.conv_output2(F.relu(self.conv_output1(embedding))), identities)
