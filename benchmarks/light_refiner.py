"""What the light refiner adds to propagated masks: tables of tau, of prompts and of crop sizes, with J and F.

    python benchmarks/light_refiner.py vot=SEQUENCES davis2017=DAVIS --every 4

The light network propagates every frame from the first one's masks; every so manieth frame is refined in each
way. The refiner's masks are output alone, so that one propagation serves all rows. J is the mean IoU, F the
boundary measure of DAVIS; both are means over objects, then over sequences, the first frame left out.
"""

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from hqtrack import zoo
from hqtrack.evaluation.outlines import boundary_f
from hqtrack.masks import box_of, iou
from hqtrack.refinement import light
from hqtrack.refinement.prompts import Prompts
from hqtrack.refinement.selection import boxes_of, select, without_overlap
from hqtrack.tracker import HQTrack
from hqtrack.training.crops import middle
from hqtrack.training.datasets import read_dataset
from hqtrack.training.datasets.video import Video

CHOSEN = 0.5
"""Tau where something else is compared; hqtrack-light had it then."""
OVERLAPS = ("as-propagated", "lower-index")
TAUS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
OTHER_SIDES = (192, 256, 320)

Scores = dict[str, dict[str, list[tuple[float, float]]]]
"""Of each way: for each sequence, J and F of every object and frame."""


def truths(video: Video, index: int, numbers: list[int]) -> np.ndarray:
    _, labels = video.frame(index)
    return np.stack([labels == number for number in numbers])


def refined(network: light.PromptedLight, image: np.ndarray, masks: torch.Tensor, prompts: str, side: int):
    """Refine masks (N, H, W), none of them empty, in one of the ways."""
    network.side = side
    given = masks if prompts == "box and mask" else None
    return network.decode(image, Prompts(boxes=boxes_of(masks), masks=given))


def judge(scores: Scores, way: str, name: str, masks: np.ndarray, truth: np.ndarray) -> None:
    for mask, true in zip(masks, truth, strict=True):
        if true.any():
            scores[way][name].append((iou(mask, true), boundary_f(mask, true)))


def measure(
    video: Video, tracker: HQTrack, network: light.PromptedLight, every: int, sizes: bool, scores: Scores
) -> None:
    image, labels = video.frame(0)
    numbers = [int(number) for number in np.unique(labels) if number]
    first = np.stack([labels == number for number in numbers])
    prompt = {
        "from a box": [box_of(mask) for mask in first],
        "from a point": [middle(mask) for mask in first],
    }
    for way, values in prompt.items():
        given = torch.tensor(values, dtype=torch.float32)
        prompts = Prompts(boxes=given) if given.shape[1] == 4 else Prompts(points=given[:, None])
        judge(scores, way, video.name, network.decode(image, prompts).masks.numpy(), first)
    tracker.initialize(image, first)
    for index in range(1, len(video)):
        image, _ = video.frame(index)
        propagated = torch.from_numpy(tracker.track(image))
        if index % every:
            continue
        truth = truths(video, index, numbers)
        judge(scores, "not refined", video.name, propagated.numpy(), truth)
        visible = propagated.flatten(1).any(1).nonzero().flatten().tolist()
        if not visible:
            continue
        given = propagated[visible]
        ways = [("box", light.REFINED_CROP), ("box and mask", light.REFINED_CROP)]
        ways += [("box and mask", side) for side in OTHER_SIDES] if sizes else []
        for prompts, side in ways:
            found, _ = refined(network, image, given, prompts, side)
            for tau in TAUS if side == light.REFINED_CROP else (CHOSEN,):
                selected, *_ = select(given, found, tau)
                for overlap in OVERLAPS if tau == CHOSEN else OVERLAPS[:1]:
                    masks = propagated.clone()
                    before = given if overlap == "as-propagated" else None
                    masks[visible] = without_overlap(selected, before)
                    way = f"{prompts}, crop {side}, tau {tau:.1f}, {overlap}"
                    judge(scores, way, video.name, masks.numpy(), truth)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", nargs="+", help="DATASET=FOLDER as in hqtrack train")
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--sizes", action="store_true", help="other sizes of crops too")
    parser.add_argument("--only", nargs="*", help="names of sequences")
    parser.add_argument("--weights", type=Path, help="of the refiner")
    arguments = parser.parse_args()
    settings = zoo.load_card("hqtrack-light")
    assert settings.refiner is not None
    path = zoo.find_weights(settings.refiner.weights, arguments.weights)
    network = light.load_light(path, device=torch.device("cpu"))
    tracker = HQTrack(replace(settings, refiner=None), zoo.load_network(settings), device="cpu")
    scores: Scores = defaultdict(lambda: defaultdict(list))
    for text in arguments.datasets:
        name, _, folder = text.partition("=")
        for video in read_dataset(name, Path(folder)):
            if not arguments.only or video.name in arguments.only:
                measure(video, tracker, network, arguments.every, arguments.sizes, scores)
                print(video.name, flush=True)
    print(f"\n{'':48}{'J':>8}{'F':>8}{'J & F':>8}  worst change of J")
    plain = scores["not refined"]
    for way, sequences in scores.items():
        j, f = np.mean([np.mean(values, axis=0) for values in sequences.values()], axis=0)
        worst = min(np.mean(v, 0)[0] - np.mean(plain[n], 0)[0] for n, v in sequences.items() if n in plain)
        change = "" if way.startswith(("from", "not")) else f"{worst:+.3f}"
        print(f"{way:48}{j:8.3f}{f:8.3f}{(j + f) / 2:8.3f}  {change}")


if __name__ == "__main__":
    main()
