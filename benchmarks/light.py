"""Frames per second of the embedded light model on a CPU.

    python benchmarks/light.py

A made-up video of 640x360 with three objects; frames are timed one by one once the long-term memory is
full, so that a figure is what any later frame takes (it is written after every frame here, so that it soon
is). Frames are in memory: reading them is not measured. Beside the time on the clock stands the processor
time, which other work on the machine disturbs less, and the floor: the frame's matrix products and
convolutions at the rate at which this machine multiplies large matrices. Where the card has a refiner, it is
timed by itself, too, on the last frame's masks.
"""

from __future__ import annotations

import argparse
import statistics
import time
from functools import partial

import numpy as np
import torch

import floor
from hqtrack import HQTrack
from hqtrack.images import Image
from hqtrack.masks import Masks
from hqtrack.refinement import MaskRefiner
from propagation import video

WARM_UP = 8
"""Frames until all slots of the card's memory are taken, and a few more."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--card", default="vmos-light", help="hqtrack-light has a refiner, too")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--objects", type=int, default=3)
    parser.add_argument("--size", type=int, nargs=2, default=(360, 640), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--slots", type=int, help="long-term slots instead of the card's")
    parser.add_argument("--long-edge", type=int, help="limit of the input's longer side, likewise")
    parser.add_argument("--frames", type=int, default=20, help="frames that are timed")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    height, width = options.size
    frames, labels = video(1 + WARM_UP + options.frames, height, width, options.objects)
    masks = labels == np.arange(1, options.objects + 1)[:, None, None]
    for precision in ("float32", "bfloat16"):
        tracker = HQTrack.from_card(
            options.card,
            device="cpu",
            precision=precision,  # type: ignore[arg-type]
            long_term_gap=1,
            long_term_slots=options.slots,
            max_long_edge=options.long_edge,
        )
        tracker.initialize(frames[0], masks)
        seconds, busy = [], []
        found = masks
        for frame in frames[1:]:
            start, worked = time.perf_counter(), time.process_time()
            found = tracker.track(frame)
            seconds.append(time.perf_counter() - start)
            busy.append(time.process_time() - worked)
        median = statistics.median(seconds[WARM_UP:])
        count = floor.operations(partial(tracker.track, frames[-1]))
        least = floor.seconds(count, tracker.dtype)
        print(
            f"{options.card}, {precision}: {1 / median:.1f} frames/s ({1000 * median:.0f} ms; fastest "
            f"{1000 * min(seconds[WARM_UP:]):.0f}; processor {1000 * statistics.median(busy[WARM_UP:]):.0f}, "
            f"least {1000 * min(busy[WARM_UP:]):.0f}; floor {1000 * least:.0f} for {count / 1e9:.1f} billion "
            f"operations), {options.threads} threads, {options.objects} objects, {width}x{height}, "
            f"{tracker.card.memory.long_term_slots} slots, long edge {tracker.card.max_long_edge}",
            flush=True,
        )
        if tracker.refiner is not None:
            seconds = refining(tracker.refiner, frames[-1], found, options.frames)
            print(
                f"    the refiner by itself: {1000 * statistics.median(seconds):.0f} ms, "
                f"fastest {1000 * min(seconds):.0f}, {int(found.any((1, 2)).sum())} objects",
                flush=True,
            )


def refining(refiner: MaskRefiner, frame: Image, masks: Masks, runs: int) -> list[float]:
    """Return the seconds that refining a frame's masks takes in each of some runs."""
    given, seconds = torch.from_numpy(masks), []
    for _ in range(runs + 1):
        start = time.perf_counter()
        refiner.refine(frame, given)
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


if __name__ == "__main__":
    main()
