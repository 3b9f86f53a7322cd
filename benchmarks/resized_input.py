"""Record where OpenCV's resizing of the reference clip differs from ours: `tests/data/parity/resized.json`.

    OPENCV_IPP=avx512 python benchmarks/resized_input.py [--record]

The published networks' outputs were recorded on frames that OpenCV resized with Intel's IPP for AVX-512.
Run it on such a processor; without `--record` it says whether the file is what OpenCV gives here.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from hqtrack.propagation.frame import resize_image  # noqa: E402
from nets.plain_engine import input_size  # noqa: E402
from published_input import FILE, key_of  # noqa: E402

PUBLISHED_EDGE = 480
"""Short edge to which VMOS is published to enlarge frames; the other networks take them as they are."""
CASES = ((176, (120, 168)), (190, (97, 131)), (150, (120, 73)))
"""Longest edges and sizes of frames in `vmos_cases.npz` (see `test_published_labels.py`)."""


def differences() -> dict[str, list[list[int]]]:
    """Return for each frame and size where (in the flat array) OpenCV's differs, and by how much."""
    frames = np.load(ROOT / "tests" / "data" / "parity" / "vmos_dev.npz")["frames"]
    height, width = frames.shape[1:3]
    sizes = [
        ((height, width), input_size(height, width, min_short_edge=edge)) for edge in (0, PUBLISHED_EDGE)
    ]
    sizes += [
        (part, input_size(*part, min_short_edge=PUBLISHED_EDGE, max_long_edge=edge)) for edge, part in CASES
    ]
    found = {}
    for part, size in sizes:
        for frame in frames[:, : part[0], : part[1]]:
            published = cv2.resize(frame, size[::-1], interpolation=cv2.INTER_CUBIC)
            steps = published.astype(int).ravel() - resize_image(frame, size).ravel()
            places = np.flatnonzero(steps)
            found[key_of(frame, size)] = [places.tolist(), steps[places].tolist()]
    return found


def main() -> None:
    """Compare or record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", action="store_true")
    record = parser.parse_args().record
    found, recorded = differences(), json.loads(FILE.read_text("utf-8"))
    same = [key for key, value in recorded.items() if found.get(key) == value]
    print(f"{len(found)} pictures, {len(recorded)} recorded, {len(same)} of them the same here")
    if record:
        FILE.write_text(json.dumps(found, separators=(",", ":")) + "\n", "utf-8")


if __name__ == "__main__":
    main()
