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
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqtrack.nets.encoders.efficientnet import EfficientNetLite0
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
from hqtrack.nets.layered import embedded
from hqtrack.nets.layers import DepthwiseConv2d, grid_of, to_map, to_tokens
from hqtrack.nets.matching import MATCH_RADIUS, crowding, match_all, match_windows

KEY_CHANNELS = 64
MATCHES = 7
"""Masks that matching gives: from the frame before, at stride 8; from the long-term memory; from the frame
before, at stride 16; from the references alone; from the references at stride 8; by what whole objects look
like, pixel by pixel; and the frame before's once more, each object called what it looks like."""
REFERENCE_TOKENS = 640
"""Tokens of the references at stride 8 that objects are matched with, and as many of the background."""


class LightFeatures(NamedTuple):
    """What the encoder makes of an image: `Features`."""

    f4: Tensor
    """(B, c4, H / 4, W / 4)."""
    f8: Tensor
    """(B, c8, H / 8, W / 8)."""
    visual16: Tensor
    """(B, dim, H / 16, W / 16): visual tokens, as a map."""
    key8: Tensor
    """(B, 64, H / 8, W / 8): unit keys, as a map."""


class LightIdentity(NamedTuple):
    """Embeddings of one set of masks: `Identity`."""

    tokens16: Tensor
    """(B, H / 16 * W / 16, dim)."""
    tokens8: Tensor
    """(B, H / 8 * W / 8, 64)."""
    masks: Tensor
    """(B, identities, H / 4, W / 4): the masks themselves."""


class LightMemory(NamedTuple):
    """What is kept of one or more frames: `Memory`, in the order of `VMOSLight.layouts`."""

    first16: MemoryEntry
    """Of the first layer; its values end with 2 x 2 patches of masks."""
    second16: MemoryEntry
    """Of the second layer."""
    fine8: MemoryEntry
    """At stride 8; its values end with 2 x 2 patches of masks."""


class LightEmbeddings(NamedTuple):
    """What the decoder needs: `Propagation.embeddings`, with the matched masks after the last."""

    tokens16: Tensor
    """(B, 2 dim, H / 16, W / 16)."""
    tokens8: Tensor
    """(B, 64, H / 8, W / 8)."""
    previous: Tensor
    """(B, identities, H / 4, W / 4): masks in the short-term memory."""


class LightPending(NamedTuple):
    """What `VMOSLight.memorize` needs of a frame: `Propagation.pending`, in the order of the layers."""

    first16: tuple[Tensor]
    """Its keys (B, 1, T, 64)."""
    second16: tuple[Tensor, Tensor]
    """Its keys, and identity tokens (B, T, dim)."""
    fine8: tuple[Tensor]
    """Its keys."""


class Propagated(NamedTuple):
    """What a layer makes of a frame's tokens."""

    x: Tensor
    """(B, T, dim): visual tokens."""
    z: Tensor
    """(B, T, dim): identity tokens."""
    far: Tensor
    """What else the long-term values carried."""
    near: Tensor
    """What else the short-term values carried."""


