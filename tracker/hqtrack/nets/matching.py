"""Cosine matching: softmax attention of unit vectors, with one more score for what resembles nothing.

Unit vectors bound every score by the temperature, so that the softmax needs no search for its maximum, and
its sum can be taken in parts. Exponentials are powers of 2, which processors are three times as fast at.
Weights of poor matches are too small for float16, whose tensors are matched in float32.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

MATCH_RADIUS = 7
"""Windows see 7 tokens to each side, 15 x 15 of them (AOT, section 4)."""

_BLOCK = 8
"""Queries of a block of 8 x 8 are matched with the 22 x 22 keys that their windows cover together."""
_SCORES_AT_ONCE = 2_500_000
"""10 MB of them in float32. Processors are fastest with few large products, which their cores divide."""


def match_all(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    scale: Tensor,
    no_match: Tensor,
    first: int | None = None,
    first_no_match: Tensor | None = None,
    first_from: int = 0,
) -> tuple[Tensor, Tensor | None]:
    """Match every token with all tokens of a memory, and once more with the first ones alone.

    Args:
        query: Unit vectors (B, Q, C).
        key: Unit vectors (B, T, C).
        value: (B, T, V).
        scale: Temperature, a scalar: scores are cosines times this.
        no_match: Score of the absent match, a scalar; its value is zero.
        first: Number of tokens that are also matched alone, with the same scores; None matches none so.
        first_no_match: The absent match's score there; by default `no_match`.
        first_from: Values' channels from this one on are given there.

    Returns:
        (B, Q, V), and (B, Q, V - first_from) or None.
    """
    if value.dtype == torch.float16:
        wide = match_all(
            query.float(),
            key.float(),
            value.float(),
            scale=scale,
            no_match=no_match,
            first=first,
            first_no_match=first_no_match,
            first_from=first_from,
        )
        return wide[0].half(), None if wide[1] is None else wide[1].half()
    query, ceiling = _sharpened(query, scale)
    absent = _absent(no_match, ceiling)
    first_absent = absent if first_no_match is None else _absent(first_no_match, ceiling)
    key = key.transpose(1, 2)
    matched, alone = [], []
    for part in _parts(query, key.shape[-1]):
        weights = torch.baddbmm(ceiling, part, key).exp2_()
        matched.append(weights @ value / (weights.sum(-1, keepdim=True) + absent))
        if first is not None:
            own = weights[..., :first]
            alone.append(own @ value[:, :first, first_from:] / (own.sum(-1, keepdim=True) + first_absent))
    return torch.cat(matched, 1), torch.cat(alone, 1) if alone else None


def match_windows(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    grid: tuple[int, int],
    *,
    prior: Tensor,
    scale: Tensor,
    no_match: Tensor,
) -> Tensor:
    """Match every token with those in a window of 15 x 15 around its place in one earlier frame.

    Args:
        query: Unit vectors (B, h * w, C), row by row.
        key: Unit vectors (B, h * w, C).
        value: (B, h * w, V).
        grid: (h, w).
        prior: Logarithms of factors (15, 15), one for each displacement of key from query, rows first.
        scale: Temperature, a scalar.
        no_match: Score of the absent match, a scalar; its value is zero.

    Returns:
        (B, h * w, V).
    """
    if value.dtype == torch.float16:
        wide = match_windows(
            query.float(), key.float(), value.float(), grid, prior=prior, scale=scale, no_match=no_match
        )
        return wide.half()
    batch, _, channels = value.shape
    height, width = grid
    query, ceiling = _sharpened(query, scale)
    absent = _absent(no_match, ceiling)
    factors = _factors_of_a_block(prior).to(query.dtype)
    # Keys beyond the border are zero vectors, which match. But their values are zero, and so is their part of
    # the sum, for which every value carries a one.
    value = torch.cat([value, value.new_ones(batch, height * width, 1)], -1)
    queries = _blocks(query, grid, 0)
    keys, values = (_blocks(tokens, grid, MATCH_RADIUS) for tokens in (key, value))
    scores = batch * queries.shape[2] * factors.numel()
    out = []
    for query_rows, key_rows, value_rows in zip(
        *(_parts(blocks, scores) for blocks in (queries, keys, values)), strict=True
    ):
        weights = torch.baddbmm(ceiling, _stacked(query_rows), _stacked(key_rows).transpose(1, 2))
        sums = (weights.exp2_() * factors) @ _stacked(value_rows)
        part = sums[..., :channels] / (sums[..., channels:] + absent)
        out.append(part.view(batch, -1, queries.shape[2], _BLOCK, _BLOCK, channels))
    # (B, block rows, block columns, 8, 8, V) to rows and columns
    whole = torch.cat(out, 1).transpose(2, 3).flatten(3, 4).flatten(1, 2)
    return whole[:, :height, :width].flatten(1, 2)


def crowding(tokens: int) -> float | Tensor:
    """Return by how much the absent match's score rises with the number of tokens in memory.

    More tokens mean more accidental matches; at 100 of them it is 0.
    """
    if torch.compiler.is_exporting():  # a graph takes any number
        return torch.full((), tokens, dtype=torch.float32).div(100).log()
    return math.log(tokens / 100)


def _parts(rows: Tensor, scores: int) -> tuple[Tensor, ...]:
    """Split (B, N, …) along N, so that each part has few enough scores; each of the N has so many."""
    if torch.compiler.is_exporting():  # a graph has no loops
        return (rows,)
    return rows.split(max(1, _SCORES_AT_ONCE // scores), dim=1)


def _sharpened(query: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Return queries whose products with keys are powers of 2, and minus the highest product, (1, 1, 1)."""
    sharpness = scale / math.log(2)
    # The ceiling cancels out: there is nothing to learn from it.
    return query * sharpness.to(query.dtype), -sharpness.detach().to(query.dtype).view(1, 1, 1)


def _absent(no_match: Tensor, ceiling: Tensor) -> Tensor:
    """Return the weight of the absent match, on the scale of the others."""
    return torch.exp2(no_match / math.log(2) + ceiling.to(no_match.dtype)).to(ceiling.dtype)


def _blocks(tokens: Tensor, grid: tuple[int, int], margin: int) -> Tensor:
    """View tokens (B, h * w, C) as blocks with a margin, (B, block rows, block columns, C, side, side)."""
    bottom, right = (margin + -side % _BLOCK for side in grid)
    padded = F.pad(tokens.unflatten(1, grid), (0, 0, margin, right, margin, bottom))
    side = _BLOCK + 2 * margin
    return padded.unfold(1, side, _BLOCK).unfold(2, side, _BLOCK)


def _stacked(blocks: Tensor) -> Tensor:
    """Copy blocks (B, block rows, block columns, C, side, side) to matrices (blocks, side², C)."""
    return blocks.permute(0, 1, 2, 4, 5, 3).reshape(-1, blocks.shape[-2] * blocks.shape[-1], blocks.shape[3])


def _factors_of_a_block(prior: Tensor) -> Tensor:
    """Return the factors (64, 484) of a block's queries and keys; 0 where a key is outside of the window."""
    side = _BLOCK + 2 * MATCH_RADIUS
    places = torch.arange(side, device=prior.device)
    offset = places - places[:_BLOCK, None]
    inside = (offset >= 0) & (offset <= 2 * MATCH_RADIUS)
    offset = offset.clamp(0, 2 * MATCH_RADIUS)
    factors = prior.exp()[offset[:, None, :, None], offset[None, :, None, :]]
    factors = factors.masked_fill(~(inside[:, None, :, None] & inside[None, :, None, :]), 0)
    return factors.reshape(_BLOCK * _BLOCK, side * side)
