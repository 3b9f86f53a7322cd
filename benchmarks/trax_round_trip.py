"""What a frame costs between the toolkit and the tracker, beside the tracker's own work.

    python benchmarks/trax_round_trip.py

A client of the real protocol sends frames of 1280x720 with five objects to our session, whose tracker gives
back fixed masks, and to a bare server that does nothing but answer with the same masks. The difference
between them is what our side adds: reading the image, cropping and encoding the masks. Of round trips the
least time on the clock is told, and of the parts alone the least processor time, so that other work on the
machine disturbs little.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import trax

from hqtrack.images import read_image
from hqtrack.vot.first_mask import FirstMask
from hqtrack.vot.session import encode_mask, serve

HERE = Path(__file__).resolve()


def scene(height: int, width: int, objects: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image (H, W, 3) and masks (N, H, W) of ellipses in a row."""
    noise = np.random.default_rng(0).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    image = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    masks = np.zeros((objects, height, width), np.uint8)
    for index, mask in enumerate(masks):
        middle = (round(width * (index + 0.5) / objects), round(height * (0.35 + 0.1 * (index % 3))))
        cv2.ellipse(mask, middle, (width // (3 * objects), height // 5), 20, 0, 360, 1, -1)
    return image, masks


def serve_bare() -> None:
    """Answer every frame with the first masks, encoded once: the protocol and nothing else."""
    answer: list[tuple[trax.Region, dict[str, str]]] = []
    with trax.Server([trax.Region.MASK], [trax.Image.PATH], ["color"], multiobject=True) as server:
        while (request := server.wait()).type != trax.TraxStatus.QUIT:
            if request.type == trax.TraxStatus.INITIALIZE:
                answer = [(encode_mask(region.array() > 0), {}) for region, _ in request.objects]
            server.status(answer)


def round_trip(side: str, files: list[Path], masks: np.ndarray) -> list[float]:
    """Return the client's seconds for each frame after the first."""
    from vot.tracker.trax import TrackerProcess

    process = TrackerProcess(
        f"{sys.executable} -W ignore {HERE} --serve {side}", timeout=120, log=lambda _: None
    )
    try:
        client = process._client
        regions = [(trax.Mask.create(mask), {}) for mask in masks]
        client.initialize({"color": trax.FileImage.create(str(files[0]))}, regions, {})
        seconds = []
        for file in files[1:]:
            start = time.perf_counter()
            client.frame({"color": trax.FileImage.create(str(file))}, {}, [])
            seconds.append(time.perf_counter() - start)
        return seconds
    finally:
        process.terminate()


def alone(call: Callable[[], object], repeats: int = 30) -> float:
    """Return the least processor milliseconds of a call."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return 1000 * min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--objects", type=int, default=5)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--serve", choices=("ours", "bare"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve == "bare":
        serve_bare()
        return
    if options.serve == "ours":
        sys.exit(serve(FirstMask, name="first-mask"))

    image, masks = scene(options.height, options.width, options.objects)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{index:08d}.jpg" for index in range(options.frames + 1)]
        for file in files:
            cv2.imwrite(str(file), image)
        sides = {side: 1000 * min(round_trip(side, files, masks)) for side in ("bare", "ours")}
        read = alone(lambda: read_image(files[0]))
    encode = alone(lambda: [encode_mask(mask > 0) for mask in masks])
    print(f"{options.width}x{options.height}, {options.objects} objects, milliseconds a frame")
    print("| | ms |\n|---|---|")
    print(f"| the toolkit's client and the protocol alone | {sides['bare']:.1f} |")
    print(f"| with our session | {sides['ours']:.1f} |")
    print(f"| our side: the difference | {sides['ours'] - sides['bare']:.1f} |")
    print(f"| of it, reading the image | {read:.1f} |")
    print(f"| of it, cropping and encoding the masks | {encode:.1f} |")


if __name__ == "__main__":
    main()
