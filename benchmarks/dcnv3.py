"""Time of the DCNv3 operator beside the published pure-PyTorch path, in one run on a CPU.

    python benchmarks/dcnv3.py --published DIR

DIR is a checkout of github.com/jiawen-zhu/HQTrack, fetched by whoever runs this. The sizes are those of
InternImage-T's four stages for a frame of 854x480, and small ones. Each figure is the best of several
calls, the two sides called in turns.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import sys
import time
import types
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from hqtrack.nets.dcnv3 import dcnv3

Operator = Callable[[Tensor, Tensor, Tensor, int], Tensor]

SIZES = {
    # (height, width, channels, groups)
    "stage 1, 854x480": (121, 213, 64, 4),
    "stage 2, 854x480": (61, 107, 128, 8),
    "stage 3, 854x480": (31, 54, 256, 16),
    "stage 4, 854x480": (31, 54, 256, 32),
    "stage 1, 161x113": (29, 41, 64, 4),
    "stage 4, 161x113": (8, 11, 256, 32),
}


def published_operator(folder: Path) -> Operator:
    """Load the published operator from its file; its compiled extension is not needed."""
    path = folder / "networks" / "encoders" / "ops_dcnv3" / "functions" / "dcnv3_func.py"
    if not path.is_file():
        raise SystemExit(f"{folder} is not a checkout of the published HQTrack: no {path}")
    sys.modules["DCNv3"] = types.ModuleType("DCNv3")
    spec = importlib.util.spec_from_file_location("published_dcnv3", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def call(value: Tensor, offset: Tensor, mask: Tensor, groups: int) -> Tensor:
        each = value.shape[-1] // groups
        return module.dcnv3_core_pytorch(value, offset, mask, 3, 3, 1, 1, 1, 1, 1, 1, groups, each, 1.0)

    return call


def forward(operator: Operator, given: list[Tensor], groups: int) -> float:
    with torch.inference_mode():
        start = time.perf_counter()
        operator(*given, groups)
        return time.perf_counter() - start


def forward_and_backward(operator: Operator, given: list[Tensor], groups: int) -> float:
    leaves = [tensor.clone().requires_grad_() for tensor in given]
    start = time.perf_counter()
    result = operator(*leaves, groups)
    torch.autograd.grad(result, leaves, torch.ones_like(result))
    return time.perf_counter() - start


def measure(published: Operator, size: tuple[int, int, int, int], repeats: int) -> dict[str, float]:
    """Return milliseconds of each way, and the largest difference between the two sides' results."""
    height, width, channels, groups = size
    torch.manual_seed(0)
    value = torch.randn(1, height, width, channels)
    offset = torch.randn(1, height, width, groups * 18)
    mask = torch.rand(1, height, width, groups, 9).softmax(-1).flatten(-2)
    given = [value, offset, mask]
    narrow = [tensor.bfloat16() for tensor in given]
    ways: dict[str, Callable[[], float]] = {
        "published": lambda: forward(published, given, groups),
        "ours": lambda: forward(dcnv3, given, groups),
        "ours_bfloat16": lambda: forward(dcnv3, narrow, groups),
        "published_backward": lambda: forward_and_backward(published, given, groups),
        "ours_backward": lambda: forward_and_backward(dcnv3, given, groups),
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(repeats):
        for name, call in ways.items():
            best[name] = min(best[name], 1000 * call())
    difference = (published(*given, groups) - dcnv3(*given, groups)).abs().max().item()
    return {**best, "difference": difference}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--published", type=Path, required=True, metavar="DIR")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", type=Path, default=Path("dcnv3.json"), help="where the figures are kept")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of the published code's age
    torch.set_num_threads(options.threads)
    published = published_operator(options.published)

    print("Milliseconds; forward in inference mode, then forward and backward, float32 unless said")
    print(f"{'':18}{'published':>10}{'ours':>8}{'':7}{'bfloat16':>10}{'published f+b':>16}{'ours f+b':>10}")
    figures = {}
    for name, size in SIZES.items():
        row = figures[name] = measure(published, size, options.repeats)
        print(
            f"{name:18}{row['published']:10.1f}{row['ours']:8.1f}{row['published'] / row['ours']:6.1f}x"
            f"{row['ours_bfloat16']:10.1f}{row['published_backward']:16.1f}{row['ours_backward']:10.1f}"
            f"{row['published_backward'] / row['ours_backward']:6.1f}x"
        )
    setting = {"threads": options.threads, "torch": torch.__version__, "machine": platform.machine()}
    options.json.write_text(json.dumps({"setting": setting, "milliseconds": figures}, indent=2) + "\n")
    largest = max(row["difference"] for row in figures.values())
    print(f"largest difference {largest:.1e}; written to {options.json}")


if __name__ == "__main__":
    main()
