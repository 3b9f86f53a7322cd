"""How well a card's network tracks sequences whose truth is known: mean IoU (J) without the first frame.

    python benchmarks/quality.py vot=SEQUENCES
    python benchmarks/quality.py davis2017=DAVIS --only kite-walk --weights new.safetensors --sheets sheets

The datasets are those of `hqtrack train`. The first frame's masks are given; vmos-light does not refine,
`--card hqtrack-light` does. Printed are a sequence's mean over its objects, each object's over its frames,
and the mean over sequences; with `--boundary` the same of DAVIS' measure of outlines (F), too. Where an
object is neither there nor found, both are 1. `--silent PART` shows what a part of the light network is worth
to weights, trained with it or without (`silent.py`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from hqtrack import HQTrack
from hqtrack.evaluation.outlines import boundary_f
from hqtrack.images import Image
from hqtrack.training.datasets import Video, read_dataset
from hqtrack.video.drawing import contact_sheet, draw_masks
from silent import PARTS, silence

SHOWN = 12
"""Frames on a contact sheet."""

Measure = Callable[[np.ndarray, np.ndarray], float]
"""Takes the mask that was found and the true one, (H, W) bool."""


def scores(tracker: HQTrack, video: Video, measures: Sequence[Measure], shown: list[Image]) -> np.ndarray:
    """Track a video; gives each measure's means (measures, objects) without the first frame.

    Pictures are added to `shown`.
    """
    image, first = video.frame(0)
    numbers = [int(number) for number in np.unique(first) if number]
    masks = np.stack([first == number for number in numbers])
    tracker.initialize(image, masks)
    pictures = set(np.linspace(0, len(video) - 1, SHOWN).round().astype(int).tolist())
    found = []
    for index in range(1, len(video)):
        image, truth = video.frame(index)
        masks = tracker.track(image)
        pairs = [(mask, truth == number) for mask, number in zip(masks, numbers, strict=True)]
        found.append([[measure(*pair) for pair in pairs] for measure in measures])
        if index in pictures:
            shown.append(draw_masks(image, masks))
    return np.mean(found, axis=0)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Return the intersection over union of two masks; 1 where both are empty."""
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


def written(row: np.ndarray) -> str:
    """Return measures (M,) as text."""
    return " ".join(f"{one:.3f}" for one in row)


def number_or_off(text: str) -> float | str:
    """Read a setting of a rule."""
    return text if text == "off" else float(text)


def main() -> None:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", help="DATASET=FOLDER")
    parser.add_argument("--only", help="names of sequences, separated by commas")
    parser.add_argument("--card", default="vmos-light")
    parser.add_argument("--weights", type=Path, help="instead of the card's")
    parser.add_argument("--sheets", type=Path, help="folder that receives a contact sheet of each sequence")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--slots", type=int, help="long-term slots instead of the card's")
    parser.add_argument("--gap", type=int, help="long-term gap instead of the card's")
    parser.add_argument("--rules", choices=("off",), help="switch all rules of the card off")
    parser.add_argument("--search-margin", type=number_or_off, help="instead of the card's; or off")
    parser.add_argument("--largest-gap", type=number_or_off, help="likewise")
    parser.add_argument("--motion-prior", choices=("on", "off"), help="likewise")
    parser.add_argument("--guided-outlines", choices=("on", "off"), help="likewise")
    parser.add_argument("--tau", type=float, help="the refiner's IoU threshold, likewise")
    parser.add_argument("--long-edge", type=int, help="limit of the input's longer side, likewise")
    parser.add_argument("--silent", choices=PARTS, help="part of the light network that says nothing")
    parser.add_argument("--boundary", action="store_true", help="print F, too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.silent:
        silence(options.silent)

    tracker = HQTrack.from_card(
        options.card,
        weights=options.weights,
        precision=options.precision,
        long_term_slots=options.slots,
        long_term_gap=options.gap,
        rules=options.rules,
        search_margin=options.search_margin,
        largest_gap=options.largest_gap,
        motion_prior=options.motion_prior,
        guided_outlines=options.guided_outlines,
        max_long_edge=options.long_edge,
        iou_threshold=options.tau,
    )
    name, _, folder = options.data.partition("=")
    videos = read_dataset(name, Path(folder))
    if options.only:
        videos = [video for video in videos if video.name in options.only.split(",")]
    means = []
    for video in videos:
        shown: list[Image] = []
        found = scores(tracker, video, (iou, boundary_f) if options.boundary else (iou,), shown)
        means.append(found.mean(axis=1))
        objects = "  ".join(" ".join(f"{one:.2f}" for one in row) for row in found)
        print(f"{video.name:20} {written(means[-1])}  {objects}", flush=True)
        if options.sheets:
            options.sheets.mkdir(parents=True, exist_ok=True)
            sheet = contact_sheet(shown)
            cv2.imwrite(str(options.sheets / f"{video.name}.png"), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    print(f"{'mean':20} {written(np.mean(means, axis=0))}")


if __name__ == "__main__":
    main()
