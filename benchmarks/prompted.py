"""What a card's refiner makes of boxes, careless boxes, points and clicks: mean IoU with the true masks.

    python benchmarks/prompted.py STATIC/duts.txt STATIC/coco.txt davis2017=DAVIS vot=SEQUENCES --every 12

A list of photographs stands for the tenth of it that `hqtrack train refiner` keeps for validation, one object
of each; a dataset for every object of every so manieth frame of its sequences, with `--every 0` of the first
ones. A careless box has each side off by up to a tenth of its length; a point is the pixel farthest from the
object's border.

`--clicks` measures corrective clicks instead, as a person gives them on the page: each in the middle of the
largest piece that is missing, or that is too much, until five are given. It is done twice: with clicks alone,
and with a tight box before them.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from hqtrack.images import Image
from hqtrack.masks import Mask, box_of, iou
from hqtrack.refinement import Clues, MaskRefiner, build_refiner
from hqtrack.training.crops import Photographs, middle
from hqtrack.training.datasets import read_dataset
from hqtrack.video.drawing import draw_masks
from hqtrack.zoo import load_card

SMALLEST = 200
"""Pixels of an object that is looked at."""


def of_photographs(file: Path, most: int) -> Iterator[tuple[str, Image, Mask]]:
    kept = Photographs.from_lists(file.parent, [file.name]).split()[1]
    count = 0
    for index in range(0, len(kept.items), max(1, len(kept.items) // most)):
        image, labels = kept.read(index)
        numbers = [n for n in kept.items[index].objects if np.count_nonzero(labels == n) >= SMALLEST]
        if numbers and count < most:
            yield kept.items[index].image.stem, image, labels == numbers[count % len(numbers)]
            count += 1


def of_videos(name: str, folder: Path, every: int) -> Iterator[tuple[str, Image, Mask]]:
    for video in read_dataset(name, folder):
        for index in range(0, len(video), every or len(video)):
            image, labels = video.frame(index)
            for number in np.unique(labels):
                if number and np.count_nonzero(labels == number) >= SMALLEST:
                    yield f"{video.name} {index} {number}", image, labels == number


def careless(box: tuple[int, ...], size: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    x0, y0, x1, y1 = box
    moved = np.array(box) + rng.uniform(-0.1, 0.1, 4) * (x1 - x0, y1 - y0, x1 - x0, y1 - y0)
    return np.clip(moved, 0, [size[1] - 1, size[0] - 1, size[1] - 1, size[0] - 1])


def answers(refiner: MaskRefiner, image: Image, mask: Mask, rng: np.random.Generator) -> list[Mask]:
    box = box_of(mask)
    assert box is not None
    found = [
        refiner.masks_from_boxes(image, [box]),
        refiner.masks_from_boxes(image, [careless(box, mask.shape, rng)]),
        refiner.masks_from_points(image, [middle(mask)]),
    ]
    return [one[0].cpu().numpy() for one in found]


CLICKS = (0, 1, 2, 3, 5)
"""Numbers of clicks after which a mask is judged."""


def next_click(found: Mask, mask: Mask) -> tuple[tuple[float, float], bool] | None:
    """Return the middle of the largest wrong piece, if there is one, and whether it is on the object."""
    pieces = []
    for wrong, on_object in ((mask & ~found, True), (found & ~mask, False)):
        _, numbers, stats, _ = cv2.connectedComponentsWithStats(wrong.astype(np.uint8))
        if len(stats) > 1:
            largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
            pieces.append((int(stats[largest, cv2.CC_STAT_AREA]), numbers == largest, on_object))
    if not pieces:
        return None
    _, piece, on_object = max(pieces, key=lambda each: each[0])
    return middle(piece), on_object


def clicked(refiner: MaskRefiner, image: Image, mask: Mask, box: tuple[int, ...] | None) -> list[float]:
    """Return the IoU after each number of `CLICKS`, those after a box or from the first click on."""
    points: list[tuple[float, float]] = []
    beside: list[tuple[float, float]] = []
    found = np.zeros_like(mask)
    scores = []
    for count in range(CLICKS[-1] + 1):
        if count:
            click = next_click(found, mask)
            if click is not None:
                (points if click[1] else beside).append(click[0])
        if box is not None or points:
            found = refiner.masks_from_clues(image, [Clues(box, points, beside)])[0].cpu().numpy()
        scores.append(iou(found, mask))
    return [scores[count] for count in CLICKS]


def measure_clicks(name: str, rows: Iterator[tuple[str, Image, Mask]], refiner: MaskRefiner) -> None:
    """Print the mean IoU after clicks, with and without a box before them."""
    ways: dict[str, list[list[float]]] = {"clicks": [], "box, then clicks": []}
    for _, image, mask in rows:
        ways["clicks"].append(clicked(refiner, image, mask, None))
        ways["box, then clicks"].append(clicked(refiner, image, mask, box_of(mask)))
    for way, scores in ways.items():
        means = "  ".join(f"{one:.3f}" for one in np.mean(scores, axis=0))
        print(f"{name:20} {way:18} {len(scores):7}  {means}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", nargs="+", help="list of photographs, or DATASET=FOLDER")
    parser.add_argument("--card", default="hqtrack-light")
    parser.add_argument("--weights", type=Path, help="of the refiner, instead of the card's")
    parser.add_argument("--every", type=int, default=0)
    parser.add_argument("--most", type=int, default=60, help="photographs of a list")
    parser.add_argument("--each", action="store_true", help="print each object's, too")
    parser.add_argument(
        "--sheets", type=Path, help="folder that receives a picture of each object's three masks"
    )
    parser.add_argument("--clicks", action="store_true", help="measure corrective clicks")
    options = parser.parse_args()

    settings = load_card(options.card).refiner
    assert settings is not None, "a card with a refiner"
    if options.weights:
        settings = replace(
            settings, weights=replace(settings.weights, file=str(options.weights), sha256=None)
        )
    refiner = build_refiner(settings, device=torch.device("cpu"), dtype=torch.float32)
    if options.clicks:
        print(f"{'':39} objects  {'  '.join(f'{count:5}' for count in CLICKS)}")
    else:
        print(f"{'':30} objects    box  careless  point")
    for text in options.data:
        name, equals, folder = text.partition("=")
        rows = (
            of_videos(name, Path(folder), options.every)
            if equals
            else of_photographs(Path(text), options.most)
        )
        if options.clicks:
            measure_clicks(Path(folder or text).name, rows, refiner)
            continue
        rng = np.random.default_rng(0)
        scores = []
        for label, image, mask in rows:
            found = answers(refiner, image, mask, rng)
            scores.append([iou(one, mask) for one in found])
            if options.each:
                print(f"  {label:28}         {'     '.join(f'{one:.3f}' for one in scores[-1])}", flush=True)
            if options.sheets:
                options.sheets.mkdir(parents=True, exist_ok=True)
                sheet = np.concatenate([draw_masks(image, one[None]) for one in found], axis=1)
                cv2.imwrite(str(options.sheets / f"{label.replace(' ', '-')}.jpg"), sheet[..., ::-1])
        means = "     ".join(f"{one:.3f}" for one in np.mean(scores, axis=0))
        print(f"{Path(folder or text).name:30} {len(scores):7}  {means}", flush=True)


if __name__ == "__main__":
    main()
