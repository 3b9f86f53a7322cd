"""All that only a GPU can show, in one command: is it right, how fast is it, what does it wait for and hold.

    python benchmarks/gpu.py --published DIR --sam2 DIR

1. every network, float32 and bfloat16, beside its own results on the CPU in float32;
2. the Triton kernel of DCNv3, forward and backward, beside PyTorch;
3. full HQTrack (VMOS and HQ-SAM ViT-H) at 1280x720 with four objects, beside the published pipeline;
4. the light model and its peers (`peers.py`);
5. synchronisations per frame: how often the CPU waits for the GPU;
6. memory over a thousand frames.

Weights are made by a formula or fresh, so no checkpoint is needed. A part that fails is reported and does
not keep the others from running; the exit code then is 1. Without a GPU everything runs reduced on the CPU,
the kernel in Triton's interpreter: that shows that the program works, and nothing about speed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import peers
from hqtrack import HQTrack, nets
from hqtrack.cards import MemorySettings
from hqtrack.masks import label_map, masks_of
from hqtrack.nets.dcnv3 import Kernel, dcnv3_in_pytorch
from hqtrack.zoo import load_card
from propagation import video  # which lets the tests' modules be imported, too
from published import PublishedVMOS

Options = argparse.Namespace
Rows = list[str]
Operator = Callable[[Tensor, Tensor, Tensor, int, Kernel], Tensor]
KERNEL = Kernel(3, 1, 1, 1)


def device_of(options: Options) -> torch.device:
    return torch.device("cuda" if options.gpu else "cpu")


def wait(options: Options) -> None:
    if options.gpu:
        torch.cuda.synchronize()


def with_formula_weights(network: torch.nn.Module) -> torch.nn.Module:
    from formula_weights import formula_state_dict

    network.load_state_dict(formula_state_dict(network.state_dict()))
    return network


def tracker_of(card: str, options: Options, precision: Any, device: Any = None, **settings: Any) -> HQTrack:
    """Build a card's system with formula weights, and without refiner."""
    found = replace(load_card(card), refiner=None, **settings)
    network = with_formula_weights(nets.build(found.network))
    return HQTrack(found, network, device=device or device_of(options), precision=precision)


def track(tracker: HQTrack, frames: np.ndarray, first: np.ndarray) -> Iterator[np.ndarray]:
    tracker.initialize(frames[0], masks_of(first, int(first.max())))
    for frame in frames[1:]:
        yield label_map(tracker.track(frame))


def parity(options: Options) -> Rows:
    """Compare labels of every network with those of the CPU in float32."""
    rows = ["| network | float32: equal pixels, worst frame | bfloat16 |", "|---|---|---|"]
    names = {load_card(card).network: card for card in options.cards}
    frames, first = video(3, *((240, 320) if options.gpu else (64, 96)), 2)
    for network, card in sorted(names.items()):
        expected = list(track(tracker_of(card, options, "float32", "cpu"), frames, first))
        equal = []
        for precision in ("float32", "bfloat16"):
            found = track(tracker_of(card, options, precision), frames, first)
            equal.append(min(np.mean(a == b) for a, b in zip(found, expected, strict=True)))
        rows.append(f"| {network} | {equal[0]:.3%} | {equal[1]:.3%} |")
        if equal[0] < 0.999:
            raise AssertionError(f"{network} differs from the CPU in float32\n" + "\n".join(rows))
    return rows


def kernel(options: Options) -> Rows:
    """Compare DCNv3's kernel with PyTorch, forward and backward, and time both."""
    from hqtrack.nets.dcnv3.triton_kernel import dcnv3_fused

    device = device_of(options)
    sizes = [(121, 213, 64, 4), (31, 54, 256, 16)] if options.gpu else [(5, 6, 16, 2)]
    rows = [
        "| size, type | forward: kernel, PyTorch (ms) | with backward | largest difference |",
        "|---|---|---|---|",
    ]
    for height, width, channels, groups in sizes:
        for dtype in (torch.float32, torch.bfloat16):
            torch.manual_seed(0)
            value = torch.randn(1, height, width, channels, device=device).to(dtype)
            offset = torch.randn(1, height, width, groups * 18, device=device).to(dtype)
            mask = torch.rand(1, height, width, groups, 9, device=device).softmax(-1).flatten(-2).to(dtype)
            given = [tensor.requires_grad_() for tensor in (value, offset, mask)]

            ways = dcnv3_fused, dcnv3_in_pytorch
            forward, both = partial(run_forward, given, groups), partial(run_both, given, groups)
            fused, plain = (both(way) for way in ways)
            difference = max(
                float((a - b).abs().max() / b.abs().max().clamp(min=1e-6))
                for a, b in zip(fused, plain, strict=True)
            )
            if difference > (1e-4 if dtype == torch.float32 else 5e-2):
                raise AssertionError(f"the kernel differs from PyTorch by {difference:.1e} in {dtype}")
            once, twice = ([milliseconds(call, way, options) for way in ways] for call in (forward, both))
            name = f"{height}x{width}x{channels}, {str(dtype).removeprefix('torch.')}"
            times = " | ".join(f"{fused:.2f}, {plain:.2f}" for fused, plain in (once, twice))
            rows.append(f"| {name} | {times} | {difference:.1e} |")
    return rows


