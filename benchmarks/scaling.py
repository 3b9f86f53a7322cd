"""How the cost of a frame of the light model grows: with frame size, objects, long-term slots and frames.

    python benchmarks/scaling.py

One setting is varied at a time, from 640x360, three objects and the card's slots. Beside each time stands
its floor: the operations of all matrix products and convolutions of that frame, at the rate at which this
machine multiplies large matrices. The figures go into a JSON file and a plot (both under `docs/` by default).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

import floor
from hqtrack import HQTrack
from propagation import video

ROOT = Path(__file__).resolve().parents[1]
WARM_UP = 3
"""Frames after the slots are full, before any is timed."""


@dataclass(frozen=True)
class Setting:
    """What a frame's cost may depend on."""

    width: int = 640
    height: int = 360
    objects: int = 3
    slots: int = 5
    frames: int = 0
    """Frames tracked before, besides those that fill the slots."""


@dataclass(frozen=True)
class Cost:
    """Of one frame."""

    milliseconds: float
    floor: float
    """Milliseconds that its arithmetic takes at the machine's rate."""


BASE = Setting()
CURVES = {
    "frame width": [replace(BASE, width=w, height=w * 9 // 16) for w in (320, 480, 640, 960, 1280)],
    "objects": [replace(BASE, objects=n) for n in (1, 3, 5, 10, 20)],
    "long-term slots": [replace(BASE, slots=n) for n in (0, 2, 5, 10)],
    "frames before": [replace(BASE, frames=n) for n in (0, 30, 60, 120)],
}
FIELDS = dict(zip(CURVES, ("width", "objects", "slots", "frames"), strict=True))


def measure(setting: Setting, precision: str, timed: int) -> Cost:
    """Track a made-up video; give the median cost of its last frames."""
    warm_up = setting.slots + WARM_UP
    frames, labels = video(min(60, 2 + warm_up + timed), setting.height, setting.width, setting.objects)
    tracker = HQTrack.from_card(
        "vmos-light",
        device="cpu",
        precision=precision,  # type: ignore[arg-type]
        long_term_slots=setting.slots,
        long_term_gap=1,  # so that the slots are full soon
        max_long_edge=setting.width,
    )
    tracker.initialize(frames[0], labels == np.arange(1, setting.objects + 1)[:, None, None])
    seconds = []
    for number in range(1, warm_up + setting.frames + timed + 1):
        start = time.perf_counter()
        tracker.track(frames[number % len(frames)])
        seconds.append(time.perf_counter() - start)
    count = floor.operations(lambda: tracker.track(frames[-1]))
    least = floor.seconds(count, getattr(torch, precision))
    return Cost(1000 * statistics.median(seconds[-timed:]), 1000 * least)


def draw(figures: dict[str, dict[str, list[Cost]]], path: Path) -> None:
    """Plot one curve for each thing that is varied."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(CURVES), figsize=(13, 3.4), layout="constrained")
    for axis, (name, settings) in zip(axes, CURVES.items(), strict=True):
        places = [getattr(setting, FIELDS[name]) for setting in settings]
        for colour, (precision, costs) in zip(("C0", "C1"), figures[name].items(), strict=False):
            axis.plot(places, [cost.milliseconds for cost in costs], "o-", color=colour, label=precision)
            axis.plot(places, [cost.floor for cost in costs], ":", color=colour, label=f"{precision}, floor")
        axis.set(xlabel=name, ylim=(0, None))
    axes[0].set_ylabel("ms a frame")
    axes[0].legend()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--curves", nargs="+", choices=list(CURVES), default=list(CURVES), metavar="NAME")
    parser.add_argument("--frames", type=int, default=5, help="frames that are timed")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "scaling", help="path without an ending")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    path = options.out.with_suffix(".json")
    kept = json.loads(path.read_text()) if path.is_file() else {}
    figures: dict[str, dict[str, list[Cost]]] = {
        name: {precision: [Cost(**cost) for cost in costs] for precision, costs in of.items()}
        for name, of in kept.items()
    }
    done: dict[tuple[Setting, str], Cost] = {}
    for name in options.curves:
        for precision in options.precisions:
            for setting in CURVES[name]:
                if (setting, precision) not in done:
                    done[setting, precision] = measure(setting, precision, options.frames)
                cost = done[setting, precision]
                place = getattr(setting, FIELDS[name])
                print(f"{name} {place}, {precision}: {cost.milliseconds:.0f} ms, floor {cost.floor:.0f} ms")
            costs = [done[setting, precision] for setting in CURVES[name]]
            figures.setdefault(name, {})[precision] = costs
        serial = {
            key: {p: [asdict(cost) for cost in costs] for p, costs in of.items()}
            for key, of in figures.items()
        }
        path.write_text(json.dumps(serial, indent=1) + "\n")
    if figures.keys() == CURVES.keys():
        draw(figures, options.out.with_suffix(".svg"))


if __name__ == "__main__":
    main()
