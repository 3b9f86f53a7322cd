"""What first rectangles gain by becoming masks, and what a stack of boxes gains by rectangles.

    python benchmarks/boxes.py SEQUENCES
    python benchmarks/boxes.py SEQUENCES --frames 60 --width 854

SEQUENCES is a folder of clips in the toolkit's format with a mask of one object in each frame. They become a
data set of boxes: the truth is the rectangle around each mask, and the tracker gets the first one. Measured
is what `env_HQTRACK_FROM_BOX` and `env_HQTRACK_REPORT` do in a session, by the session's own code. Printed
are mean overlaps over clips, without the first frame: with the rectangles, as a stack of boxes measures, and
with the masks.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from vot.dataset import Sequence, load_dataset

from hqtrack import HQTrack
from hqtrack.images import Image
from hqtrack.masks import Mask, box_of
from hqtrack.vot.regions import First
from hqtrack.vot.session import Boxes, TrackedSequence

Clip = list[tuple[Image, Mask]]


def clip_of(sequence: Sequence, count: int, width: int) -> Clip:
    """Return the first frames of a sequence, reduced to a width, with the true mask of each."""
    frames = []
    for index in range(min(count, len(sequence))):
        image = np.ascontiguousarray(sequence.frame(index).image())
        size = (width, round(image.shape[0] * width / image.shape[1]))
        region = sequence.groundtruth(index)
        mask = region.rasterize((0, 0, image.shape[1] - 1, image.shape[0] - 1)).astype(np.uint8)
        frames.append(
            (
                cv2.resize(image, size, interpolation=cv2.INTER_AREA),
                cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST) > 0,
            )
        )
    return frames


def rectangle(mask: Mask) -> Mask:
    """Return the filled rectangle around a mask."""
    filled = np.zeros_like(mask)
    box = box_of(mask)
    if box is not None:
        x0, y0, x1, y1 = box
        filled[y0 : y1 + 1, x0 : x1 + 1] = True
    return filled


def iou(one: Mask, other: Mask) -> float:
    """Return the intersection over union of two masks; 1 where both are empty."""
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


def tracked(tracker: HQTrack, clip: Clip, first: First, from_box: str) -> Iterator[tuple[Mask, Mask]]:
    """Track a clip as a session does; yields the mask found and the true one of each frame but the first."""
    sequence, boxes = TrackedSequence(tracker), Boxes(tracker, from_box)
    sequence.step(clip[0][0], boxes.masks(clip[0][0], [first]))
    for image, truth in clip[1:]:
        (mask,) = sequence.step(image, [])
        yield mask, truth


def main() -> None:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sequences", type=Path, help="folder of clips with a list.txt")
    parser.add_argument("--card", default="hqtrack-light", help="one with a refiner")
    parser.add_argument("--frames", type=int, default=20, help="of each clip")
    parser.add_argument("--width", type=int, default=480, help="to which frames are reduced")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    tracker = HQTrack.from_card(options.card, precision=options.precision)
    clips = [clip_of(each, options.frames, options.width) for each in load_dataset(str(options.sequences))]
    print(f"{len(clips)} clips, {sum(len(clip) for clip in clips)} frames, {options.width} pixels wide")
    print("| first region | `FROM_BOX` | `REPORT` | overlap with boxes | with masks |")
    print("|---|---|---|---|---|")
    for given, from_box in (("rectangle", "mask"), ("rectangle", "auto"), ("mask", "auto")):
        by_report: dict[str, list[tuple[float, float]]] = {"mask": [], "rectangle": []}
        for clip in clips:
            start = clip[0][1]
            first = First(start, False) if given == "mask" else First(rectangle(start), True)
            pairs = list(tracked(tracker, clip, first, from_box))
            for report, rows in by_report.items():
                reported = [(mask if report == "mask" else rectangle(mask), truth) for mask, truth in pairs]
                rows.append(
                    (
                        float(np.mean([iou(mask, rectangle(truth)) for mask, truth in reported])),
                        float(np.mean([iou(mask, truth) for mask, truth in reported])),
                    )
                )
        for report, rows in by_report.items():
            boxes, masks = np.mean(rows, axis=0)
            print(f"| {given} | {from_box} | {report} | {boxes:.3f} | {masks:.3f} |", flush=True)


if __name__ == "__main__":
    main()
