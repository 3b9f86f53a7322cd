"""Refining one frame: one encoding and one batch of boxes, beside the published loop over objects.

    python benchmarks/refinement.py --kind hq-sam-vit-tiny --objects 4

The published loop encodes the frame again for every object (`SamPredictor.set_image`, then `predict`). Both
have the same formula weights, run on the same frame in turn, and are compared pixel by pixel.
"""

import argparse
import copy
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import torch

from hqtrack.cards import RefinerKind
from hqtrack.masks import box_of
from hqtrack.refinement.prompts import Prompts
from hqtrack.refinement.sam import PromptedSam, build_network

from segment_anything_hq import SamPredictor  # isort: skip

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from formula_weights import formula_state_dict


def published(predictor: Any, image: np.ndarray, boxes: np.ndarray) -> torch.Tensor:
    """Refine as the published tracker does: each object on its own, from the frame."""
    masks = []
    for box in boxes:
        predictor.set_image(image)
        candidates, quality, _ = predictor.predict(box=box)
        masks.append(candidates[int(np.argmax(quality))])
    return torch.from_numpy(np.stack(masks))


def published_refiner(
    kind: RefinerKind, device: str, network: Any = None
) -> Callable[[np.ndarray, np.ndarray], torch.Tensor]:
    """Return what refines the objects of a label map (H, W) in its frame as published.

    Args:
        kind: Of the network.
        device: Where it works.
        network: Has the weights; by default they are fresh.
    """
    predictor = SamPredictor((network or build_network(kind)).to(device, torch.float32).eval())

    def refine(image: np.ndarray, labels: np.ndarray) -> torch.Tensor:
        boxes = (box_of(labels == index) for index in range(1, int(labels.max()) + 1))
        found = [box for box in boxes if box is not None]
        return published(predictor, image, np.array(found or [(0, 0, 9, 9)], float))

    return refine


def ours(sam: PromptedSam, image: np.ndarray, boxes: np.ndarray) -> torch.Tensor:
    return sam.decode(sam.encode(image), Prompts(boxes=torch.from_numpy(boxes))).masks.cpu()


def timed(work: Callable[..., torch.Tensor], *arguments: Any) -> tuple[float, torch.Tensor]:
    start = time.perf_counter()
    masks = work(*arguments)
    return time.perf_counter() - start, masks


def boxes_of(count: int, height: int, width: int) -> np.ndarray:
    """Return boxes of different sizes, spread over the frame."""
    random = np.random.default_rng(0)
    corners = random.uniform(0, 1, (count, 2, 2)) * [width - 1, height - 1]
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).round()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--kind",
        choices=[kind for kind in get_args(RefinerKind) if kind != "light"],
        default="hq-sam-vit-tiny",
    )
    parser.add_argument("--objects", type=int, default=4)
    parser.add_argument("--size", type=int, nargs=2, default=(480, 854), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--runs", type=int, default=1, help="timed runs of each, after a warm-up")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("float32", "bfloat16", "float16"), default="float32")
    options = parser.parse_args()

    device = torch.device(options.device)
    network: Any = build_network(options.kind)
    network.load_state_dict(formula_state_dict(network.state_dict()))
    predictor = SamPredictor(copy.deepcopy(network).to(device).eval())
    sam = PromptedSam(network, device=device, dtype=getattr(torch, options.precision))
    height, width = options.size
    patches = np.random.default_rng(1).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    image = cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC)
    boxes = boxes_of(options.objects, height, width)

    ours(sam, image, boxes[:1])
    loop, batch, equal = [], [], 1.0
    for _ in range(options.runs):
        seconds, expected = timed(published, predictor, image, boxes)
        loop.append(seconds)
        seconds, masks = timed(ours, sam, image, boxes)
        batch.append(seconds)
        equal = min(equal, *(masks == expected).float().mean((1, 2)).tolist())
    slow, fast = statistics.median(loop), statistics.median(batch)
    print(
        f"{options.kind}, {options.objects} objects, {width} x {height}, {options.precision} on {device} "
        f"({torch.get_num_threads()} threads): published loop {slow:.2f} s, "
        f"one encoding and one batch {fast:.2f} s, {slow / fast:.2f} times as fast; "
        f"the worst mask is equal in {equal:.4%} of pixels"
    )


if __name__ == "__main__":
    main()
