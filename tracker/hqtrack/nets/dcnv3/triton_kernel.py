"""DCNv3 as one Triton kernel: nothing but the result is written to memory.

Importing this module needs Triton. Gradients come from the PyTorch implementation, which the backward pass
computes again, so that only the operands are kept for it.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from hqtrack.nets.dcnv3.in_pytorch import Kernel, dcnv3_in_pytorch

_VALUES_PER_PROGRAM = 1024

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
"""Types that the kernel reads and writes; it computes in float32."""


def dcnv3_fused(value: Tensor, offset: Tensor, mask: Tensor, groups: int, window: Kernel) -> Tensor:
    """Do the work of `hqtrack.nets.dcnv3.dcnv3` in a kernel; operands of the types in `DTYPES`."""
    return _Fused.apply(value, offset, mask, groups, window)


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, offset: Tensor, mask: Tensor, groups: int, window: Kernel) -> Tensor:
        ctx.save_for_backward(value, offset, mask)
        ctx.groups, ctx.window = groups, window
        with torch.cuda.device_of(value):
            return _launch(value.contiguous(), offset.contiguous(), mask.contiguous(), groups, window)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        operands = [tensor.detach().requires_grad_() for tensor in ctx.saved_tensors]
        with torch.enable_grad():
            result = dcnv3_in_pytorch(operands[0], operands[1], operands[2], ctx.groups, ctx.window)
        return *torch.autograd.grad(result, operands, gradient), None, None


def _launch(value: Tensor, offset: Tensor, mask: Tensor, groups: int, window: Kernel) -> Tensor:
    batch, height, width, channels = value.shape
    out_height, out_width = offset.shape[1:3]
    result = value.new_empty(batch, out_height, out_width, channels)
    places = batch * out_height * out_width
    block_channels = triton.next_power_of_2(channels // groups)
    block_places = max(1, _VALUES_PER_PROGRAM // block_channels)
    grid = (triton.cdiv(places, block_places), groups)
    _kernel[grid](
        value,
        offset,
        mask,
        result,
        places,
        height,
        width,
        out_height,
        out_width,
        groups,
        window.first_centre,
        window.stride,
        window.dilation,
        window.dilation * (window.kernel_size - 1) // 2,
        float(window.offset_scale),
        KERNEL_SIZE=window.kernel_size,
        CHANNELS=channels // groups,
        BLOCK_PLACES=block_places,
        BLOCK_CHANNELS=block_channels,
    )
    return result


@triton.jit  # type: ignore[untyped-decorator]
def _kernel(  # type: ignore[no-untyped-def]
    value,
    offset,
    mask,
    result,
    places,
    height,
    width,
    out_height,
    out_width,
    groups,
    first_centre,
    stride,
    dilation,
    half_window,
    offset_scale,
    KERNEL_SIZE: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCK_PLACES: tl.constexpr,
    BLOCK_CHANNELS: tl.constexpr,
):
    """One group (second index of the program) of a run of output places (first index)."""
    group = tl.program_id(1)
    place = (tl.program_id(0) * BLOCK_PLACES + tl.arange(0, BLOCK_PLACES)).to(tl.int64)
    exists = place < places
    centre_x = ((place % out_width) * stride + first_centre).to(tl.float32)
    centre_y = ((place // out_width % out_height) * stride + first_centre).to(tl.float32)
    image = place // (out_width * out_height) * height * width

    channel = tl.arange(0, BLOCK_CHANNELS)
    held = channel[None, :] < CHANNELS
    column = group * CHANNELS + channel[None, :]
    total = tl.zeros((BLOCK_PLACES, BLOCK_CHANNELS), dtype=tl.float32)
    POINTS: tl.constexpr = KERNEL_SIZE * KERNEL_SIZE
    for point in range(POINTS):
        sample = (place * groups + group) * POINTS + point
        shift_x = tl.load(offset + 2 * sample, mask=exists, other=0.0).to(tl.float32)
        shift_y = tl.load(offset + 2 * sample + 1, mask=exists, other=0.0).to(tl.float32)
        modulation = tl.load(mask + sample, mask=exists, other=0.0).to(tl.float32)
        # x changes slowest over the kernel's points.
        x = centre_x + ((point // KERNEL_SIZE) * dilation - half_window + shift_x) * offset_scale
        y = centre_y + ((point % KERNEL_SIZE) * dilation - half_window + shift_y) * offset_scale
        # Places that see nothing of the map are moved to one that is safe to compute with, and sees nothing.
        sees = (x > -1) & (x < width) & (y > -1) & (y < height)
        x = tl.where(sees, x, -2.0)
        y = tl.where(sees, y, -2.0)
        left = tl.floor(x)
        top = tl.floor(y)
        for corner in tl.static_range(4):
            corner_x = left + corner % 2
            corner_y = top + corner // 2
            weight = (1 - tl.abs(x - corner_x)) * (1 - tl.abs(y - corner_y)) * modulation
            inside = (corner_x >= 0) & (corner_x < width) & (corner_y >= 0) & (corner_y < height) & exists
            cell = image + corner_y.to(tl.int64) * width + corner_x.to(tl.int64)
            address = value + cell[:, None] * (groups * CHANNELS) + column
            found = tl.load(address, mask=inside[:, None] & held, other=0.0).to(tl.float32)
            total += weight[:, None] * found
    address = result + place[:, None] * (groups * CHANNELS) + column
    tl.store(address, total.to(result.dtype.element_ty), mask=exists[:, None] & held)
