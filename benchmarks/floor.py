"""The least time that arithmetic can take: operations, at the rate of this machine's matrix product."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from hqtrack import processor

SIDE = 1536
"""Of the matrices that the rate is measured with."""


@cache
def matrix_rate(dtype: torch.dtype, device: str = "cpu") -> float:
    """Return the operations per second of a large matrix product; the best of several."""
    a, b = (torch.randn(SIDE, SIDE, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        start = time.perf_counter()
        product = a @ b
        float(product[0, 0])  # waits for a GPU
        best = min(best, time.perf_counter() - start)
    return 2 * SIDE**3 / best


def operations(call: Callable[[], object]) -> int:
    """Count the operations of matrix products and convolutions; a multiplication and an addition are two."""
    custom: dict[Any, Any] = {}
    if any(processor.fuses_convolutions(dtype) for dtype in (torch.float32, torch.bfloat16)):
        custom[torch.ops.mkldnn._convolution_pointwise] = _fused_convolution
    counter = FlopCounterMode(display=False, custom_mapping=custom)
    with counter:
        call()
    return int(counter.get_total_flops())


def _fused_convolution(x: Any, weight: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return int(conv_flop_count(x, weight, out_shape))  # of shapes


def seconds(count: int, dtype: torch.dtype, device: str = "cpu") -> float:
    """Return the least time of so many operations."""
    return count / matrix_rate(dtype, device)
