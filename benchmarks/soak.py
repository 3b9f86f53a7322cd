"""A long video through the real tracker: are memory and time per frame flat once the slots are full?

    python benchmarks/soak.py --frames 10000
    python benchmarks/soak.py --frames 2000 --engine sam2   # a small network of another library

The video is made as it is tracked, with objects that leave and come back. The figures go into a JSON file
and, drawn, into a plot (both under `lab/` by default). Time is the process's own, so that other load on the
machine does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from hqtrack import HQTrack, nets
from hqtrack.cards import MemorySettings
from hqtrack.zoo import load_card

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from engines.small import CARD_OF, SMALL_ENGINES  # noqa: E402


def frame(number: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Make a frame with two moving ellipses, the second away half of the time, and their masks."""
    ys, xs = np.mgrid[:height, :width]
    image = np.stack([(xs * 3 + number) % 256, (ys * 5) % 256, (xs + ys) % 256], -1).astype(np.uint8)
    masks = np.zeros((2, height, width), bool)
    for index, mask in enumerate(masks):
        if index and number % 200 >= 100:
            continue
        y = height * (0.5 + 0.25 * np.sin(number / 37 + index))
        x = width * (0.5 + 0.3 * np.cos(number / 53 + 2 * index))
        mask[:] = ((ys - y) / (height / 6)) ** 2 + ((xs - x) / (width / 8)) ** 2 < 1
        image[mask] = (220, 40, 40) if index == 0 else (40, 60, 220)
    return image, masks


def resident_mb() -> float:
    """Return the resident memory of this process in megabytes (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def tracker_of(options: argparse.Namespace) -> HQTrack:
    """Return a tracker with random weights."""
    torch.manual_seed(0)
    if options.engine:
        start = SMALL_ENGINES[options.engine](torch.float32)
        return HQTrack(load_card(CARD_OF[options.engine]), start, device="cpu", precision="float32")
    card = replace(
        load_card("hqtrack-light"),
        memory=MemorySettings(options.slots, options.gap, 4),
        max_long_edge=options.width,
    )
    return HQTrack(card, nets.build(card.network), device="cpu")


def soak(options: argparse.Namespace) -> dict[str, list[float]]:
    """Track the video; give frame numbers, resident megabytes and median seconds, in steps."""
    tracker = tracker_of(options)
    image, masks = frame(0, options.height, options.width)
    tracker.initialize(image, masks[: options.objects])
    series: dict[str, list[float]] = {"frame": [], "resident_mb": [], "seconds": []}
    step = max(1, options.frames // 200)
    seconds = []
    for number in range(1, options.frames + 1):
        image, _ = frame(number, options.height, options.width)
        start = time.process_time()
        tracker.track(image)
        seconds.append(time.process_time() - start)
        if number % step == 0:
            series["frame"].append(number)
            series["resident_mb"].append(resident_mb())
            series["seconds"].append(float(np.median(seconds)))
            seconds = []
    return series


def draw(series: dict[str, list[float]], path: Path) -> None:
    """Plot resident memory and time per frame over the frames."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (memory, speed) = pyplot.subplots(2, 1, sharex=True, figsize=(8, 5), layout="constrained")
    memory.plot(series["frame"], series["resident_mb"])
    memory.set(ylabel="resident memory (MB)", ylim=(0, 1.2 * max(series["resident_mb"])))
    speed.plot(series["frame"], [1000 * value for value in series["seconds"]])
    speed.set(xlabel="frame", ylabel="processor time per frame (ms)", ylim=(0, 1200 * max(series["seconds"])))
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--engine", choices=SMALL_ENGINES, help="default: that of hqtrack-light")
    parser.add_argument("--objects", type=int, choices=(1, 2), default=2)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--gap", type=int, default=50)
    parser.add_argument("--height", type=int, default=96)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--out", type=Path, default=ROOT / "lab" / "soak", help="path without an ending")
    options = parser.parse_args()
    series = soak(options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.with_suffix(".json").write_text(json.dumps({**vars(options), "out": "", **series}, indent=1))
    draw(series, options.out.with_suffix(".svg"))
    full = next(i for i, n in enumerate(series["frame"]) if n >= min(1000, options.frames // 2))
    for name, unit in (("resident_mb", "MB"), ("seconds", "s")):
        early, late = np.mean(series[name][full : full + 10]), np.mean(series[name][-10:])
        print(f"{name}: {early:.4g} {unit} when the slots are full, {late:.4g} {unit} at the end")


if __name__ == "__main__":
    main()
