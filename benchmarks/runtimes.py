"""The embedded model's encoder and frames in PyTorch, ONNX Runtime and OpenVINO, by turns.

Each runtime has a process of its own, as it has in use: threads of one would disturb the other. The processes
take turns, one call each, so that all see the same machine. Of equal processes those that start later can be
faster by half, for a reason we do not know. So there is a round for each runtime, in which it starts last,
and the quickest round counts. Frames of 640x360 and 854x480, three objects, float32.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch

from hqtrack import HQTrack, processor
from hqtrack.cards import Backend
from hqtrack.nets.folding import folded
from hqtrack.runtimes.encoders import PACKAGES, OnnxEncoder, OpenVinoEncoder, keep_graph
from hqtrack.zoo import load_card, load_network

SIZES = (360, 640), (480, 854)
OBJECTS = 3
FILLING = 30
"""Frames until the memory is full."""
WARMING = 3
"""Calls that are not counted."""

Size = tuple[int, int]


def encoding(backend: Backend, size: Size) -> Callable[[], object]:
    """Return a call that encodes a picture."""
    plain = load_network(load_card("vmos-light")).eval()
    height, width = (16 * round(side / 16) for side in size)
    image = torch.randn(1, 3, height, width).contiguous(memory_format=torch.channels_last)
    if backend == "torch":
        network = folded(plain).to(memory_format=plain.memory_format)
        return lambda: network.encode(image)
    encoder = (OnnxEncoder if backend == "onnx" else OpenVinoEncoder)(keep_graph(plain))
    return lambda: encoder(image)


def tracking(backend: Backend, size: Size) -> Callable[[], object]:
    """Return a call that tracks a frame with a full memory."""
    random = np.random.default_rng(0)
    small = random.integers(0, 255, (size[0] // 20, size[1] // 20, 3), np.uint8)
    picture = np.kron(small, np.ones((20, 20, 1), np.uint8))
    picture = np.pad(picture, ((0, size[0] - len(picture)), (0, size[1] - picture.shape[1]), (0, 0)), "edge")
    masks = np.zeros((OBJECTS, *size), bool)
    for index in range(OBJECTS):
        masks[index, 60 : size[0] // 2, 40 + 180 * index : 160 + 180 * index] = True
    tracker = HQTrack.from_card("vmos-light", backend=backend, device="cpu", precision="float32")
    tracker.initialize(picture, masks)
    for _ in range(FILLING):
        tracker.track(picture)
    return lambda: tracker.track(picture)


def answer(
    make: Callable[[Backend, Size], Callable[[], object]],
    backend: Backend,
    size: Size,
    threads: int,
    pipe: Connection,
) -> None:
    """Make a call once for each message, and send the milliseconds that it took."""
    torch.set_num_threads(threads)
    with torch.inference_mode():
        call = make(backend, size)
        pipe.send(0.0)
        while pipe.recv():
            start = time.perf_counter()
            call()
            pipe.send(1000 * (time.perf_counter() - start))


def medians(
    make: Callable[[Backend, Size], Callable[[], object]],
    backends: list[Backend],
    size: Size,
    threads: int,
    repeats: int,
) -> dict[str, float]:
    """Return the median milliseconds of a call in each runtime's quickest round."""
    rounds = [backends[start:] + backends[:start] for start in range(len(backends))]
    found = [one_round(make, order, size, threads, repeats) for order in rounds]
    return {backend: min(each[backend] for each in found) for backend in backends}


def one_round(
    make: Callable[[Backend, Size], Callable[[], object]],
    order: list[Backend],
    size: Size,
    threads: int,
    repeats: int,
) -> dict[str, float]:
    """Return the median milliseconds of a call in each runtime; processes start in the order given."""
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    times: dict[str, list[float]] = {backend: [] for backend in order}
    for backend in order:
        ours, theirs = context.Pipe()
        context.Process(target=answer, args=(make, backend, size, threads, theirs), daemon=True).start()
        ours.recv()
        pipes[backend] = ours
    for turn in range(repeats + WARMING):
        for name, pipe in pipes.items():
            pipe.send(True)
            milliseconds: Any = pipe.recv()
            if turn >= WARMING:
                times[name].append(milliseconds)
    for pipe in pipes.values():
        pipe.send(False)
    for child in multiprocessing.active_children():
        child.join()
    return {backend: statistics.median(each) for backend, each in times.items()}


def main() -> None:
    """Print a row for each size and part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    backends: list[Backend] = ["torch"]
    backends += [name for name in ("onnx", "openvino") if find_spec(PACKAGES[name])]
    print(f"{processor.capability()}, {options.threads} threads, float32; milliseconds (share of PyTorch's)")
    for size in SIZES:
        for title, make in (("encode", encoding), (f"frame, {OBJECTS} objects", tracking)):
            found = medians(make, backends, size, options.threads, options.repeats)
            row = "  ".join(f"{name} {ms:6.1f} ({ms / found['torch']:.2f})" for name, ms in found.items())
            print(f"{size[1]}x{size[0]} {title}".ljust(28), row, flush=True)


if __name__ == "__main__":
    main()
