"""Deformable convolution v3 (InternImage, arXiv 2211.05778, section 3.1), in plain PyTorch.

Every output place of every group is a weighted sum of a few values of its group: each kernel point reads
the four pixels around its sampling place. That is what `embedding_bag` computes in one fused step, with the
image as the table and the products of bilinear weight and modulation as the weights; it is faster than
sampling each kernel point into a tensor of its own and summing afterwards, and it needs less memory.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_SAMPLES_PER_BLOCK = 1 << 17
"""On a CPU, samples handled at a time: their coordinates and weights stay in the cache."""

_SAMPLES_PER_GATHER = 1 << 12
"""Samples whose pixels are copied side by side at a time, in the gradient."""

_FEW_SAMPLES = 1 << 16
"""Up to so many samples, and with gradients, `grid_sample` is faster: all it makes stays in the cache."""


class Kernel(NamedTuple):
    """Which places a square deformable convolution reads, before offsets."""

    kernel_size: int = 3
    stride: int = 1
    padding: int = 1
    dilation: int = 1
    offset_scale: float = 1.0

    def output_side(self, side: int) -> int:
        """Return the side of the output for a side of the input."""
        return (side + 2 * self.padding - self.dilation * (self.kernel_size - 1) - 1) // self.stride + 1

    @property
    def first_centre(self) -> int:
        """Middle of the first window along an axis, in input pixels."""
        return self.dilation * (self.kernel_size - 1) // 2 - self.padding

    def centres(self, count: int, device: torch.device) -> Tensor:
        """Return the middle of the window, along one axis, for `count` output places, in input pixels."""
        return torch.arange(count, device=device, dtype=torch.float32) * self.stride + self.first_centre

    def points(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return (x, y) of the kernel points, (P,) each, relative to the middle; x changes slowest."""
        size = self.kernel_size
        along = torch.arange(size, device=device, dtype=torch.float32) * self.dilation
        along = (along - self.dilation * (size - 1) // 2) * self.offset_scale
        return along.repeat_interleave(size), along.repeat(size)


THREE_BY_THREE = Kernel()


def dcnv3_in_pytorch(value: Tensor, offset: Tensor, mask: Tensor, groups: int, window: Kernel) -> Tensor:
    """Do the work of `dcnv3` with PyTorch operators only, on any device, differentiably."""
    if value.device.type == "cpu" and not torch.compiler.is_compiling():
        differentiable = torch.is_grad_enabled() and any(t.requires_grad for t in (value, offset, mask))
        if differentiable and mask.numel() <= _FEW_SAMPLES:
            return _by_grid_sample(value, offset, mask, groups, window)
        return _InBlocks.apply(value, offset, mask, groups, window)
    sampler = _Sampler(value, offset, mask, groups, window)
    result = sampler.sums(slice(None), sampler.corners(sampler.table(value)))
    return result.view(*offset.shape[:3], -1)


def _dtype_of_sums(*given: Tensor) -> torch.dtype:
    """Return the widest of the tensors' types, float32 at least."""
    return reduce(torch.promote_types, (tensor.dtype for tensor in given), torch.float32)


def _by_grid_sample(value: Tensor, offset: Tensor, mask: Tensor, groups: int, window: Kernel) -> Tensor:
    """Sample each kernel point into a tensor of its own, and sum afterwards; shapes are those of `dcnv3`."""
    batch, height, width, channels = value.shape
    out_height, out_width = offset.shape[1:3]
    device = value.device
    dtype = _dtype_of_sums(value, offset, mask)

    def by_group(x: Tensor) -> Tensor:
        """Turn (B, H_out, W_out, groups, …) into (B * groups, H_out * W_out, …)."""
        return x.to(dtype).transpose(2, 3).transpose(1, 2).flatten(0, 1).flatten(1, 2)

    columns, rows = window.centres(out_width, device), window.centres(out_height, device)
    centres = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1)[:, :, None, None]
    # From pixels, 0 in the middle of the first, to what grid_sample counts: -1 and 1 at the map's borders.
    unit = torch.tensor([2 / width, 2 / height], device=device)
    places = (centres + torch.stack(window.points(device), -1) + 0.5) * unit - 1
    shift = offset.view(batch, out_height, out_width, groups, -1, 2)
    grid = by_group(torch.addcmul(places, shift, unit, value=window.offset_scale)).nan_to_num(2, 2, -2)
    maps = value.to(dtype).view(batch, height, width, groups, -1).permute(0, 3, 4, 1, 2).flatten(0, 1)
    found = F.grid_sample(maps, grid, align_corners=False)
    modulation = by_group(mask.view(batch, out_height, out_width, groups, -1))
    result = (found * modulation[:, None]).sum(-1)
    return result.to(value.dtype).view(batch, channels, out_height, out_width).permute(0, 2, 3, 1)


