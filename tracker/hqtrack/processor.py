"""What this processor can do, found once: every fast path asks here instead of assuming it.

Whether a fast operator works depends on the processor, on how PyTorch was built, and on limits that a user
sets (`ONEDNN_MAX_CPU_ISA`, `ATEN_CPU_CAPABILITY`). What can be tried is tried, on one element.
"""

from __future__ import annotations

import os
from functools import lru_cache

import torch

NARROW = torch.bfloat16

_WITHOUT_NARROW_PRODUCTS = frozenset(
    {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI"}
)
"""Instruction sets, as oneDNN names them, that a user may limit it to and that have no bfloat16 products."""


@lru_cache
def fuses_convolutions(dtype: torch.dtype) -> bool:
    """Return whether oneDNN runs a convolution together with its activation, for numbers of a type.

    The operator is private to PyTorch: it may be missing, refuse the type on this processor, or compute
    something else in a later version. So it is tried, in both memory formats, dense and depth-wise.
    """
    if not torch.backends.mkldnn.is_available():
        return False
    operator = getattr(torch.ops.mkldnn, "_convolution_pointwise", None)
    return operator is not None and all(
        _fuses(operator, dtype, groups, memory_format)
        for groups in (1, 2)
        for memory_format in (torch.contiguous_format, torch.channels_last)
    )


def _fuses(operator: object, dtype: torch.dtype, groups: int, memory_format: torch.memory_format) -> bool:
    """Return whether the operator gives max(0, -1) and max(0, 1) for two channels of one pixel."""
    with torch.inference_mode():
        pixels = torch.ones(1, 2, 1, 1, dtype=dtype).to(memory_format=memory_format)
        weight = torch.ones(2, 2 // groups, 1, 1, dtype=dtype) / (2 // groups)
        weight[0] *= -1
        weight = weight.to(memory_format=memory_format)
        settings = (0, 0), (1, 1), (1, 1), groups
        try:
            result = operator(pixels, weight, None, *settings, "relu", [], "")  # type: ignore[operator]
            return bool(result.dtype == dtype and result.flatten().tolist() == [0.0, 1.0])
        except (RuntimeError, TypeError, NotImplementedError):
            return False


@lru_cache
def has_bfloat16_products() -> bool:
    """Return whether the processor multiplies bfloat16 itself: AVX-512 with BF16, or AMX.

    Elsewhere PyTorch computes with bfloat16 too, by widening each number, which takes longer than float32.
    """
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or ""
    if limit.upper() in _WITHOUT_NARROW_PRODUCTS or not _answer(
        torch.ops.mkldnn, "_is_mkldnn_bf16_supported"
    ):
        return False
    queries = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(_answer(torch.cpu, query) for query in queries)


def _answer(module: object, query: str) -> bool:
    """Return the answer of one of PyTorch's queries; False where this build does not have it."""
    try:
        return bool(getattr(module, query)())
    except (AttributeError, RuntimeError):
        return False


def fastest_dtype() -> torch.dtype:
    """Return the number type in which networks run fastest on this processor: bfloat16 or float32."""
    return NARROW if has_bfloat16_products() and fuses_convolutions(NARROW) else torch.float32


def capability() -> str:
    """Return the widest instruction set that PyTorch uses here, such as "AVX2", and any limit of oneDNN.

    Example:
        >>> capability().split()[0] == torch.backends.cpu.get_cpu_capability()
        True
    """
    found = torch.backends.cpu.get_cpu_capability()
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA")
    return f"{found} (oneDNN limited to {limit})" if limit else found