def upsample(x: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Resize a map (B, C, h, w) bilinearly."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class LongTermMatch(nn.Module):
    """Cosine attention from every token to all tokens of the long-term memory."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(12.0)))
        self.no_match = nn.Parameter(torch.tensor(7.0))

    def forward(
        self, query: Tensor, entry: MemoryEntry, references: int, masks_from: int | None = None
    ) -> Tensor:
        """Match query (B, 1, Q, C) against a memory of T tokens; gives (B, 1, Q, value channels).

        Args:
            query: Unit keys.
            entry: The memory.
            references: How many of its tokens, the first ones, are of references.
            masks_from: Value channels from this one on are given once more, at the end, as matched with the
                references alone: what drifted can never outvote them there.
        """
        matched, sure = match_all(
            query[:, 0],
            entry.key[:, 0],
            entry.value[:, 0],
            scale=self.log_scale.exp(),
            no_match=self.no_match + crowding(entry.key.shape[-2]),
            first=None if masks_from is None else references,
            first_no_match=self.no_match + crowding(references),
            first_from=masks_from or 0,
        )
        return (matched if sure is None else torch.cat([matched, sure], dim=-1))[:, None]


class ShortTermMatch(nn.Module):
    """Cosine attention within a window of 15 x 15 tokens of one earlier frame."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.no_match = nn.Parameter(torch.tensor(5.0))
        offset = torch.arange(-MATCH_RADIUS, MATCH_RADIUS + 1.0)
        # Small displacements are likelier: the prior starts as a parabola and is learned.
        self.displacement = nn.Parameter(-0.02 * (offset[:, None] ** 2 + offset[None, :] ** 2))

    def forward(self, query: Tensor, entry: MemoryEntry, size: tuple[int, int]) -> Tensor:
        """Match query (B, 1, h * w, C) against one frame of h * w tokens."""
        out = match_windows(
            query[:, 0],
            entry.key[:, 0],
            entry.value[:, 0],
            size,
            prior=self.displacement,
            scale=self.log_scale.exp(),
            no_match=self.no_match,
        )
        return out[:, None]


class GatedSelfPropagation(nn.Module):
    """Gated self-attention over visual and identity tokens together (DeAOT's GPM, second half)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        both = 2 * dim
        self.norm = nn.LayerNorm(both)
        self.query = nn.Linear(both, KEY_CHANNELS)
        self.gate_value = nn.Linear(both, 2 * both)
        self.mix = DepthwiseConv2d(both, 5)
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
        self.mix = DepthwiseConv2d(2 * dim, 5)
        self.project = nn.Linear(2 * dim, dim)
        self.self_propagation = GatedSelfPropagation(dim)

    def key(self, x: Tensor) -> Tensor:
        """Return unit keys (B, 1, h * w, 64) of visual tokens."""
        key = F.normalize(self.query(self.norm_x(x)).float(), dim=-1)
        return key.to(self.query.weight.dtype)[:, None]

    def value(self, z: Tensor | None, identity: Tensor) -> Tensor:
        """Return identity values (B, h * w, dim) of a frame whose identities are known."""
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
        references: float = 1,
    ) -> Propagated:
        """Propagate identities to a frame.

        The first layer's long-term memory gives the masks it carries twice: as all of it matched, and as the
        references alone did.
        """
        dim = x.shape[-1]
        known = _reference_tokens(references, size)
        far = self.long_term(query, long_term, known, dim if self.first else None)[:, 0]
        near = self.short_term(query, short_term, size)[:, 0]
        visual = self.norm_x(x)
        gate = F.silu(self.gate(visual if z is None else torch.cat([visual, self.norm_z(z)], dim=-1)))
        out = torch.cat([far[..., :dim], near[..., :dim]], dim=-1) * gate
        out = self.project(to_tokens(self.mix(to_map(out, size))))
        x, z = self.self_propagation(x, out if z is None else z + out, size)
        return Propagated(x, z, far[..., dim:], near[..., dim:])


class ReferenceMatch(nn.Module):
    """Cosine attention at stride 8 to the references alone: for objects that are lost at stride 16.

    All tokens of all references are many; some of each object's and of the background's are enough.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(14.0)))
        self.no_match = nn.Parameter(torch.tensor(7.0))

    def forward(self, query: Tensor, key: Tensor, patches: Tensor) -> Tensor:
        """Match query (B, Q, C) with the references' keys (B, R, C); gives masks (B, Q, 4 * identities).

        Args:
            query: Unit keys of the frame.
            key: Unit keys of the references.
            patches: Their masks (B, R, 4 * identities), 2 x 2 to a token.
        """
        chosen = _drawn_tokens(patches)
        key = key.gather(1, chosen[..., None].expand(-1, -1, key.shape[-1]))
        patches = patches.gather(1, chosen[..., None].expand(-1, -1, patches.shape[-1]))
        return match_all(query, key, patches, scale=self.log_scale.exp(), no_match=self.no_match)[0]


def _drawn_tokens(patches: Tensor) -> Tensor:
    """Choose tokens (B, n) of references (B, R, 4 * identities): objects first, then background first.

    Among equals the choice is spread evenly, and always the same.
    """
    tokens = patches.shape[1]
    background = patches[..., :4].float().mean(-1)
    spread = torch.arange(tokens, device=patches.device) * 0.6180339887 % 1
    count = torch.sym_min(REFERENCE_TOKENS, tokens)
    objects = (spread - 2 * background).topk(count, dim=1).indices
    return torch.cat([objects, (spread + 2 * background).topk(count, dim=1).indices], dim=1)


