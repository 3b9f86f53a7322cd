"""Peak memory and time of short-term (15 x 15 local) propagation, against the published implementation.

    python benchmarks/local_attention.py --published DIR

DIR is a checkout of HQTrack's published code. It needs a compiled correlation operator; a plain one takes its
place here, which adds little but its result to the memory, and whose time is taken off the published time.
Each implementation runs in a process of its own, on the same weights and inputs, and results are compared.
Times are CPU times of a single thread, which other work on the machine disturbs least.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
import types
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hqtrack.nets.gpm import ShortTermPropagation
from hqtrack.nets.interface import MemoryEntry

CHANNELS = {16: 256, 8: 128}
"""Width of VMOS's layers at each stride."""

REPEATS = 5


class Correlation(nn.Module):
    """Products of each query with the keys in the 15 x 15 window around it, one window place at a time."""

    seconds = 0.0

    def __init__(self, patch_size: int, **_: int) -> None:
        super().__init__()
        self.patch_size = patch_size

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        start = time.process_time()
        size, (batch, _, height, width) = self.patch_size, query.shape
        padded = nn.functional.pad(key, (size // 2,) * 4)
        scores = query.new_empty(batch, size, size, height, width)
        for y in range(size):
            for x in range(size):
                torch.sum(query * padded[:, :, y : y + height, x : x + width], 1, out=scores[:, y, x])
        Correlation.seconds += time.process_time() - start
        return scores


def example(stride: int, height: int, width: int) -> tuple[tuple[int, int], list[Tensor], dict[str, Tensor]]:
    """Return the grid, query, key, value and gate as tokens (1, N, C), and weights under published names."""
    torch.manual_seed(0)
    channels = CHANNELS[stride]
    grid = (-(-height // stride), -(-width // stride))
    inputs = [
        torch.randn(1, grid[0] * grid[1], c)
        for c in (channels // 2, channels // 2, 4 * channels, 4 * channels)
    ]
    weights = ShortTermPropagation(4 * channels, 2 * channels, channels // 2).state_dict()
    return grid, inputs, weights


def ours(stride: int, height: int, width: int, _: str) -> Callable[[], Tensor]:
    grid, (query, key, value, gate), weights = example(stride, height, width)
    channels = CHANNELS[stride]
    module = ShortTermPropagation(4 * channels, 2 * channels, channels // 2).eval()
    module.load_state_dict(weights)
    memory = MemoryEntry(key[:, None], value[:, None])
    return lambda: module(query, memory, gate, grid)


def published(stride: int, height: int, width: int, checkout: str) -> Callable[[], Tensor]:
    extension = types.ModuleType("spatial_correlation_sampler")
    extension.SpatialCorrelationSampler = Correlation
    sys.modules["spatial_correlation_sampler"] = extension
    sys.path.insert(0, checkout)
    from networks.layers.attention import LocalGatedPropagation

    grid, (query, key, value, gate), weights = example(stride, height, width)
    channels = CHANNELS[stride]
    module = LocalGatedPropagation(channels, 2 * channels, 1, use_linear=False, d_att=channels // 2).eval()
    module.load_state_dict(weights)
    maps = [x.transpose(1, 2).unflatten(2, grid).contiguous() for x in (query, key, value)]
    return lambda: module(*maps, gate.transpose(0, 1), grid)[0].transpose(0, 1)


def measure(
    make: Callable[..., Callable[[], Tensor]], arguments: tuple[object, ...], results: Connection
) -> None:
    """Send peak memory in MiB above the inputs, the least CPU time of a call in seconds, and its result."""
    torch.set_num_threads(1)
    with torch.inference_mode():
        call = make(*arguments)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seconds = []
        for _ in range(REPEATS):
            Correlation.seconds = 0.0
            start = time.process_time()
            result = call()
            seconds.append(time.process_time() - start - Correlation.seconds)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    results.send(((peak - before) / 1024, min(seconds), result.numpy()))


def run(make: Callable[..., Callable[[], Tensor]], *arguments: object) -> tuple[float, float, np.ndarray]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=measure, args=(make, arguments, sender))
    process.start()
    result = receiver.recv()
    process.join()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--published", type=Path, help="checkout of the published code")
    parser.add_argument(
        "--size", type=int, nargs=2, default=(481, 849), metavar=("H", "W"), help="network input"
    )
    options = parser.parse_args()
    for stride in CHANNELS:
        memory, seconds, result = run(ours, stride, *options.size, "")
        print(f"stride {stride:2}: ours      {memory:7.0f} MiB  {seconds * 1000:6.0f} ms")
        if options.published:
            memory, seconds, expected = run(published, stride, *options.size, str(options.published))
            difference = np.abs(result - expected).max()
            print(
                f"           published {memory:7.0f} MiB  {seconds * 1000:6.0f} ms without its correlation;"
                f" largest difference {difference:.1e}"
            )


if __name__ == "__main__":
    main()
