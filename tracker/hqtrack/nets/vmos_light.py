"""VMOS-light: a small multi-scale gated propagation network that can be trained from scratch.

It keeps the structure of VMOS (paper section 3.1): an identity bank, gated propagation with long-term and
short-term memory at stride 16, a further propagation at stride 8 for small objects, and a pyramid decoder.
Three things make it learn without pretraining:

- keys are unit vectors with a learned temperature, so attention is a cosine match from the first step;
- every attention has a learned "no match" score: what resembles nothing in memory receives no identity;
- the masks of the memory frames travel through the attention next to the identity values and reach the
  decoder as probabilities, so that a plain match already segments, and the rest of the network refines it.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqtrack.nets.interface import (
    Features,
    Identity,
    LayerLayout,
    Memory,
    MemoryEntry,
    Propagation,
    PropagationNetwork,
    channels_of,
)

KEY_CHANNELS = 64
WINDOW_RADIUS = 7
QUERY_CHUNK = 192
"""Queries that attend to the long-term memory at a time: their scores stay in the processor's cache."""


def to_tokens(x: Tensor) -> Tensor:
    """Turn a map (B, C, h, w) into tokens (B, h * w, C)."""
    return x.flatten(2).transpose(1, 2)


def to_map(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Turn tokens (B, h * w, C) into a map (B, C, h, w)."""
    return x.transpose(1, 2).unflatten(2, size)


def upsample(x: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Resize a map (B, C, h, w) bilinearly."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def matched_values(
    scores: Tensor, no_match: Tensor, ceiling: Tensor, value: Tensor, prior: Tensor | None = None
) -> Tensor:
    """Average values by softmax over scores and one further "no match" score whose value is zero.

    Args:
        scores: (..., Q, T).
        no_match: Score of the absent match, a scalar.
        ceiling: A bound of all scores, a scalar. Cosine scores have one by construction, which spares the
            softmax its search for the maximum.
        value: (..., T, C).
        prior: Factors of the exponentials, (Q, T); 0 excludes a match. (Processors are slow at
            exponentials of very low scores, which would exclude it too.)
    """
    # In place: these are the largest tensors of the network, and writing new memory costs more than exp.
    weights = scores.sub_(ceiling).exp_()
    if prior is not None:
        weights = weights * prior
    total = weights.sum(-1, keepdim=True) + torch.exp(no_match - ceiling)
    return (weights.to(value.dtype) @ value) / total.to(value.dtype)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        # A weak residual at the start keeps the first steps of training from scratch stable.
        nn.init.constant_(self.norm2.weight, 0.3)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, out, H / stride, W / stride)."""
        y = self.norm1(self.conv1(x)).relu_()
        return (self.norm2(self.conv2(y)) + self.shortcut(x)).relu_()


class LightEncoder(nn.Module):
    """A plain residual pyramid with strides 4, 8 and 16."""

    def __init__(self, channels: tuple[int, int, int, int]) -> None:
        super().__init__()
        c2, c4, c8, c16 = channels
        self.stem = nn.Sequential(
            nn.Conv2d(3, c2, 3, 2, 1, bias=False),
            nn.BatchNorm2d(c2),
            nn.ReLU(inplace=True),
            nn.Conv2d(c2, c4, 3, 2, 1, bias=False),
            nn.BatchNorm2d(c4),
            nn.ReLU(inplace=True),
        )
        self.stage4 = ResidualBlock(c4, c4)
        self.stage8 = nn.Sequential(ResidualBlock(c4, c8, 2), ResidualBlock(c8, c8))
        self.stage16 = nn.Sequential(
            ResidualBlock(c8, c16, 2), ResidualBlock(c16, c16), ResidualBlock(c16, c16)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode images (B, 3, H, W), sides multiples of 16."""
        f4 = self.stage4(self.stem(images))
        f8 = self.stage8(f4)
        return f4, f8, self.stage16(f8)


class LongTermMatch(nn.Module):
    """Cosine attention from every token to all tokens of the long-term memory."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(12.0)))
        self.no_match = nn.Parameter(torch.tensor(7.0))

    def forward(self, query: Tensor, entry: MemoryEntry) -> Tensor:
        """Match query (B, 1, Q, C) against a memory of T tokens; gives (B, 1, Q, value channels)."""
        scale = self.log_scale.exp()
        # More tokens in memory means more accidental matches: the bar rises with their number.
        no_match = self.no_match + math.log(entry.key.shape[-2] / 100)
        out = []
        for part in (query * scale).split(QUERY_CHUNK, dim=-2):
            scores = (part @ entry.key.transpose(-1, -2)).float()
            out.append(matched_values(scores, no_match, scale, entry.value))
        return torch.cat(out, dim=-2)


class ShortTermMatch(nn.Module):
    """Cosine attention within a window of 15 x 15 tokens of one earlier frame."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.no_match = nn.Parameter(torch.tensor(5.0))
        offset = torch.arange(-WINDOW_RADIUS, WINDOW_RADIUS + 1.0)
        # Small displacements are likelier: the prior starts as a parabola and is learned.
        self.displacement = nn.Parameter(-0.02 * (offset[:, None] ** 2 + offset[None, :] ** 2))

    def forward(self, query: Tensor, entry: MemoryEntry, size: tuple[int, int]) -> Tensor:
        """Match query (B, 1, h * w, C) against one frame of h * w tokens.

        Row after row: a row of queries sees only the 15 rows of keys around it, which lie side by side.
        """
        height, width = size
        scale = self.log_scale.exp()
        column = torch.arange(width, device=query.device)
        dx = column[None, :] - column[:, None]
        prior = self.displacement.exp()[:, dx.clamp(-WINDOW_RADIUS, WINDOW_RADIUS) + WINDOW_RADIUS]
        prior = prior.masked_fill(dx.abs() > WINDOW_RADIUS, 0).transpose(0, 1)

        out = []
        for y, row in enumerate((query * scale).split(width, dim=-2)):
            top, bottom = max(0, y - WINDOW_RADIUS), min(height, y + WINDOW_RADIUS + 1)
            near = slice(top * width, bottom * width)
            offsets = slice(top - y + WINDOW_RADIUS, bottom - y + WINDOW_RADIUS)
            scores = (row @ entry.key[..., near, :].transpose(-1, -2)).float()
            near_prior = prior[:, offsets].flatten(1)
            out.append(matched_values(scores, self.no_match, scale, entry.value[..., near, :], near_prior))
        return torch.cat(out, dim=-2)


class GatedSelfPropagation(nn.Module):
    """Gated self-attention over visual and identity tokens together (DeAOT's GPM, second half)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        both = 2 * dim
        self.norm = nn.LayerNorm(both)
        self.query = nn.Linear(both, KEY_CHANNELS)
        self.gate_value = nn.Linear(both, 2 * both)
        self.mix = nn.Conv2d(both, both, 5, 1, 2, groups=both)
        self.project = nn.Linear(both, both)
        self.log_scale = nn.Parameter(torch.tensor(math.log(4.0)))
        nn.init.zeros_(self.project.bias)
        with torch.no_grad():
            self.project.weight.mul_(0.5)

    def forward(self, x: Tensor, z: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Update visual tokens x and identity tokens z, both (B, h * w, dim)."""
        both = self.norm(torch.cat([x, z], dim=-1))
        query = F.normalize(self.query(both).float(), dim=-1)
        gate, value = self.gate_value(both).chunk(2, dim=-1)
        attention = (query * self.log_scale.exp() @ query.transpose(1, 2)).float().softmax(-1)
        out = attention.to(value.dtype) @ F.silu(value) * F.silu(gate)
        out = self.project(to_tokens(self.mix(to_map(out, size))))
        dx, dz = out.chunk(2, dim=-1)
        return x + dx, z + dz


class LightGPM(nn.Module):
    """Gated propagation module: identities flow from memory into the identity branch."""

    def __init__(self, dim: int, *, first: bool) -> None:
        super().__init__()
        self.first = first
        self.norm_x = nn.LayerNorm(dim)
        self.norm_z = nn.Identity() if first else nn.LayerNorm(dim)
        inputs = dim if first else 2 * dim
        self.query = nn.Linear(dim, KEY_CHANNELS)
        self.gate = nn.Linear(inputs, 2 * dim)
        self.identity_value = nn.Linear(inputs, dim)
        self.long_term = LongTermMatch()
        self.short_term = ShortTermMatch(scale=12.0)
        self.mix = nn.Conv2d(2 * dim, 2 * dim, 5, 1, 2, groups=2 * dim)
        self.project = nn.Linear(2 * dim, dim)
        self.self_propagation = GatedSelfPropagation(dim)

    def key(self, x: Tensor) -> Tensor:
        """Give unit keys (B, 1, h * w, 64) of visual tokens."""
        return F.normalize(self.query(self.norm_x(x)).float(), dim=-1)[:, None]

    def value(self, z: Tensor | None, identity: Tensor) -> Tensor:
        """Give identity values (B, h * w, dim) of a frame whose identities are known."""
        inputs = identity if z is None else torch.cat([self.norm_z(z), identity], dim=-1)
        return F.silu(self.identity_value(inputs))

    def forward(
        self,
        x: Tensor,
        z: Tensor | None,
        query: Tensor,
        long_term: MemoryEntry,
        short_term: MemoryEntry,
        size: tuple[int, int],
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Propagate; gives x, z and what else the long-term and short-term values carried."""
        dim = x.shape[-1]
        far = self.long_term(query, long_term)[:, 0]
        near = self.short_term(query, short_term, size)[:, 0]
        visual = self.norm_x(x)
        gate = F.silu(self.gate(visual if z is None else torch.cat([visual, self.norm_z(z)], dim=-1)))
        out = torch.cat([far[..., :dim], near[..., :dim]], dim=-1) * gate
        out = self.project(to_tokens(self.mix(to_map(out, size))))
        x, z = self.self_propagation(x, out if z is None else z + out, size)
        return x, z, far[..., dim:], near[..., dim:]


class LightDecoder(nn.Module):
    """From propagated tokens, pyramid and matched masks to logits at stride 4."""

    def __init__(self, dim: int, c4: int, c8: int, identities: int) -> None:
        super().__init__()
        self.in16 = nn.Conv2d(2 * dim, 96, 1)
        self.in8 = nn.Conv2d(c8 + KEY_CHANNELS, 96, 1)
        self.conv8 = nn.Sequential(nn.GroupNorm(8, 96), nn.ReLU(inplace=True), nn.Conv2d(96, 64, 3, 1, 1))
        self.in4 = nn.Conv2d(c4, 64, 1)
        self.conv4 = nn.Sequential(
            nn.GroupNorm(8, 64),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, 48, 3, 1, 1),
            nn.GroupNorm(8, 48),
            nn.ReLU(inplace=True),
        )
        self.identity_logits = nn.Conv2d(48, identities, 1)
        self.match_weights = nn.Parameter(torch.tensor([1.0, 0.0, 0.0]))
        self.match_scale = nn.Parameter(torch.tensor(1.0))
        # One small network, shared by all identities, weighs the matched masks against the image.
        self.mask_in = nn.Conv2d(4, 24, 3, 1, 1)
        self.image_in = nn.Conv2d(48, 24, 1)
        self.background = nn.Parameter(torch.zeros(24))
        self.mask_mid = nn.Conv2d(24, 16, 3, 1, 1)
        self.mask_out = nn.Conv2d(16, 1, 1)
        nn.init.normal_(self.identity_logits.weight, 0, 0.01)
        nn.init.normal_(self.mask_out.weight, 0, 0.02)

    def forward(
        self,
        f4: Tensor,
        f8: Tensor,
        tokens16: Tensor,
        tokens8: Tensor,
        matched: list[Tensor],
        previous: Tensor,
        identities: Tensor,
    ) -> Tensor:
        """Decode the logits of S identities.

        Args:
            f4: (B, c4, H / 4, W / 4).
            f8: (B, c8, H / 8, W / 8).
            tokens16: (B, 2 dim, H / 16, W / 16).
            tokens8: (B, 64, H / 8, W / 8).
            matched: Three maps of the identities' matched masks (B, S, H / 4, W / 4), from stride 8, the
                long-term and the short-term memory.
            previous: Their masks in the short-term memory, same shape.
            identities: (B, S).
        """
        y = upsample(self.in16(tokens16), f8.shape[-2:]) + self.in8(torch.cat([f8, tokens8], dim=1))
        y = upsample(self.conv8(y), f4.shape[-2:]) + self.in4(f4)
        y = self.conv4(y)

        weights = self.match_weights.softmax(0)
        mixed = sum(w * m.float() for w, m in zip(weights, matched, strict=True))
        prior = self.match_scale * torch.log(mixed + 0.02)

        masks = torch.stack([*matched, previous], dim=2).flatten(0, 1)
        hidden = self.mask_in(masks).unflatten(0, identities.shape) + self.image_in(y)[:, None]
        is_background = (identities == 0).to(hidden.dtype)[:, :, None, None, None]
        hidden = (hidden + is_background * self.background[:, None, None]).relu_()
        refined = self.mask_out(self.mask_mid(hidden.flatten(0, 1)).relu_()).view_as(previous)
        return prior + channels_of(self.identity_logits(y), identities).float() + refined.float()


class VMOSLight(PropagationNetwork):
    """The embedded default network: about 5 M parameters, for a CPU."""

    align_corners = False
    # Its maps are wide and of few channels: a tenth faster on a CPU this way.
    memory_format = torch.channels_last

    def __init__(self, channels: tuple[int, int, int, int] = (32, 64, 128, 224), dim: int = 128) -> None:
        super().__init__()
        identities = self.max_objects + 1
        _, c4, c8, c16 = channels
        patch = 4 * identities
        self.layouts = (
            LayerLayout(16, 1, KEY_CHANNELS, dim + patch),
            LayerLayout(16, 1, KEY_CHANNELS, dim),
            LayerLayout(8, 1, KEY_CHANNELS, KEY_CHANNELS + patch),
        )
        self.encoder = LightEncoder(channels)
        self.project16 = nn.Conv2d(c16, dim, 1)
        self.key8 = nn.Conv2d(c8, KEY_CHANNELS, 1)
        self.key8_context = nn.Conv2d(c16, KEY_CHANNELS, 1)
        self.identity16 = nn.Conv2d(identities, dim, 6, 4, 1, bias=False)
        self.identity8 = nn.Conv2d(identities, KEY_CHANNELS, 4, 2, 1, bias=False)
        nn.init.normal_(self.identity16.weight, 0, 0.1)
        nn.init.normal_(self.identity8.weight, 0, 0.15)
        self.layer1 = LightGPM(dim, first=True)
        self.layer2 = LightGPM(dim, first=False)
        self.short_term8 = ShortTermMatch(scale=10.0)
        self.value8 = nn.Linear(KEY_CHANNELS, KEY_CHANNELS)
        self.decoder = LightDecoder(dim, c4, c8, identities)

    def encode(self, images: Tensor) -> Features:
        """See `PropagationNetwork.encode`; f4, f8, visual tokens (stride 16), keys (stride 8)."""
        f4, f8, f16 = self.encoder(images)
        key8 = self.key8(f8) + upsample(self.key8_context(f16), f8.shape[-2:])
        return f4, f8, self.project16(f16), F.normalize(key8.float(), dim=1)

    def embed_identity(self, one_hot: Tensor) -> Identity:
        """See `PropagationNetwork.embed_identity`; the last item is the masks themselves at stride 4."""
        masks = F.avg_pool2d(one_hot, 4)
        return to_tokens(self.identity16(masks)), to_tokens(self.identity8(masks)), masks

    def reference(self, features: Features, identity: Identity) -> Memory:
        """See `PropagationNetwork.reference`."""
        x = to_tokens(features[2])
        size = _size(features[2])
        entry = self._first_entry(self.layer1.key(x), identity)
        x, z, _, _ = self.layer1(x, None, entry.key, entry, entry, size)
        pending = ((entry.key,), (self.layer2.key(x), z), (to_tokens(features[3])[:, None],))
        return self.memorize(Propagation((), pending), identity)

    def propagate(self, features: Features, long_term: Memory, short_term: Memory) -> Propagation:
        """See `PropagationNetwork.propagate`."""
        x = to_tokens(features[2])
        size, size8 = _size(features[2]), _size(features[3])
        key1 = self.layer1.key(x)
        x, z, far, near = self.layer1(x, None, key1, long_term[0], short_term[0], size)
        key2 = self.layer2.key(x)
        pending2 = (key2, z)
        x, z, _, _ = self.layer2(x, z, key2, long_term[1], short_term[1], size)
        key8 = to_tokens(features[3])[:, None]
        out8 = self.short_term8(key8, short_term[2], size8)[:, 0]

        matched8 = F.pixel_shuffle(to_map(out8[..., KEY_CHANNELS:], size8), 2)
        far8, near8 = (F.pixel_shuffle(to_map(masks, size), 2) for masks in (far, near))
        previous = F.pixel_shuffle(to_map(short_term[2].value[:, 0, :, KEY_CHANNELS:], size8), 2)
        matched = [
            _unmatched_is_background(m)
            for m in (matched8, upsample(far8, matched8.shape[-2:]), upsample(near8, matched8.shape[-2:]))
        ]
        embeddings = (
            to_map(torch.cat([x, z], dim=-1), size),
            to_map(out8[..., :KEY_CHANNELS], size8),
            previous,
            *matched,
        )
        return Propagation(embeddings, ((key1,), pending2, (key8,)))

    def decode(self, features: Features, propagation: Propagation, identities: Tensor) -> Tensor:
        """See `PropagationNetwork.decode`."""
        tokens16, tokens8, *masks = propagation.embeddings
        previous, *matched = (channels_of(m, identities) for m in masks)
        return self.decoder(features[0], features[1], tokens16, tokens8, matched, previous, identities)

    def matched_masks(self, propagation: Propagation) -> tuple[Tensor, ...]:
        """See `PropagationNetwork.matched_masks`."""
        return propagation.embeddings[3:]

    def memorize(self, propagation: Propagation, identity: Identity) -> Memory:
        """See `PropagationNetwork.memorize`."""
        (key1,), (key2, z), (key8,) = propagation.pending
        identity16, identity8, masks = identity
        value8 = F.silu(self.value8(identity8))
        patches8 = to_tokens(F.pixel_unshuffle(masks, 2)).to(value8.dtype)
        return (
            self._first_entry(key1, identity),
            MemoryEntry(key2, self.layer2.value(z, identity16)[:, None]),
            MemoryEntry(key8, torch.cat([value8, patches8], dim=-1)[:, None]),
        )

    def _first_entry(self, key: Tensor, identity: Identity) -> MemoryEntry:
        identity16, _, masks = identity
        value = self.layer1.value(None, identity16)
        patches = to_tokens(F.pixel_unshuffle(F.avg_pool2d(masks, 2), 2)).to(value.dtype)
        return MemoryEntry(key, torch.cat([value, patches], dim=-1)[:, None])


def _size(x: Tensor) -> tuple[int, int]:
    return x.shape[-2], x.shape[-1]


def _unmatched_is_background(masks: Tensor) -> Tensor:
    """Give the part of each pixel that matched nothing to the background channel."""
    rest = (1 - masks.sum(1, keepdim=True)).clamp(min=0)
    return torch.cat([masks[:, :1] + rest, masks[:, 1:]], dim=1)
