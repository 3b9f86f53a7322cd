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

WINDOW_RADIUS = 7
"""Local attention sees 7 tokens to each side, a 15 x 15 window (AOT, section 4)."""

WINDOW = 2 * WINDOW_RADIUS + 1

_QUERIES_AT_ONCE = 256
_BAND_SCORES_AT_ONCE = 2**18


def attend(query: Tensor, memory: MemoryEntry) -> Tensor:
    """Attend from every token to every remembered token.

    Args:
        query: (B, heads, N, key_channels).
        memory: Any number T of tokens.

    Returns:
        (B, heads, N, value_channels).
    """
    needs_gradients = torch.is_grad_enabled() and (query.requires_grad or memory.value.requires_grad)
    if needs_gradients or query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, memory.key, memory.value)
    return _attend_in_chunks(query, memory)


def _attend_in_chunks(query: Tensor, memory: MemoryEntry) -> Tensor:
    batch, heads, tokens, channels = query.shape
    query = query * channels**-0.5
    output = query.new_empty(batch, heads, tokens, memory.value.shape[-1])
    scores = query.new_empty(min(_QUERIES_AT_ONCE, tokens), memory.key.shape[2])
    for b in range(batch):
        for head in range(heads):
            keys, values = memory.key[b, head].t(), memory.value[b, head]
            for start in range(0, tokens, _QUERIES_AT_ONCE):
                rows = slice(start, min(start + _QUERIES_AT_ONCE, tokens))
                chunk = scores[: rows.stop - rows.start]
                torch.mm(query[b, head, rows], keys, out=chunk)
                torch.softmax(chunk, -1, out=chunk)
                torch.mm(chunk, values, out=output[b, head, rows])
    return output


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
    band_width = width + 2 * WINDOW_RADIUS
    query = (query * query.shape[-1] ** -0.5).unflatten(2, grid)
    relative_bias = relative_bias.unflatten(2, grid).unflatten(-1, (WINDOW, WINDOW))
    keys, values = _key_bands(memory.key, grid), _key_bands(memory.value, grid)
    inside_rows = _inside(height, query.device)
    inside_columns = _inside(width, query.device)

    batch_heads = query.shape[0] * query.shape[1]
    rows_at_once = max(1, _BAND_SCORES_AT_ONCE // (batch_heads * width * WINDOW * band_width))
    outputs = []
    for top in range(0, height, rows_at_once):
        rows = slice(top, min(top + rows_at_once, height))
        band = query[:, :, rows] @ keys[:, :, rows].transpose(-1, -2)
        band = band.unflatten(-1, (WINDOW, band_width))
        window_size, window_stride = _windows_in(band)
        scores = band.as_strided(window_size, window_stride) + relative_bias[:, :, rows]
        inside = inside_rows[rows, None, :, None] & inside_columns[None, :, None, :]
        weights = scores.masked_fill(~inside, -torch.inf).flatten(-2).softmax(-1)
        band = torch.as_strided_scatter(
            torch.zeros_like(band), weights.unflatten(-1, (WINDOW, WINDOW)), window_size, window_stride
        )
        output = band.flatten(-2) @ values[:, :, rows]
        if relative_value is not None:
            output = output + weights @ relative_value[:, None].transpose(-1, -2)
        outputs.append(output)
    return torch.cat(outputs, 2).flatten(2, 3)


def _key_bands(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """View tokens (B, heads, N, C) as (B, heads, h, 15 * (w + 14), C): for each row, those around it."""
    padded = F.pad(
        tokens.unflatten(2, grid), (0, 0, WINDOW_RADIUS, WINDOW_RADIUS, WINDOW_RADIUS, WINDOW_RADIUS)
    )
    return padded.unfold(2, WINDOW, 1).movedim(-1, 3).flatten(3, 4)


def _inside(length: int, device: torch.device) -> Tensor:
    """Tell for each place on a side (length,) which of its 15 window places (15,) exist."""
    places = torch.arange(length, device=device)[:, None] + torch.arange(WINDOW, device=device)
    return (places >= WINDOW_RADIUS) & (places < length + WINDOW_RADIUS)


def _windows_in(band: Tensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Give size and stride of the view (..., w, 15, 15) of a contiguous band (..., w, 15, w + 14).

    The window of the query in column x begins at column x of the padded keys, one step further each time.
    """
    *leading, query_stride, row_stride, column_stride = band.stride()
    size = (*band.shape[:-1], WINDOW)
    return size, (*leading, query_stride + column_stride, row_stride, column_stride)