class ObjectComparison(nn.Module):
    """Compares what tokens, and whole objects, look like with what each object looked like when given.

    An object's look is the mean of its unit keys, at strides 16 and 8, in the references.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_scales = nn.Parameter(torch.full((2, 2), math.log(6.0)))
        """Temperatures of tokens and of whole objects, at strides 16 and 8."""
        self.background = nn.Parameter(torch.zeros(2))
        """What is added to the background's score, for tokens and whole objects."""

    def forward(
        self,
        keys: tuple[Tensor, Tensor],
        reference_keys: tuple[Tensor, Tensor],
        reference_masks: tuple[Tensor, Tensor],
        previous: Tensor,
        sizes: tuple[tuple[int, int], tuple[int, int]],
    ) -> tuple[Tensor, Tensor]:
        """Return two maps of identities (B, identities, h, w) at stride 8.

        Args:
            keys: Unit keys (B, Q, C) of the frame at strides 16 and 8.
            reference_keys: The references', (B, R, C).
            reference_masks: The references' masks (B, R, identities) at both strides.
            previous: Masks (B, identities, h, w) that propagation gives this frame, at stride 8.
            sizes: (h, w) at strides 16 and 8.

        Returns:
            What each token looks like; and `previous` where each object was called what it looks like.
        """
        levels = zip(
            keys, reference_keys, reference_masks, (F.avg_pool2d(previous, 2), previous), sizes, strict=True
        )
        tokens, objects = [], []
        for scale, (key, known, masks, propagated, size) in zip(
            self.log_scales.exp().unbind(1), levels, strict=True
        ):
            look = F.normalize(masks.float().transpose(1, 2) @ known.float(), dim=-1)
            pooled = F.normalize(propagated.float().flatten(2) @ key.float(), dim=-1)
            tokens.append(scale[0] * to_map(key.float() @ look.transpose(1, 2), size))
            objects.append(scale[1] * (pooled @ look.transpose(1, 2)))
        absent = reference_masks[0].sum(1) <= 0
        is_background = torch.zeros_like(absent)
        is_background[:, 0] = True

        by_token = upsample(tokens[0], sizes[1]) + tokens[1]
        by_token = by_token + self.background[0] * is_background[:, :, None, None]
        by_token = by_token.masked_fill(absent[:, :, None, None], -1e4).softmax(1)
        by_object = objects[0] + objects[1] + self.background[1] * is_background[:, None, :]
        called = by_object.masked_fill(absent[:, None, :], -1e4).softmax(-1)
        # What was background stays background.
        called = torch.cat([is_background[:, None].to(called.dtype), called[:, 1:]], dim=1)
        renamed = called.transpose(1, 2) @ previous.float().flatten(2)
        return by_token, renamed.unflatten(2, sizes[1])


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
        self.match_weights = nn.Parameter(torch.tensor([1.0, *[0.0] * 2, *[-4.0] * (MATCHES - 3)]))
        self.match_scale = nn.Parameter(torch.tensor(1.0))
        # One small network, shared by all identities, weighs the matched masks against the image.
        self.mask_in = nn.Conv2d(MATCHES + 1, 24, 3, 1, 1)
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
            matched: Maps of the identities' matched masks (B, S, H / 4, W / 4), see `MATCHES`.
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
        hidden = self.mask_in(masks).unflatten(0, identities.shape)
        is_background = (identities == 0).to(hidden.dtype)[:, :, None, None, None]
        background = self.background.to(hidden.dtype)[:, None, None]
        # In place: these are the largest maps here, one for each identity.
        hidden.add_(self.image_in(y)[:, None]).addcmul_(is_background, background).relu_()
        refined = self.mask_out(self.mask_mid(hidden.flatten(0, 1)).relu_()).view_as(previous)
        return prior + channels_of(self.identity_logits(y), identities).float() + refined.float()


