"""Deformable convolution v3 (InternImage, arXiv 2211.05778, section 3.1), in plain PyTorch.

Every output place of every group is a weighted sum of a few values of its group: each kernel point reads
the four pixels around its sampling place. That is what `embedding_bag` computes in one fused step, with the
image as the table and the products of bilinear weight and modulation as the weights; it is faster than
sampling each kernel point into a tensor of its own and summing afterwards, and it needs less memory.
"""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SAMPLES_PER_BLOCK = 1 << 17
"""On a CPU, without gradients, samples handled at a time: their coordinates and weights stay in the cache."""


class Window(NamedTuple):
    """Which places a square deformable convolution reads, before offsets."""

    kernel_size: int = 3
    stride: int = 1
    padding: int = 1
    dilation: int = 1
    offset_scale: float = 1.0

    def output_side(self, side: int) -> int:
        """Give the side of the output for a side of the input."""
        return (side + 2 * self.padding - self.dilation * (self.kernel_size - 1) - 1) // self.stride + 1

    @property
    def first_centre(self) -> int:
        """Middle of the first window along an axis, in input pixels."""
        return self.dilation * (self.kernel_size - 1) // 2 - self.padding

    def centres(self, count: int, device: torch.device) -> Tensor:
        """Give the middle of the window, along one axis, for `count` output places, in input pixels."""
        return torch.arange(count, device=device, dtype=torch.float32) * self.stride + self.first_centre

    def points(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Give (x, y) of the kernel points, (P,) each, relative to the middle; x changes slowest."""
        size = self.kernel_size
        along = torch.arange(size, device=device, dtype=torch.float32) * self.dilation
        along = (along - self.dilation * (size - 1) // 2) * self.offset_scale
        return along.repeat_interleave(size), along.repeat(size)


THREE_BY_THREE = Window()


def dcnv3(
    value: Tensor, offset: Tensor, mask: Tensor, groups: int, window: Window = THREE_BY_THREE
) -> Tensor:
    """Sample a map at displaced places and sum what is found, modulated, group by group.

    Outside the map everything is zero. Coordinates and sums are computed in float32 at least. On CUDA a fused
    kernel is used where Triton is installed.

    Args:
        value: (B, H, W, C) map, channels last; C is a multiple of `groups`.
        offset: (B, H_out, W_out, groups * P * 2) displacements (x, y) in pixels, P = kernel_size**2.
        mask: (B, H_out, W_out, groups * P) modulation, usually a softmax over P.
        groups: Groups of channels, each with its own offsets and modulation.
        window: Kernel size, stride, padding, dilation and scale of the offsets.

    Returns:
        (B, H_out, W_out, C) of the value's dtype.

    Raises:
        ValueError: Shapes do not fit together.
    """
    _check_shapes(value, offset, mask, groups, window)
    fused = _fused_kernel() if value.is_cuda and not torch.compiler.is_compiling() else None
    if fused is not None and all(tensor.dtype in fused.DTYPES for tensor in (value, offset, mask)):
        return fused.dcnv3_fused(value, offset, mask, groups, window)
    return dcnv3_in_pytorch(value, offset, mask, groups, window)


@cache
def _fused_kernel() -> ModuleType | None:
    """Give the module of the Triton kernel, or None where Triton is not installed."""
    try:
        return importlib.import_module("hqtrack.nets.dcnv3_triton")
    except ImportError:
        return None


def dcnv3_in_pytorch(value: Tensor, offset: Tensor, mask: Tensor, groups: int, window: Window) -> Tensor:
    """Do the work of `dcnv3` with PyTorch operators only, on any device, differentiably."""
    batch, height, width, channels = value.shape
    out_height, out_width = offset.shape[1:3]
    device = value.device
    dtype = torch.promote_types(torch.promote_types(value.dtype, offset.dtype), mask.dtype)
    dtype = torch.promote_types(dtype, torch.float32)

    # A border of zeros stands for everything outside: coordinates, counted from it, are clamped to it.
    table = F.pad(value.to(dtype), (0, 0, 1, 1, 1, 1)).view(-1, channels // groups)
    row_step = (width + 2) * groups
    reach = table.shape[0] - row_step - groups
    corners = [table[start : start + reach] for start in (0, groups, row_step, row_step + groups)]

    points_x, points_y = window.points(device)
    places_x = 1 + window.centres(out_width, device)[:, None] + points_x.repeat(groups)
    places_y = 1 + window.centres(out_height, device)[:, None] + points_y.repeat(groups)
    group = torch.arange(groups, device=device, dtype=torch.int32).repeat_interleave(points_x.numel())

    rows = batch * out_height
    offset = offset.reshape(rows, out_width, -1, 2)
    mask = mask.reshape(rows, out_width, -1)
    image = torch.arange(batch, device=device, dtype=torch.int32).repeat_interleave(out_height)
    first_cell = (image * ((height + 2) * (width + 2)))[:, None, None]
    places_y = places_y.repeat(batch, 1)[:, None]

    def sample(block: slice) -> Tensor:
        x = torch.add(places_x, offset[block, ..., 0], alpha=window.offset_scale).clamp(0, width + 1)
        y = torch.add(places_y[block], offset[block, ..., 1], alpha=window.offset_scale).clamp(0, height + 1)
        left, top = x.detach().floor().clamp(max=width), y.detach().floor().clamp(max=height)
        across, down = x - left, y - top
        # The last clamp is for offsets that are not numbers: they must not read foreign memory.
        cell = torch.add(left.to(torch.int32), top.to(torch.int32), alpha=width + 2)
        cell = cell.clamp(0, (height + 1) * (width + 2) - 2) + first_cell[block]
        index = torch.add(group, cell, alpha=groups).view(-1, points_x.numel())

        lower = mask[block] * down
        upper = mask[block] - lower
        lower_right, upper_right = lower * across, upper * across
        weights = (upper - upper_right, upper_right, lower - lower_right, lower_right)
        sums = [
            F.embedding_bag(index, corner, mode="sum", per_sample_weights=weight.to(dtype).view(index.shape))
            for corner, weight in zip(corners, weights, strict=True)
        ]
        return (sums[0] + sums[1] + sums[2] + sums[3]).to(value.dtype).view(-1, out_width, channels)

    block_rows = rows
    # Not with gradients: each block would have a gradient of the whole table.
    if device.type == "cpu" and not torch.is_grad_enabled() and not torch.compiler.is_compiling():
        block_rows = max(1, _SAMPLES_PER_BLOCK // max(1, out_width * group.numel()))
    blocks = [sample(slice(start, start + block_rows)) for start in range(0, rows, block_rows)]
    result = blocks[0] if len(blocks) == 1 else torch.cat(blocks)
    return result.view(batch, out_height, out_width, channels)


def _check_shapes(value: Tensor, offset: Tensor, mask: Tensor, groups: int, window: Window) -> None:
    batch, height, width, channels = value.shape
    if channels % groups:
        raise ValueError(f"{channels} channels cannot be split into {groups} groups")
    samples = groups * window.kernel_size**2
    expected = (batch, window.output_side(height), window.output_side(width))
    if tuple(offset.shape) != (*expected, 2 * samples) or tuple(mask.shape) != (*expected, samples):
        raise ValueError(
            f"offset {tuple(offset.shape)} and mask {tuple(mask.shape)} must be "
            f"{(*expected, 2 * samples)} and {(*expected, samples)} for a value {tuple(value.shape)}"
        )


class DCNv3(nn.Module):
    """The operator with the layers that give its values, offsets and modulation; channels last throughout.

    Names of parameters are those of the published checkpoints.

    Args:
        channels: Channels in and out.
        groups: Groups of the operator.
        window: Which places it reads; the stride must be 1.
    """

    def __init__(self, channels: int, groups: int, window: Window = THREE_BY_THREE) -> None:
        super().__init__()
        self.groups = groups
        self.window = window
        size = window.kernel_size
        self.dw_conv = nn.Sequential(
            nn.Conv2d(channels, channels, size, padding=(size - 1) // 2, groups=channels),
            # The slot before the normalisation holds a permutation in the published layout.
            nn.Sequential(nn.Identity(), nn.LayerNorm(channels, eps=1e-6)),
            nn.GELU(),
        )
        self.offset = nn.Linear(channels, groups * size**2 * 2)
        self.mask = nn.Linear(channels, groups * size**2)
        self.input_proj = nn.Linear(channels, channels)
        self.output_proj = nn.Linear(channels, channels)
        for layer in (self.offset, self.mask):  # a new layer starts as an ordinary average
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        for layer in (self.input_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, H, W, C) to the same shape."""
        convolve, normalise, activate = self.dw_conv
        guide = convolve(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        guide = activate(normalise(guide))
        mask = _softmax_over_points(self.mask(guide).unflatten(-1, (self.groups, -1))).flatten(-2)
        return self.output_proj(dcnv3(self.input_proj(x), self.offset(guide), mask, self.groups, self.window))


def _softmax_over_points(logits: Tensor) -> Tensor:
    """Give the softmax over the last dimension, in float32 at least on a CPU."""
    if logits.device.type != "cpu":
        return logits.softmax(-1)
    # Rows of nine numbers: PyTorch's own softmax is many times slower for them than these steps.
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    powers = (logits - logits.amax(-1, keepdim=True)).exp()
    return powers / powers.sum(-1, keepdim=True)
