"""What scores are worth: whether they tell frames with an IoU below 0.5 from the rest (AUROC).

    python benchmarks/scores.py --fit vot=TRAINING --test vot=TEST davis2017=DAVIS --plot scores.svg
        --only bmx-bumps,kite-walk,scooter-gray --stride 2 --max-long-edge 320

A score is made of what the network says of a frame, and of its running mean. How long that mean remembers,
and the threshold of doubt, are chosen on the first sequences, and measured on the others. Masks are tracked
once; confidences and IoU are kept in a folder (`--kept`), from which table and plot are made anew in seconds.

Counted are the frames in which an object is there or found, without the first one; where it is there and not
found, the score is 0. "found" leaves these out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hqtrack import HQTrack, tracker
from hqtrack.engines import Engine, Start
from hqtrack.propagation import Found
from hqtrack.training.datasets import Video, read_dataset
from hqtrack.video.doubts import DOUBTFUL_BELOW

DECAYS = (0.0, 0.9, 0.95, 0.97, 0.98, 0.99)
"""Of the running mean; 0 has no memory."""
GOOD = 0.5
"""IoU from which a mask counts as right."""


class Track(NamedTuple):
    """What is kept of a video, for each frame but the first and each object: (T, N)."""

    confidence: np.ndarray
    """What the network said; 0 where it found nothing."""
    iou: np.ndarray
    there: np.ndarray
    """True: the object is in the frame."""
    stride: int = 1
    """Frames from one that is tracked to the next."""


def noting(start: Start, kept: list[np.ndarray]) -> Start:
    """Return what starts an engine whose scores are noted as it gives them."""

    def begin() -> Engine:
        engine = start()
        find = engine.find

        def noted(image: np.ndarray) -> Found:
            found = find(image)
            assert found.scores is not None
            kept.append(found.scores.cpu().numpy())
            return found

        engine.find = noted  # type: ignore[method-assign]
        return engine

    return begin


def tracked(system: HQTrack, video: Video, stride: int) -> Track:
    """Track a video."""
    kept: list[np.ndarray] = []
    plain, system._start = system._start, noting(system._start, kept)
    try:
        image, first = video.frame(0)
        numbers = [int(number) for number in np.unique(first) if number]
        system.initialize(image, np.stack([first == number for number in numbers]))
        rows = []
        for index in range(stride, len(video), stride):
            image, truth = video.frame(index)
            pairs = [(m, truth == n) for m, n in zip(system.track(image), numbers, strict=True)]
            sure = np.where([m.any() for m, _ in pairs], kept[-1], 0)
            rows.append((sure, [iou(*pair) for pair in pairs], [t.any() for _, t in pairs]))
    finally:
        system._start = plain
    return Track(*(np.array(column) for column in zip(*rows, strict=True)), stride)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Return the intersection over union of two masks; 0 where both are empty."""
    return float(np.count_nonzero(one & other) / max(1, np.count_nonzero(one | other)))


def remembering(track: Track, decay: float) -> np.ndarray:
    """Return scores (T, N) as `HQTrack` makes them of confidences.

    Frames that are left out count as if they were as the next one.
    """
    decay **= track.stride
    mean, rows = np.ones(track.confidence.shape[1]), []
    for sure in track.confidence:
        mean = np.where(sure > 0, decay * mean + (1 - decay) * sure, mean)
        rows.append(np.cbrt(sure * mean**2))
    return np.array(rows)


