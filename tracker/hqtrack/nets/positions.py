"""Sinusoidal position embeddings of a grid (AOT, after DETR)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

TEMPERATURE = 10_000


def sine_positions(grid: tuple[int, int], channels: int, *, device: torch.device) -> Tensor:
    """Embed the places of a grid, whose sides count as one period each.

    Args:
        grid: (h, w).
        channels: Even; the first half embeds the row, the second half the column.
        device: Where to make them.

    Returns:
        (h * w, channels) float32.
    """
    height, width = grid
    rows = _embed_side(height, channels // 2, device)
    columns = _embed_side(width, channels // 2, device)
    return torch.cat(
        [rows[:, None].expand(height, width, -1), columns[None].expand(height, width, -1)], -1
    ).flatten(0, 1)


def _embed_side(length: int, channels: int, device: torch.device) -> Tensor:
    places = torch.arange(length, device=device, dtype=torch.float32)
    places = places / (length - 1 + 1e-6) * (2 * math.pi)
    channel = torch.arange(channels, device=device)
    wavelengths = TEMPERATURE ** (2 * (channel // 2) / channels)
    angles = places[:, None] / wavelengths
    return torch.where(channel % 2 == 0, angles.sin(), angles.cos())