class VMOSLight(PropagationNetwork):
    """The embedded default network: about 4 M parameters, for a CPU."""

    align_corners = False
    # Its maps are wide and of few channels: a tenth faster on a CPU this way.
    memory_format = torch.channels_last

    def __init__(self, dim: int = 128) -> None:
        super().__init__()
        identities = self.max_objects + 1
        self.encoder = EfficientNetLite0()
        c4, c8, *deep = self.encoder.channels
        c16 = sum(deep)
        patch = 4 * identities
        self.layouts = (
            LayerLayout(16, 1, KEY_CHANNELS, dim + patch),
            LayerLayout(16, 1, KEY_CHANNELS, dim),
            LayerLayout(8, 1, KEY_CHANNELS, KEY_CHANNELS + patch),
        )
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
        self.reference8 = ReferenceMatch()
        self.comparison = ObjectComparison()
        # What the references alone say reaches the second layer as identities too; it starts silent.
        self.recognised = nn.Linear(2 * dim, dim)
        nn.init.zeros_(self.recognised.weight)
        nn.init.zeros_(self.recognised.bias)
        self.decoder = LightDecoder(dim, c4, c8, identities)

    def encode(self, images: Tensor) -> Features:
        """See `PropagationNetwork.encode`; returns `LightFeatures`."""
        f4, f8, f16, f32 = self.encoder(images)
        f16 = torch.cat([f16, upsample(f32, f16.shape[-2:])], dim=1)
        key8 = self.key8(f8) + upsample(self.key8_context(f16), f8.shape[-2:])
        key8 = F.normalize(key8.float(), dim=1).to(self.key8.weight.dtype)
        return LightFeatures(f4, f8, self.project16(f16), key8)

    def embed_identity(self, one_hot: Tensor) -> Identity:
        """See `PropagationNetwork.embed_identity`; returns `LightIdentity`."""
        absent = self.max_objects + 1 - one_hot.shape[1]
        masks = F.pad(F.avg_pool2d(one_hot, 4), (0, 0, 0, 0, 0, absent))
        used = masks[:, : one_hot.shape[1]]
        coarse, fine = (embedded(used, bank) for bank in (self.identity16, self.identity8))
        return LightIdentity(to_tokens(coarse), to_tokens(fine), masks)

    def reference(self, features: Features, identity: Identity) -> Memory:
        """See `PropagationNetwork.reference`."""
        levels = LightFeatures(*features)
        x = to_tokens(levels.visual16)
        size = grid_of(levels.visual16)
        entry = self._first_entry(self.layer1.key(x), LightIdentity(*identity))
        first = self.layer1(x, None, entry.key, entry, entry, size)
        key2 = self.layer2.key(first.x)
        pending = LightPending((entry.key,), (key2, first.z), (to_tokens(levels.key8)[:, None],))
        return self.memorize(Propagation((), pending), identity)

    def propagate(
        self,
        features: Features,
        long_term: Memory,
        short_term: Memory,
        references: float = 1,
        identities: int | None = None,
    ) -> Propagation:
        """See `PropagationNetwork.propagate`."""
        if identities is not None:
            long_term, short_term = (_of_identities(memory, identities) for memory in (long_term, short_term))
        known, recent, levels = LightMemory(*long_term), LightMemory(*short_term), LightFeatures(*features)
        x = to_tokens(levels.visual16)
        size, size8 = grid_of(levels.visual16), grid_of(levels.key8)
        dim = x.shape[-1]
        key1 = self.layer1.key(x)
        key8 = to_tokens(levels.key8)[:, None]
        first = self.layer1(x, None, key1, known.first16, recent.first16, size, references)
        far, sure = first.far.chunk(2, dim=-1)
        out8 = self.short_term8(key8, recent.fine8, size8)[:, 0]
        matched8 = _masks(out8[..., KEY_CHANNELS:], size8)

        keys = key1[:, 0], key8[:, 0]
        coarse, fine = (
            _references(entry, _reference_tokens(references, grid))
            for entry, grid in ((known.first16, size), (known.fine8, size8))
        )
        patches = coarse.value[..., dim:], fine.value[..., KEY_CHANNELS:]
        sure8 = _masks(self.reference8(keys[1], fine.key, patches[1]), size8)
        alike, renamed = self.comparison(
            keys,
            (coarse.key, fine.key),
            (_token_masks(patches[0]), _token_masks(patches[1])),
            F.avg_pool2d(matched8, 2),
            (size, size8),
        )
        quarter = matched8.shape[-2:]
        matched = [
            matched8,
            *(upsample(_masks(masks, size), quarter) for masks in (far, first.near, sure)),
            sure8,
        ]
        matched = [_unmatched_is_background(m) for m in matched]
        matched += [upsample(m.to(matched8.dtype), quarter) for m in (alike, renamed)]

        recognised = [to_tokens(embedded(m, self.identity16)) for m in (sure8, matched[-1])]
        z = first.z + self.recognised(torch.cat(recognised, dim=-1))
        key2 = self.layer2.key(first.x)
        second = self.layer2(first.x, z, key2, known.second16, recent.second16, size, references)
        embeddings = LightEmbeddings(
            to_map(torch.cat([second.x, second.z], dim=-1), size),
            to_map(out8[..., :KEY_CHANNELS], size8),
            _masks(recent.fine8.value[:, 0, :, KEY_CHANNELS:], size8),
        )
        return Propagation((*embeddings, *matched), LightPending((key1,), (key2, z), (key8,)))

    def decode(self, features: Features, propagation: Propagation, identities: Tensor) -> Tensor:
        """See `PropagationNetwork.decode`."""
        levels = LightFeatures(*features)
        inputs = LightEmbeddings(*propagation.embeddings[:-MATCHES])
        matched = [channels_of(each, identities) for each in self.matched_masks(propagation)]
        previous = channels_of(inputs.previous, identities)
        return self.decoder(
            levels.f4, levels.f8, inputs.tokens16, inputs.tokens8, matched, previous, identities
        )

    def matched_masks(self, propagation: Propagation) -> tuple[Tensor, ...]:
        """Return masks (B, identities, H / 4, W / 4) that attention alone found, for an auxiliary loss."""
        return propagation.embeddings[-MATCHES:]

    def memorize(self, propagation: Propagation, identity: Identity) -> Memory:
        """See `PropagationNetwork.memorize`."""
        (key1,), (key2, z), (key8,) = propagation.pending
        known = LightIdentity(*identity)
        value8 = F.silu(self.value8(known.tokens8))
        patches8 = to_tokens(F.pixel_unshuffle(known.masks, 2)).to(value8.dtype)
        return LightMemory(
            self._first_entry(key1, known),
            MemoryEntry(key2, self.layer2.value(z, known.tokens16)[:, None]),
            MemoryEntry(key8, torch.cat([value8, patches8], dim=-1)[:, None]),
        )

    def _first_entry(self, key: Tensor, identity: LightIdentity) -> MemoryEntry:
        value = self.layer1.value(None, identity.tokens16)
        patches = to_tokens(F.pixel_unshuffle(F.avg_pool2d(identity.masks, 2), 2)).to(value.dtype)
        return MemoryEntry(key, torch.cat([value, patches], dim=-1)[:, None])


