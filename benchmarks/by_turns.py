"""Time of cards whose frames take turns in one process, so that other work on the machine disturbs all alike.

    python benchmarks/by_turns.py vmos-light hqtrack-light
    python benchmarks/by_turns.py vmos-light vmos-light:guided_outlines=off --precision bfloat16

A made-up video of 640x360 with three objects; what each tracker remembers is full before frames are timed.
Printed are medians in ms, on the clock and of the processor, and the time relative to the first card: the
median of the ratios of single frames.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch

from hqtrack import HQTrack
from propagation import video

WARM_UP = 8
"""Frames until all slots of the memory are taken, and a few more."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "cards", nargs="+", metavar="CARD", help="a name, or NAME:setting=value,setting=value"
    )
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--frames", type=int, default=20, help="frames that are timed")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    frames, labels = video(1 + WARM_UP + options.frames, 360, 640, 3)
    masks = labels == np.arange(1, 4)[:, None, None]
    trackers = [tracker_of(card, options.precision) for card in options.cards]
    for tracker in trackers:
        tracker.initialize(frames[0], masks)
    seconds: list[list[float]] = [[] for _ in trackers]
    busy: list[list[float]] = [[] for _ in trackers]
    for index, frame in enumerate(frames[1:]):
        turns = list(enumerate(trackers))
        for which, tracker in turns if index % 2 else reversed(turns):
            start, worked = time.perf_counter(), time.process_time()
            tracker.track(frame)
            seconds[which].append(time.perf_counter() - start)
            busy[which].append(time.process_time() - worked)
    for which, card in enumerate(options.cards):
        pairs = zip(busy[which][WARM_UP:], busy[0][WARM_UP:], strict=True)
        ratio = statistics.median(own / first for own, first in pairs)
        print(
            f"{card}, {options.precision}, {options.threads} threads: "
            f"{1000 * statistics.median(seconds[which][WARM_UP:]):.0f} ms, processor "
            f"{1000 * statistics.median(busy[which][WARM_UP:]):.0f} ms, {ratio:.2f} of the first card's",
            flush=True,
        )


def tracker_of(card: str, precision: str) -> HQTrack:
    """Return the tracker of a card, with settings in place of the card's."""
    name, _, settings = card.partition(":")
    overrides = dict(setting.split("=", 1) for setting in settings.split(",") if setting)
    return HQTrack.from_card(
        name,
        device="cpu",
        precision=precision,  # type: ignore[arg-type]
        long_term_gap=1,
        **overrides,  # type: ignore[arg-type]
    )


if __name__ == "__main__":
    main()
