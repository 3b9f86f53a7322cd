"""What a card's refiner makes of a box, of a careless box and of a point: mean IoU with the true masks.

    python benchmarks/prompted.py STATIC/duts.txt STATIC/coco.txt davis2017=DAVIS vot=SEQUENCES --every 12

A list of photographs stands for the tenth of it that `hqtrack train refiner` keeps for validation, one object
of each; a dataset for every object of every so manieth frame of its sequences, with `--every 0` of the first
ones. A careless box has each side off by up to a tenth of its length; a point is the pixel farthest from the
object's border.
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
from hqtrack.refinement import MaskRefiner, build_refiner
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
    options = parser.parse_args()

    settings = load_card(options.card).refiner
    assert settings is not None, "a card with a refiner"
    if options.weights:
        settings = replace(
            settings, weights=replace(settings.weights, file=str(options.weights), sha256=None)
        )
    refiner = build_refiner(settings, device=torch.device("cpu"), dtype=torch.float32)
    print(f"{'':30} objects    box  careless  point")
    for text in options.data:
        name, equals, folder = text.partition("=")
        rows = (
            of_videos(name, Path(folder), options.every)
            if equals
            else of_photographs(Path(text), options.most)
        )
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