class _Sampler:
    """Where an operator's samples are in a table of its values, and what they weigh.

    The table has a row for each pixel and group. A border of zeros represents everything outside the map:
    coordinates, counted from it, are clamped to it.
    """

    def __init__(self, value: Tensor, offset: Tensor, mask: Tensor, groups: int, window: Kernel) -> None:
        self.batch, self.height, self.width, channels = value.shape
        out_height, self.out_width = offset.shape[1:3]
        device = value.device
        self.narrow_dtype = value.dtype
        self.dtype = _dtype_of_sums(value, offset, mask)
        self.groups, self.channels, self.scale = groups, channels // groups, window.offset_scale

        points_x, points_y = window.points(device)
        self.points = points_x.numel()
        self.places_x = 1 + window.centres(self.out_width, device)[:, None] + points_x.repeat(groups)
        places_y = 1 + window.centres(out_height, device)[:, None] + points_y.repeat(groups)
        self.places_y = places_y.repeat(self.batch, 1)[:, None]
        self.group = torch.arange(groups, device=device, dtype=torch.int32).repeat_interleave(self.points)
        image = torch.arange(self.batch, device=device, dtype=torch.int32).repeat_interleave(out_height)
        self.first_cell = (image * ((self.height + 2) * (self.width + 2)))[:, None, None]
        self.rows = self.batch * out_height
        self.offset = offset.reshape(self.rows, self.out_width, -1, 2)
        self.mask = mask.reshape(self.rows, self.out_width, -1)

    def table(self, value: Tensor) -> Tensor:
        """Return the values and their border, (B * (H + 2) * (W + 2) * groups, C / groups)."""
        return F.pad(value.to(self.dtype), (0, 0, 1, 1, 1, 1)).view(-1, self.channels)

    def corners(self, table: Tensor) -> list[Tensor]:
        """Return four views of a table: the index of a sample is the row of each of its pixels in them."""
        row_step = (self.width + 2) * self.groups
        reach = table.shape[0] - row_step - self.groups
        return [table[start : start + reach] for start in (0, self.groups, row_step, row_step + self.groups)]

    def blocks(self) -> list[slice]:
        """Cut the rows of the output so that the samples of a block stay in the cache of a CPU."""
        step = max(1, _SAMPLES_PER_BLOCK // max(1, self.out_width * self.group.numel()))
        return [slice(start, start + step) for start in range(0, self.rows, step)]

    def coordinates(self, block: slice) -> tuple[Tensor, Tensor]:
        """Return x and y of a block's samples, (rows, W_out, groups * P) each, counted from the border."""
        x = torch.add(self.places_x, self.offset[block, ..., 0], alpha=self.scale)
        return x, torch.add(self.places_y[block], self.offset[block, ..., 1], alpha=self.scale)

    def clamp(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Move coordinates outside the border onto it."""
        return x.clamp(0, self.width + 1), y.clamp(0, self.height + 1)

    def locate(self, block: slice, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the index of clamped samples, and how far right and down of their first pixel they are."""
        left, top = x.detach().floor().clamp(max=self.width), y.detach().floor().clamp(max=self.height)
        # The last clamp is for offsets that are not numbers: they must not read foreign memory.
        cell = torch.add(left.to(torch.int32), top.to(torch.int32), alpha=self.width + 2)
        cell = cell.clamp(0, (self.height + 1) * (self.width + 2) - 2) + self.first_cell[block]
        return torch.add(self.group, cell, alpha=self.groups), x - left, y - top

    def weights(self, block: slice, across: Tensor, down: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what the samples' pixels weigh, in the order of `corners`."""
        lower = self.mask[block] * down
        upper = self.mask[block] - lower
        lower_right, upper_right = lower * across, upper * across
        return upper - upper_right, upper_right, lower - lower_right, lower_right

    def sums(self, block: slice, corners: list[Tensor]) -> Tensor:
        """Return a block of the result, (rows, W_out, C)."""
        index, across, down = self.locate(block, *self.clamp(*self.coordinates(block)))
        index = index.view(-1, self.points)
        sums = [
            F.embedding_bag(
                index, corner, mode="sum", per_sample_weights=weight.to(self.dtype).view(index.shape)
            )
            for corner, weight in zip(corners, self.weights(block, across, down), strict=True)
        ]
        result = sums[0] + sums[1] + sums[2] + sums[3]
        return result.to(self.narrow_dtype).view(-1, self.out_width, self.groups * self.channels)


class _InBlocks(torch.autograd.Function):
    """The operator block by block, with a gradient that sorts the samples once.

    PyTorch's own gradient of `embedding_bag` would sort them for each of the four pixels.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor, offset: Tensor, mask: Tensor, groups: int, window: Kernel) -> Tensor:
        ctx.save_for_backward(value, offset, mask)
        ctx.groups, ctx.window = groups, window
        sampler = _Sampler(value, offset, mask, groups, window)
        corners = sampler.corners(sampler.table(value))
        blocks = [sampler.sums(block, corners) for block in sampler.blocks()]
        result = blocks[0] if len(blocks) == 1 else torch.cat(blocks)
        return result.view(*offset.shape[:3], -1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        value, offset, mask = ctx.saved_tensors
        sampler = _Sampler(value, offset, mask, ctx.groups, ctx.window)
        pixels = torch.cat(sampler.corners(sampler.table(value)), 1)
        gradient = gradient.to(sampler.dtype).reshape(-1, sampler.channels)
        index = torch.empty(sampler.mask.shape, dtype=torch.int32)
        weights = torch.empty(4, *index.shape, dtype=sampler.dtype)
        to_offset, to_mask = torch.empty_like(sampler.offset), torch.empty_like(sampler.mask)
        of_row = gradient.shape[0] // sampler.rows
        for block in sampler.blocks():
            x, y = sampler.coordinates(block)
            clamped_x, clamped_y = sampler.clamp(x, y)
            index[block], across, down = sampler.locate(block, clamped_x, clamped_y)
            for place, weight in zip(weights, sampler.weights(block, across, down), strict=True):
                place[block] = weight
            own = gradient[block.start * of_row : block.stop * of_row]
            # Interpolating what each pixel would contribute gives the gradient of the modulation; its slopes
            # give those of the coordinates.
            products = _products(index[block].view(-1, sampler.points), pixels, own).view(*x.shape, 4)
            upper_left, upper_right, lower_left, lower_right = products.unbind(-1)
            upper, lower = upper_left.lerp(upper_right, across), lower_left.lerp(lower_right, across)
            to_y = lower - upper
            to_x = (upper_right - upper_left).lerp_(lower_right - lower_left, down)
            to_mask[block] = upper.addcmul_(to_y, down)
            weight = sampler.mask[block] * sampler.scale
            to_offset[block, ..., 0] = (to_x * weight).masked_fill_(x != clamped_x, 0)
            to_offset[block, ..., 1] = (to_y * weight).masked_fill_(y != clamped_y, 0)

        table = _gathered(sampler, index.view(-1), weights.view(4, -1), gradient)
        table = table.view(sampler.batch, sampler.height + 2, sampler.width + 2, -1)
        to_value = table[:, 1:-1, 1:-1].to(value.dtype)
        return to_value, to_offset.view(offset.shape), to_mask.view(mask.shape), None, None


def _products(index: Tensor, pixels: Tensor, gradient: Tensor) -> Tensor:
    """Multiply gradients (N, c) by the pixels (table rows, 4 * c) of their samples (N, P): (N, 4 * P, 1)."""
    bags, points = index.shape
    channels = gradient.shape[1]
    result = gradient.new_empty(bags, points * 4, 1)
    step = max(1, _SAMPLES_PER_GATHER // points)
    for chunk in (slice(start, start + step) for start in range(0, bags, step)):
        found = pixels.index_select(0, index[chunk].reshape(-1)).view(-1, points * 4, channels)
        torch.bmm(found, gradient[chunk, :, None], out=result[chunk])
    return result


def _gathered(sampler: _Sampler, index: Tensor, weights: Tensor, gradient: Tensor) -> Tensor:
    """Return the gradient of the table: each row's sum over the samples that read it."""
    table = gradient.new_zeros(
        sampler.batch * (sampler.height + 2) * (sampler.width + 2) * sampler.groups, sampler.channels
    )
    order = index.sort(stable=True).indices
    bag = torch.arange(len(gradient), dtype=torch.int32).repeat_interleave(sampler.points)
    bag = bag.index_select(0, order)
    corners = sampler.corners(table)
    counts = torch.bincount(index, minlength=len(corners[0]))
    starts = (counts.cumsum(0) - counts).to(torch.int32)
    for corner, weight in zip(corners, weights, strict=True):
        corner += F.embedding_bag(
            bag, gradient, starts, mode="sum", per_sample_weights=weight.index_select(0, order)
        )
    return table
