"""The embedded model's encoder and frames in PyTorch, ONNX Runtime and OpenVINO, by turns in one process.

Frames of 640x360 and 854x480, three objects, float32; `--threads 1` for one thread.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch

from hqtrack import HQTrack, processor
from hqtrack.nets.folding import folded
from hqtrack.runtimes.encoders import PACKAGES, OnnxEncoder, OpenVinoEncoder, keep_graph
from hqtrack.zoo import load_card, load_network

SIZES = (360, 640), (480, 854)
OBJECTS = 3


def medians(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median milliseconds of each call; they take turns, so that all see the same machine."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 3):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn >= 3:
                times[name].append(time.perf_counter() - start)
    return {name: 1000 * statistics.median(each) for name, each in times.items()}


def report(title: str, found: dict[str, float]) -> None:
    print(
        title.ljust(34),
        "  ".join(f"{name} {ms:7.1f} ({ms / found['torch']:.2f})" for name, ms in found.items()),
    )


def encoders(size: tuple[int, int], backends: list[str], repeats: int) -> None:
    plain = load_network(load_card("vmos-light")).eval()
    path = keep_graph(plain)
    network = folded(plain).to(memory_format=plain.memory_format)
    height, width = (16 * round(side / 16) for side in size)
    image = torch.randn(1, 3, height, width).contiguous(memory_format=torch.channels_last)
    calls: dict[str, Callable[[], object]] = {"torch": lambda: network.encode(image)}
    for name, load in (("onnx", OnnxEncoder), ("openvino", OpenVinoEncoder)):
        if name in backends:
            encoder = load(path)
            calls[name] = lambda encoder=encoder: encoder(image)  # type: ignore[misc]
    with torch.inference_mode():
        report(f"encode {width}x{height}", medians(calls, repeats))


def frames(size: tuple[int, int], backends: list[str], repeats: int) -> None:
    random = np.random.default_rng(0)
    small = random.integers(0, 255, (size[0] // 20, size[1] // 20, 3), np.uint8)
    picture = np.kron(small, np.ones((20, 20, 1), np.uint8))
    picture = np.pad(picture, ((0, size[0] - len(picture)), (0, size[1] - picture.shape[1]), (0, 0)), "edge")
    masks = np.zeros((OBJECTS, *size), bool)
    for index in range(OBJECTS):
        masks[index, 60 : size[0] // 2, 40 + 180 * index : 160 + 180 * index] = True
    calls: dict[str, Callable[[], object]] = {}
    for name in backends:
        tracker = HQTrack.from_card("vmos-light", backend=name, device="cpu", precision="float32")
        tracker.initialize(picture, masks)
        for _ in range(30):  # the memory is full then
            tracker.track(picture)
        calls[name] = lambda tracker=tracker: tracker.track(picture)  # type: ignore[misc]
    report(f"frame {size[1]}x{size[0]}, {OBJECTS} objects", medians(calls, repeats))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    backends = ["torch", *(name for name, package in PACKAGES.items() if find_spec(package))]
    print(f"{processor.capability()}, {options.threads} threads, float32; milliseconds (share of PyTorch's)")
    for size in SIZES:
        encoders(size, backends, options.repeats)
        frames(size, backends, options.repeats)


if __name__ == "__main__":
    main()