def _masks(patches: Tensor, size: tuple[int, int]) -> Tensor:
    """Turn tokens' 2 x 2 patches of masks (B, h * w, 4 * identities) into maps (B, identities, 2 h, 2 w)."""
    return F.pixel_shuffle(to_map(patches, size), 2)


def _token_masks(patches: Tensor) -> Tensor:
    """Return each token's share of each identity, (B, T, 4 * identities) to (B, T, identities)."""
    return patches.unflatten(-1, (-1, 4)).mean(-1)


def _of_identities(memory: Memory, identities: int) -> Memory:
    """Leave out of values the patches of masks of all but the first identities, which are at their end."""
    unused = 4 * (VMOSLight.max_objects + 1 - identities)
    if unused == 0:
        return memory
    with_masks = {0, 2}  # layers whose values carry masks
    return tuple(
        MemoryEntry(key, value[..., :-unused] if layer in with_masks else value)
        for layer, (key, value) in enumerate(memory)
    )


def _reference_tokens(references: float, grid: tuple[int, int]) -> int:
    """Return how many tokens of a memory are of references, on a grid."""
    if isinstance(references, float):  # there are pictures of other sizes
        return round(references * math.prod(grid))
    return references * math.prod(grid)


def _references(entry: MemoryEntry, tokens: int) -> MemoryEntry:
    """Return the references' tokens of a long-term memory of one head, without the axis of heads."""
    return MemoryEntry(entry.key[:, 0, :tokens], entry.value[:, 0, :tokens])


def _unmatched_is_background(masks: Tensor) -> Tensor:
    """Return the part of each pixel that matched nothing to the background channel."""
    rest = (1 - masks.sum(1, keepdim=True)).clamp(min=0)
    return torch.cat([masks[:, :1] + rest, masks[:, 1:]], dim=1)
