"""How the cost of a frame of the light model grows: with frame size, objects, long-term slots and frames.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --operations-only    # seconds instead of minutes

One setting is varied at a time, from 640x360, three objects and full slots. The operations of all matrix
products and convolutions of a frame are counted, on tensors without numbers; unless told otherwise, frames
are timed, too, and shown beside the least time that so many operations can take here. The figures go into a
JSON file and a plot (both under `lab/` by default).
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
from hqtrack import HQTrack, nets
from hqtrack.nets.interface import MemoryEntry
from hqtrack.propagation.frame import EdgeLimits, input_size
from hqtrack.zoo import load_card
from propagation import video

ROOT = Path(__file__).resolve().parents[1]
CARD = load_card("vmos-light")


@dataclass(frozen=True)
class Setting:
    """What a frame's cost may depend on."""

    width: int = 640
    objects: int = 3
    slots: int = CARD.memory.long_term_slots or 0
    frames: int = 60
    """Frames tracked before, which fill the slots one by one."""

    @property
    def height(self) -> int:
        return self.width * 9 // 16

    @property
    def remembered(self) -> int:
        """Slots that are taken."""
        return min(self.slots, self.frames // CARD.memory.long_term_gap)


@dataclass
class Cost:
    """Of one frame."""

    operations: int
    milliseconds: float | None = None
    floor: float | None = None
    """Milliseconds that the operations take at the machine's rate."""


BASE = Setting()
CURVES = {
    "width": [replace(BASE, width=w) for w in (320, 480, 640, 960, 1280, 1920)],
    "objects": [replace(BASE, objects=n) for n in (1, 3, 5, 10, 20)],
    "slots": [replace(BASE, slots=n) for n in (0, 2, 5, 8, 12)],
    "frames": [replace(BASE, frames=n) for n in (0, 5, 10, 15, 20, 25, 40, 60)],
}
NAMES = {
    "width": "frame width (16:9)",
    "objects": "objects",
    "slots": "long-term slots",
    "frames": "frames tracked before",
}


@torch.no_grad()
def count(setting: Setting) -> int:
    """Count the operations of a frame, on the meta device: nothing is computed."""
    with torch.device("meta"):
        network = nets.build(CARD.network).eval()
        size = input_size(
            setting.height,
            setting.width,
            EdgeLimits(setting.width),
            align_corners=network.align_corners,
        )
        image = torch.empty(1, 3, *size)
        groups = [min(10, setting.objects - first) for first in range(0, setting.objects, 10)]
        features = network.encode(image)

        def track() -> None:
            features = network.encode(image)
            for objects, (one_hot, recent, memory) in zip(groups, known, strict=True):
                found = network.propagate(features, memory, recent, 1, objects + 1)
                network.decode(features, found, torch.arange(objects + 1)[None])
                network.memorize(found, network.embed_identity(one_hot))

        known = []
        for objects in groups:
            one_hot = torch.empty(1, objects + 1, *size)
            recent = network.reference(features, network.embed_identity(one_hot))
            frames = 1 + setting.remembered
            memory = tuple(
                MemoryEntry(torch.cat([key] * frames, 2), torch.cat([value] * frames, 2))
                for key, value in recent
            )
            known.append((one_hot, recent, memory))
        return floor.operations(track)


def measure(setting: Setting, precision: str, timed: int) -> Cost:
    """Track a made-up video; give the median cost of its last frames, when as much is remembered."""
    frames, labels = video(1 + setting.remembered + timed, setting.height, setting.width, setting.objects)
    tracker = HQTrack.from_card(
        "vmos-light",
        device="cpu",
        precision=precision,  # type: ignore[arg-type]
        long_term_slots=setting.remembered,
        long_term_gap=1,
        max_long_edge=setting.width,
    )
    tracker.initialize(frames[0], labels == np.arange(1, setting.objects + 1)[:, None, None])
    seconds = []
    for frame in frames[1:]:
        start = time.perf_counter()
        tracker.track(frame)
        seconds.append(time.perf_counter() - start)
    operations = count(setting)
    least = floor.seconds(operations, getattr(torch, precision))
    return Cost(operations, 1000 * statistics.median(seconds[-timed:]), 1000 * least)


def draw(figures: dict[str, dict[str, list[Cost]]], path: Path) -> None:
    """Plot one panel for each thing that is varied."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    timed = any(
        cost.milliseconds is not None for of in figures.values() for costs in of.values() for cost in costs
    )
    figure, axes = pyplot.subplots(1, len(figures), figsize=(13, 3.4), layout="constrained", squeeze=False)
    for axis, (name, of) in zip(axes[0], figures.items(), strict=True):
        places = [getattr(setting, name) for setting in CURVES[name]]
        for colour, (precision, costs) in enumerate(of.items()):
            if timed:
                label, style = precision, {"color": f"C{colour}"}
                axis.plot(places, [cost.milliseconds for cost in costs], "o-", label=label, **style)
                axis.plot(places, [cost.floor for cost in costs], ":", label=f"{label}, floor", **style)
            else:
                axis.plot(places, [cost.operations / 1e9 for cost in costs], "o-")
        axis.set(xlabel=NAMES[name], ylim=(0, None))
    axes[0][0].set_ylabel("ms a frame" if timed else "billion operations a frame")
    if timed:
        axes[0][0].legend()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--curves", nargs="+", choices=list(CURVES), default=list(CURVES), metavar="NAME")
    parser.add_argument("--frames", type=int, default=5, help="frames that are timed")
    parser.add_argument("--operations-only", action="store_true", help="time nothing")
    parser.add_argument("--out", type=Path, default=ROOT / "lab" / "scaling", help="path without an ending")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    figures: dict[str, dict[str, list[Cost]]] = {}
    done: dict[tuple[Setting, str], Cost] = {}
    for name in options.curves:
        for precision in ["operations"] if options.operations_only else options.precisions:
            costs = figures.setdefault(name, {})[precision] = []
            for setting in CURVES[name]:
                if (setting, precision) not in done:
                    done[setting, precision] = (
                        Cost(count(setting))
                        if options.operations_only
                        else measure(setting, precision, options.frames)
                    )
                costs.append(done[setting, precision])
                print(f"{name} {getattr(setting, name)}, {precision}: {costs[-1]}", flush=True)
    serial = {
        name: {precision: [asdict(cost) for cost in costs] for precision, costs in of.items()}
        for name, of in figures.items()
    }
    options.out.with_suffix(".json").write_text(json.dumps(serial, indent=1) + "\n")
    draw(figures, options.out.with_suffix(".svg"))


if __name__ == "__main__":
    main()
