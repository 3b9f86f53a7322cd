"""Count false and missed cuts: none in clips of one shot, one where two of them are joined.

    python benchmarks/cuts.py FOLDER...    # folders whose subfolders hold the frames of a clip each

Frames are read whole and every second one (fast motion looks more like a cut), and clips are joined in pairs
with a fixed seed, 12 frames of each.
"""

from __future__ import annotations

import argparse
import itertools
import random
from pathlib import Path

import cv2

from hqtrack.images import Image, images_in, read_image
from hqtrack.video.cuts import SMALL_SIZE, CutDetector

EACH = 12
"""Frames of each clip in a joined one."""


def clips_in(folder: Path) -> list[Path]:
    """Return the folders of frames in JPEG; annotations are PNG."""
    return sorted({file.parent for file in folder.rglob("*.jpg")})


def reduced(folder: Path) -> list[Image]:
    """Return a clip's frames at the size at which they are compared; comparing them gives the same."""
    images = (read_image(file) for file in images_in(folder))
    return [cv2.resize(image, SMALL_SIZE, interpolation=cv2.INTER_AREA) for image in images]  # type: ignore[misc]


def cuts(frames: list[Image]) -> list[int]:
    """Return the frames in which a shot is taken to begin."""
    detector = CutDetector()
    return [index for index, image in enumerate(frames) if detector.see(image)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--pairs", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folders = [clip for folder in options.folders for clip in clips_in(folder)]
    clips = [frames for folder in folders if len(frames := reduced(folder)) > EACH]
    false = [(len(cuts(frames)), len(cuts(frames[::2]))) for frames in clips]
    print(f"{len(clips)} clips of one shot, {sum(map(len, clips))} frames")
    print(f"false cuts: {sum(a for a, _ in false)} in all frames, {sum(b for _, b in false)} in every second")
    pairs = list(itertools.permutations(range(len(clips)), 2))
    chosen = random.Random(options.seed).sample(pairs, min(options.pairs, len(pairs)))
    joined = [cuts(clips[a][:EACH] + clips[b][:EACH]) for a, b in chosen]
    found, false_ones = sum(EACH in each for each in joined), sum(len({*each} - {EACH}) for each in joined)
    print(f"{len(joined)} joined clips: {found} cuts found, {false_ones} false ones")


if __name__ == "__main__":
    main()
