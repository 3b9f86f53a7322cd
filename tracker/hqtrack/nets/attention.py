"""Attention to memory: over all remembered tokens, or within a window around each token.

Keys and values are only read. They may be views with any stride between batch entries and between heads,
such as the filled part of a larger store, and are never copied as a whole. No function builds the matrix of
all scores.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hqtrack.nets.interface import MemoryEntry

ATTENTION_RADIUS = 7
"""Local attention sees 7 tokens to each side, a 15 x 15 window (AOT, section 4)."""

ATTENTION_WINDOW = 2 * ATTENTION_RADIUS + 1

_TILE = 2048, 1024
"""Queries and keys at once in float32."""
_NARROW_QUERIES_AT_ONCE = 512
_BAND_SCORES_ON_CPU, _BAND_SCORES_ELSEWHERE = 2**18, 2**24
"""Scores at once: a processor works best within its cache, an accelerator with few large products."""


def attend(query: Tensor, memory: MemoryEntry) -> Tensor:
    """Attend from every token to every remembered token.

    Args:
        query: (B, heads, N, key_channels).
        memory: Any number T of tokens.

    Returns:
        (B, heads, N, value_channels).
    """
    # On a CPU, torch's fused kernel wants values as wide as keys; for others it would keep all scores.
    fused = query.device.type != "cpu" or memory.key.shape[-1] == memory.value.shape[-1]
    if fused or torch.is_grad_enabled():
        return F.scaled_dot_product_attention(query, memory.key, memory.value)
    return _attend_in_chunks(query * query.shape[-1] ** -0.5, memory)


def _attend_in_chunks(query: Tensor, memory: MemoryEntry) -> Tensor:
    """Attend some queries at a time, with one buffer for their scores."""
    batch, heads, tokens, _ = query.shape
    remembered = memory.key.shape[2]
    output = query.new_empty(batch, heads, tokens, memory.value.shape[-1])
    # In float32 a tile of scores that stays in the cache is worth its bookkeeping; in half precision, where
    # products are several times faster and scores half as large, it is not.
    tile = _TILE if query.dtype == torch.float32 else (_NARROW_QUERIES_AT_ONCE, remembered)
    queries_at_once, keys_at_once = min(tile[0], tokens), min(tile[1], remembered)
    buffer = query.new_empty(queries_at_once, keys_at_once)
    for b in range(batch):
        for head in range(heads):
            for start in range(0, tokens, queries_at_once):
                rows = slice(start, start + queries_at_once)
                _attend_chunk(
                    query[b, head, rows],
                    memory.key[b, head],
                    memory.value[b, head],
                    buffer,
                    output[b, head, rows],
                )
    return output


def _attend_chunk(query: Tensor, keys: Tensor, values: Tensor, buffer: Tensor, output: Tensor) -> None:
    """Write the attention of scaled queries (n, Ck) into `output` (n, Cv), tile by tile of keys (T, Ck).

    Each tile has its own softmax. Tiles are averaged by their shares of the whole softmax, which follow from
    the logarithm of each tile's total: score - log(weight), the same for every entry of a tile.
    """
    keys_at_once = buffer.shape[1]
    if keys_at_once == keys.shape[0]:
        scores = torch.mm(query, keys.t(), out=buffer[: len(query)])
        torch.mm(torch.softmax(scores, -1, out=scores), values, out=output)
        return

    log_total = query.new_full((len(query), 1), -torch.inf)
    part = torch.empty_like(output)
    output.zero_()
    for start in range(0, keys.shape[0], keys_at_once):
        tile = slice(start, start + keys_at_once)
        scores = buffer.flatten()[: len(query) * len(keys[tile])].view(len(query), -1)
        torch.mm(query, keys[tile].t(), out=scores)
        tile_log_total = scores.amax(-1, keepdim=True)
        torch.softmax(scores, -1, out=scores)
        tile_log_total -= scores.amax(-1, keepdim=True).log_()
        torch.mm(scores, values[tile], out=part)

        log_total = torch.logaddexp(log_total, tile_log_total)
        share = (tile_log_total - log_total).exp_()
        output.lerp_(part, share)


def attend_locally(
    query: Tensor,
    memory: MemoryEntry,
    relative_bias: Tensor,
    grid: tuple[int, int],
    relative_value: Tensor | None = None,
) -> Tensor:
    """Attend from every token to the 15 x 15 tokens around its own place in one remembered frame.

    The scores of a row of queries against the 15 rows of keys around it form a band matrix, whose diagonals
    are the windows. They are computed densely, because matrix products are fast, and only for a few rows at
    a time; a strided view of the band then is the windows, without gathering.

    Args:
        query: (B, heads, N, key_channels), N = h * w tokens row by row.
        memory: One frame of N tokens.
        relative_bias: (B, heads, N, 225), added to the scores: one number for each place in the window,
            row by row.
        grid: (h, w).
        relative_value: (heads, value_channels, 225), added to the values, for each place in the window.

    Returns:
        (B, heads, N, value_channels).
    """
    height, width = grid
    band_width = width + 2 * ATTENTION_RADIUS
    query = (query * query.shape[-1] ** -0.5).unflatten(2, grid)
    relative_bias = relative_bias.unflatten(2, grid).unflatten(-1, (ATTENTION_WINDOW, ATTENTION_WINDOW))
    keys, values = _key_bands(memory.key, grid), _key_bands(memory.value, grid)
    inside_rows = _inside(height, query.device)
    inside_columns = _inside(width, query.device)

    scores_of_a_row = query.shape[0] * query.shape[1] * width * ATTENTION_WINDOW * band_width
    scores_at_once = _BAND_SCORES_ON_CPU if query.device.type == "cpu" else _BAND_SCORES_ELSEWHERE
    rows_at_once = max(1, scores_at_once // scores_of_a_row)
    outputs = []
    for top in range(0, height, rows_at_once):
        rows = slice(top, min(top + rows_at_once, height))
        band = query[:, :, rows] @ keys[:, :, rows].transpose(-1, -2)
        band = band.unflatten(-1, (ATTENTION_WINDOW, band_width))
        window_size, window_stride = _windows_in(band)
        scores = band.as_strided(window_size, window_stride) + relative_bias[:, :, rows]
        inside = inside_rows[rows, None, :, None] & inside_columns[None, :, None, :]
        weights = scores.masked_fill(~inside, -torch.inf).flatten(-2).softmax(-1)
        band = torch.as_strided_scatter(
            torch.zeros_like(band),
            weights.to(band.dtype).unflatten(-1, (ATTENTION_WINDOW, ATTENTION_WINDOW)),
            window_size,
            window_stride,
        )
        output = band.flatten(-2) @ values[:, :, rows]
        if relative_value is not None:
            output = output + weights @ relative_value[:, None].transpose(-1, -2)
        outputs.append(output)
    return torch.cat(outputs, 2).flatten(2, 3)


def _key_bands(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """View tokens (B, heads, N, C) as (B, heads, h, 15 * (w + 14), C): for each row, those around it."""
    padded = F.pad(
        tokens.unflatten(2, grid),
        (0, 0, ATTENTION_RADIUS, ATTENTION_RADIUS, ATTENTION_RADIUS, ATTENTION_RADIUS),
    )
    return padded.unfold(2, ATTENTION_WINDOW, 1).movedim(-1, 3).flatten(3, 4)


def _inside(length: int, device: torch.device) -> Tensor:
    """Return which of the 15 window places (15,) exist, for each place on a side (length,)."""
    places = torch.arange(length, device=device)[:, None] + torch.arange(ATTENTION_WINDOW, device=device)
    return (places >= ATTENTION_RADIUS) & (places < length + ATTENTION_RADIUS)


def _windows_in(band: Tensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return size and stride of the view (..., w, 15, 15) of a contiguous band (..., w, 15, w + 14).

    The window of the query in column x begins at column x of the padded keys, one step further each time.
    """
    *leading, query_stride, row_stride, column_stride = band.stride()
    size = (*band.shape[:-1], ATTENTION_WINDOW)
    return size, (*leading, query_stride + column_stride, row_stride, column_stride)
