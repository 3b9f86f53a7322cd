"""How well a card's network tracks sequences whose truth is known: mean IoU (J) without the first frame.

    python benchmarks/quality.py vot=SEQUENCES
    python benchmarks/quality.py davis2017=DAVIS --only kite-walk --weights new.safetensors --sheets sheets

The datasets are those of `hqtrack train`. The first frame's masks are given; vmos-light does not refine,
`--card hqtrack-light` does. Printed are a sequence's mean over its objects, each object's over its frames,
and the mean over sequences; with `--boundary` the same of DAVIS' measure of outlines (F), too. Where an
object is neither there nor found, both are 1. `--worst N` draws the N worst sequences on one sheet, what was
found above the truth. `--silent PART` shows what a part of the light network is worth
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
from hqtrack.video.drawing import contact_sheet, draw_masks, write_text
from silent import PARTS, silence

SHOWN = 12
"""Frames on a contact sheet."""
SHOWN_OF_WORST = 6
"""Frames of a sequence on the sheet of the worst."""

Measure = Callable[[np.ndarray, np.ndarray], float]
"""Takes the mask that was found and the true one, (H, W) bool."""


def scores(
    tracker: HQTrack, video: Video, measures: Sequence[Measure], shown: list[tuple[Image, Image]]
) -> np.ndarray:
    """Track a video; gives each measure's means (measures, objects) without the first frame.

    Pictures of what was found and of the truth are added to `shown`.
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
            true = np.stack([truth == number for number in numbers])
            shown.append((draw_masks(image, masks), draw_masks(image, true)))
    return np.mean(found, axis=0)


def sheet_of_worst(sequences: Sequence[tuple[float, str, list[tuple[Image, Image]]]], count: int) -> Image:
    """Lay out the sequences of lowest IoU, two rows each: what was found with name and IoU, and the truth."""
    rows: list[Image] = []
    for score, name, shown in sorted(sequences, key=lambda each: each[0])[:count]:
        chosen = [shown[i] for i in np.linspace(0, len(shown) - 1, SHOWN_OF_WORST).round().astype(int)]
        found = [pair[0].copy() for pair in chosen]
        write_text(found[0], f"{name} {score:.2f}", (found[0].shape[1] // 2, 20))
        rows += [*found, *(pair[1] for pair in chosen)]
    return contact_sheet(rows, columns=SHOWN_OF_WORST)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Return the intersection over union of two masks; 1 where both are empty."""
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


def written(row: np.ndarray) -> str:
    """Return measures (M,) as text."""
    return " ".join(f"{one:.3f}" for one in row)


def written_sheet(file: Path, sheet: Image) -> None:
    """Write a sheet."""
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


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
    parser.add_argument("--worst", type=int, help="draw the worst sequences on SHEETS/worst.jpg")
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
    if options.worst and not options.sheets:
        parser.error("--worst needs --sheets, the folder that receives worst.jpg")
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
    pictures: list[tuple[float, str, list[tuple[Image, Image]]]] = []
    for video in videos:
        shown: list[tuple[Image, Image]] = []
        found = scores(tracker, video, (iou, boundary_f) if options.boundary else (iou,), shown)
        means.append(found.mean(axis=1))
        objects = "  ".join(" ".join(f"{one:.2f}" for one in row) for row in found)
        print(f"{video.name:20} {written(means[-1])}  {objects}", flush=True)
        if options.worst:  # only the worst so far are kept, for memory
            pictures = sorted([*pictures, (float(means[-1][0]), video.name, shown)], key=lambda each: each[0])
            del pictures[options.worst :]
        elif options.sheets:
            written_sheet(options.sheets / f"{video.name}.png", contact_sheet([pair[0] for pair in shown]))
    if options.worst:
        written_sheet(options.sheets / "worst.jpg", sheet_of_worst(pictures, options.worst))
    print(f"{'mean':20} {written(np.mean(means, axis=0))}")


if __name__ == "__main__":
    main()
