"""The layer of DCNv3, and its operator by whichever implementation suits."""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType

import torch
from torch import Tensor, nn

from hqtrack.nets.dcnv3.in_pytorch import THREE_BY_THREE, Kernel, dcnv3_in_pytorch


def dcnv3(
    value: Tensor, offset: Tensor, mask: Tensor, groups: int, window: Kernel = THREE_BY_THREE
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
    """Return the module of the Triton kernel, or None where Triton is not installed."""
    try:
        return importlib.import_module("hqtrack.nets.dcnv3.triton_kernel")
    except ImportError:
        return None


def _check_shapes(value: Tensor, offset: Tensor, mask: Tensor, groups: int, window: Kernel) -> None:
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

    def __init__(self, channels: int, groups: int, window: Kernel = THREE_BY_THREE) -> None:
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
    """Return the softmax over the last dimension, in float32 at least on a CPU."""
    if logits.device.type != "cpu":
        return logits.softmax(-1)
    # Rows of nine numbers: PyTorch's own softmax is many times slower for them than these steps.
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    powers = (logits - logits.amax(-1, keepdim=True)).exp()
    return powers / powers.sum(-1, keepdim=True)