def run_forward(given: list[Tensor], groups: int, operator: Operator) -> Tensor:
    with torch.inference_mode():
        return operator(*given, groups, KERNEL)


def run_both(given: list[Tensor], groups: int, operator: Operator) -> list[Tensor]:
    """Return the result and the gradients of its sum."""
    result = operator(*given, groups, KERNEL)
    return [result, *torch.autograd.grad(result, given, torch.ones_like(result))]


def milliseconds(call: Callable[[Any], object], argument: Any, options: Options) -> float:
    """Return the median time of a call."""
    seconds = []
    for _ in range(20 if options.gpu else 1):
        wait(options)
        start = time.perf_counter()
        call(argument)
        wait(options)
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds)


def full_system(options: Options) -> Rows:
    """Time HQTrack with its refiner beside the published pipeline, on the same frames and weights."""
    from hqtrack.refinement import MaskRefiner
    from hqtrack.refinement.sam import PromptedSam, build_network
    from refinement import published_refiner

    device = device_of(options)
    kind = "hq-sam-vit-h" if options.gpu else "hq-sam-vit-tiny"
    height, width, objects, warm_up, timed = (720, 1280, 4, 10, 20) if options.gpu else (64, 96, 2, 1, 1)
    frames, first = video(1 + warm_up + timed, height, width, objects)
    card = load_card("hqtrack")
    memory = MemorySettings(
        card.memory.long_term_slots, 1, card.memory.short_term_distance
    )  # so that it is full
    edge = card.max_long_edge if options.gpu else 96
    short = card.min_short_edge if options.gpu else 0
    precision = "bfloat16" if options.gpu else "float32"

    sam = with_formula_weights(build_network(kind))
    network = with_formula_weights(nets.build(card.network))
    refiner = MaskRefiner(PromptedSam(sam, device=device, dtype=getattr(torch, precision)))
    settings = replace(card, memory=memory, max_long_edge=edge, min_short_edge=short)
    ours = HQTrack(settings, network, refiner=refiner, device=device, precision=precision)
    rows = [f"{kind}, {width}x{height}, {objects} objects, memory full", ""]
    rows += ["| | frames/s | ms a frame | GPU memory |", "|---|---|---|---|"]

    each = timed_frames(track(ours, frames, first), warm_up, options)
    rows.append(f"| ours, {precision} | {1 / each:.2f} | {1000 * each:.0f} | {peak(options)} |")
    del ours, refiner, network
    if options.published is None:
        return [*rows, "| published | | | not here: --published DIR |"]
    vmos = PublishedVMOS(
        options.published,
        long_term_slots=8,
        long_term_gap=1,
        short_term_distance=4,
        max_long_edge=edge,
        device=str(device),
    )
    with_formula_weights(vmos.network)
    refine = published_refiner(kind, str(device), sam)

    def published() -> Iterator[np.ndarray]:
        vmos.initialize(frames[0], first)
        for frame in frames[1:]:
            labels = vmos.track(frame)
            refine(frame, labels)
            yield labels

    theirs = timed_frames(published(), warm_up, options)
    rows.append(f"| published, float32 | {1 / theirs:.2f} | {1000 * theirs:.0f} | {peak(options)} |")
    return [*rows, "", f"{theirs / each:.1f} times as fast (goals: 30 frames/s, 8 times)"]


def timed_frames(labels: Iterator[np.ndarray], warm_up: int, options: Options) -> float:
    """Return the median seconds of a frame after so many."""
    if options.gpu:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    start = time.perf_counter()
    for _ in labels:  # they are in main memory: the device is done
        now = time.perf_counter()
        seconds.append(now - start)
        start = now
    return statistics.median(seconds[warm_up:])


def peak(options: Options) -> str:
    return f"{torch.cuda.max_memory_allocated() / 1e9:.2f} GB" if options.gpu else "-"


