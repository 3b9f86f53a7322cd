"""Time of a whole `hqtrack track` beside that of its network alone, and memory on the way.

    python benchmarks/whole_video.py

A clip of 1280x720 is made, then tracked twice: frames from memory through the tracker alone, and the file
through everything that the command does (decode, track, draw, encode, record), which overlaps. Resident
memory is taken at a quarter of the frames and at the end.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

from hqtrack import HQTrack
from hqtrack.video.job import Job
from hqtrack.video.prompts import Prompt
from hqtrack.video.run import VideoRun
from hqtrack.video.tracked_frame import TrackedFrame
from propagation import video
from soak import resident_mb


def write_clip(path: Path, clip: np.ndarray, frames: int, rate: int = 25) -> None:
    """Write a clip as H.264; it goes back and forth until there are so many frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate))
        stream.height, stream.width = clip.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for number in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(there_and_back(clip, number), "rgb24")))
        container.mux(stream.encode())


def there_and_back(clip: np.ndarray, number: int) -> np.ndarray:
    place = number % (2 * len(clip) - 2)
    return clip[min(place, 2 * len(clip) - 2 - place)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--objects", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--outputs", nargs="+", default=["overlay"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clip, labels = video(min(40, options.frames), options.height, options.width, options.objects)
    masks = labels == np.arange(1, options.objects + 1)[:, None, None]
    tracker = HQTrack.from_card("hqtrack-light", device="cpu", precision=options.precision)

    tracker.initialize(clip[0], masks)
    for frame in clip[1:4]:  # first calls take longer
        tracker.track(frame)
    start = time.perf_counter()
    tracker.initialize(clip[0], masks)
    for number in range(1, options.frames):
        tracker.track(there_and_back(clip, number))
    alone = time.perf_counter() - start

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_clip(path, clip, options.frames)
        prompts = tuple(Prompt(0, mask=mask) for mask in masks)
        job = Job(str(path), outputs=tuple(options.outputs), prompts=prompts)
        memory = []

        def note(tracked: TrackedFrame) -> None:
            if tracked.frame.index in (options.frames // 4, options.frames - 1):
                memory.append(resident_mb())

        start = time.perf_counter()
        VideoRun(job, Path(folder) / "out", tracker=tracker).track(on_frame=note)
        whole = time.perf_counter() - start
    print(
        f"{options.frames} frames of {options.width}x{options.height}, {options.objects} objects, "
        f"{options.precision}, {options.threads} threads, outputs {' '.join(options.outputs)}"
    )
    print(f"the network alone: {alone:.1f} s")
    print(f"the whole: {whole:.1f} s, {whole / alone:.2f} times as long")
    print(f"resident memory: {memory[0]:.0f} MB after a quarter, {memory[-1]:.0f} MB at the end")


if __name__ == "__main__":
    main()