def judged(tracks: list[Track], decay: float, *, found: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return scores, and whether the masks are right, of all frames that count."""
    scores, right = [], []
    for each in tracks:
        counts = each.confidence > 0 if found else (each.confidence > 0) | each.there
        scores.append(remembering(each, decay)[counts])
        right.append(each.iou[counts] >= GOOD)
    return np.concatenate(scores), np.concatenate(right)


def auroc(scores: np.ndarray, right: np.ndarray) -> float:
    """Return how probably a right mask has a higher score than a wrong one."""
    wrong, good = np.sort(scores[~right]), scores[right]
    below, upto = (np.searchsorted(wrong, good, side=side) for side in ("left", "right"))
    return float((below + upto).sum() / 2 / max(1, len(wrong) * len(good)))


def shares(scores: np.ndarray, right: np.ndarray, threshold: float) -> tuple[float, float]:
    """Return the shares of wrong masks, and of right ones, that are below a threshold."""
    low = scores < threshold
    return float(low[~right].mean()), float(low[right].mean())


def best_threshold(scores: np.ndarray, right: np.ndarray) -> float:
    """Return the threshold, in hundredths, at which the two shares differ most."""

    def gain(threshold: float) -> float:
        caught, disturbed = shares(scores, right, threshold)
        return caught - disturbed

    return max((step / 100 for step in range(50, 100)), key=gain)


def plot(file: Path, sets: dict[str, list[Track]], decay: float) -> None:
    """Draw how many wrong masks are caught at which price, with memory and without."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.4), layout="constrained")
    for axes, (name, tracks) in zip(
        figure.subplots(1, len(sets), squeeze=False)[0], sets.items(), strict=True
    ):
        for label, value, style in (("one frame alone", 0.0, ":"), ("with memory", decay, "-")):
            scores, right = judged(tracks, value)
            points = [shares(scores, right, step) for step in np.unique(np.r_[-1, scores, 2])]
            caught, disturbed = zip(*points, strict=True)
            axes.plot(disturbed, caught, style, color="C0", label=f"{label}: {auroc(scores, right):.3f}")
        caught, disturbed = shares(*judged(tracks, decay), DOUBTFUL_BELOW)
        axes.plot(disturbed, caught, "o", color="C3", label=f"below {DOUBTFUL_BELOW:g}")
        axes.set(title=name, xlabel="right masks called doubtful", ylabel="wrong masks called doubtful")
        axes.legend(loc="lower right", fontsize=8)
    figure.savefig(file)


def main() -> None:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--fit", nargs="*", default=[], metavar="KIND=FOLDER")
    parser.add_argument("--test", nargs="*", default=[], metavar="KIND=FOLDER")
    parser.add_argument("--only", default="", help="names of videos of davis2017, with commas")
    parser.add_argument("--card", default="vmos-light")
    parser.add_argument("--max-long-edge", type=int)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--kept", type=Path, default=Path("benchmark-results/scores"))
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    build: Callable[[], HQTrack] = lambda: HQTrack.from_card(  # noqa: E731
        options.card, max_long_edge=options.max_long_edge
    )
    system: HQTrack | None = None
    sets: dict[str, list[Track]] = {}
    for place, text in [*(("fit", text) for text in options.fit), *(("test", text) for text in options.test)]:
        kind, _, root = text.partition("=")
        tracks = sets.setdefault("fit" if place == "fit" else kind, [])
        for video in read_dataset(kind, Path(root)):
            if kind == "davis2017" and options.only and video.name not in options.only.split(","):
                continue
            file = options.kept / f"{kind}-{video.name}.npz"
            if not file.exists():
                system = build() if system is None else system
                file.parent.mkdir(parents=True, exist_ok=True)
                np.savez(file, *tracked(system, video, options.stride)[:3])
            with np.load(file) as arrays:
                tracks.append(Track(*(arrays[name] for name in arrays.files), options.stride))
    print("| sequences | objects' frames | wrong | " + " | ".join(map(str, DECAYS)) + " |")
    print("|" + "---|" * (3 + len(DECAYS)))
    for name, tracks in sets.items():
        for found in (False, True):
            _, right = judged(tracks, 0, found=found)
            row = " | ".join(f"{auroc(*judged(tracks, decay, found=found)):.3f}" for decay in DECAYS)
            title = f"{name}, found" if found else name
            print(f"| {title} ({len(tracks)}) | {len(right)} | {(~right).mean():.2f} | {row} |")
    for name, tracks in sets.items():
        known = judged(tracks, tracker.SCORE_DECAY)
        (caught, disturbed), best = shares(*known, DOUBTFUL_BELOW), best_threshold(*known)
        print(f"{name}: below {DOUBTFUL_BELOW:g}: {caught:.2f} of wrong, {disturbed:.2f} of right")
        print(f"{name}: best threshold {best:g}")
    if options.plot:
        shown = {name: tracks for name, tracks in sets.items() if name != "fit"}
        plot(options.plot, shown, tracker.SCORE_DECAY)


if __name__ == "__main__":
    main()