def light_and_peers(options: Options) -> Rows:
    """Run `peers.py` on this device, and show its table."""
    results = options.results / "peers"
    arguments = ["--results", str(results), "--device", str(device_of(options))]
    for name in ("sam2", "published"):
        folder = getattr(options, name)
        arguments += [f"--{name}", str(folder)] if folder else []
    if not options.gpu:
        arguments += ["--height", "96", "--width", "128", "--warm-up", "1", "--frames", "1", "--threads", "1"]
        arguments += ["--sides", *list(peers.SIDES)[: options.reduced_peers]]
    peers.main(arguments)
    return [peers.report(results)]


def synchronisations(options: Options) -> Rows:
    """Count how often a frame makes the CPU wait for the GPU; the goal is once, for the masks."""
    frames, first = video(12, *((360, 640) if options.gpu else (64, 96)), 3)
    rows = ["| system | synchronisations a frame |", "|---|---|"]
    for card in ("vmos-light", "vmos"):
        tracker = tracker_of(card, options, "bfloat16", **({} if options.gpu else {"max_long_edge": 96}))
        labels = track(tracker, frames[: None if options.gpu else 3], first)
        next(labels)
        if options.gpu:
            torch.cuda.set_sync_debug_mode("warn")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            count = sum(1 for _ in labels)
        if options.gpu:
            torch.cuda.set_sync_debug_mode("default")
        waits = sum("synchroniz" in str(warning.message) for warning in caught)
        rows.append(f"| {card}, bfloat16 | {waits / count:.1f} |")
    return rows


def memory_over_time(options: Options) -> Rows:
    """Compare memory after a hundred frames with that after a thousand."""
    count = 1000 if options.gpu else 12
    frames, first = video(40, *((240, 320) if options.gpu else (64, 96)), 2)
    tracker = tracker_of("vmos-light", options, "bfloat16" if options.gpu else "float32")
    tracker.initialize(frames[0], masks_of(first, 2))
    held = {}
    for number in range(1, count + 1):
        tracker.track(frames[number % len(frames)])
        if number in (count // 10, count):
            wait(options)
            held[number] = torch.cuda.memory_allocated() if options.gpu else peers.resident_peak()
    early, late = held.values()
    rows = ["| after | memory |", "|---|---|"]
    rows += [f"| {number} frames | {size / 1e6:.1f} MB |" for number, size in held.items()]
    if options.gpu and late > 1.01 * early:
        raise AssertionError("memory grows with the number of frames\n" + "\n".join(rows))
    return rows


PARTS: dict[str, Callable[[Options], Rows]] = {
    "Networks beside the CPU": parity,
    "DCNv3: Triton beside PyTorch": kernel,
    "Full HQTrack beside the published pipeline": full_system,
    "Light model and peers": light_and_peers,
    "Synchronisations": synchronisations,
    "Memory over time": memory_over_time,
}

CARDS = (
    "vmos-light",
    "vmos",
    "vmos-r50",
    "deaot-r50",
    "deaot-internimage-t",
    "ms-aot-joint",
)
"""Cards whose networks are compared, one for each network that a card has."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--published", type=Path, metavar="DIR", help="work tree of jiawen-zhu/HQTrack")
    parser.add_argument("--sam2", type=Path, metavar="DIR", help="work tree of facebookresearch/sam2")
    parser.add_argument("--results", type=Path, default=Path("benchmark-results/gpu"))
    parser.add_argument("--cards", nargs="+", default=CARDS, help="cards whose networks are compared")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="NAME")
    parser.add_argument(
        "--reduced-peers", type=int, default=2, help="without a GPU, so many sides of peers.py are run"
    )
    options = parser.parse_args()
    options.gpu = torch.cuda.is_available()
    if not options.gpu:
        os.environ["TRITON_INTERPRET"] = "1"  # read when Triton is imported, which is later
    options.results.mkdir(parents=True, exist_ok=True)
    name = torch.cuda.get_device_name() if options.gpu else "no GPU: reduced, on the CPU"
    report = [f"{name}, torch {torch.__version__}", ""]
    failed = 0
    print("\n".join(report), flush=True)
    for title in options.parts:
        start = time.perf_counter()
        try:
            rows = PARTS[title](options)
        except Exception as error:
            traceback.print_exc()
            rows = [f"FAILED: {error}"]
            failed += 1
        part = [f"## {title}", "", *rows, "", f"({time.perf_counter() - start:.0f} s)", ""]
        print("\n".join(part), flush=True)
        report += part
    (options.results / "report.md").write_text("\n".join(report))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
