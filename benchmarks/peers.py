"""Frames per second of the light system beside other trackers: same frames, same threads, one run.

    python benchmarks/peers.py --sam2 DIR --published DIR

The others are optional. What is not here becomes a row that says how to get it:

- Cutie (small and base): pip install rf-cutie hydra-core
- SAM 2.1 (tiny): a work tree of github.com/facebookresearch/sam2, and pip install hydra-core iopath
- HQTrack as published: a work tree of github.com/jiawen-zhu/HQTrack

All have fresh weights, because speed does not depend on them, and their authors' settings. Each runs in a
process of its own on the same made-up video, from frames in memory, and is timed frame by frame, with what
it remembers as full as `--warm-up` frames make it, on the clock and in processor time, which other work on
the machine disturbs less. On a GPU, Cutie and SAM 2.1 run in bfloat16 autocast. Results are kept in a folder,
so that sides may be run one by one (`--sides`) and shown together.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))
from propagation import video

Options = argparse.Namespace
Labels = np.ndarray
Run = Callable[[np.ndarray, Labels, Options], Iterator[Labels]]
"""Tracks frames (T, H, W, 3) from a first label map (H, W); yields the label map of each further frame."""


class Missing(Exception):
    """A side cannot run; the message says how to get it."""


def light(
    frames: np.ndarray, first: Labels, options: Options, *, precision: Any, card: str
) -> Iterator[Labels]:
    from hqtrack import HQTrack
    from hqtrack.masks import label_map

    tracker = HQTrack.from_card(card, device=options.device, precision=precision)
    tracker.initialize(frames[0], np.stack([first == index for index in range(1, first.max() + 1)]))
    for frame in frames[1:]:
        yield label_map(tracker.track(frame))


def cutie(frames: np.ndarray, first: Labels, options: Options, *, size: str) -> Iterator[Labels]:
    try:
        import cutie as package
        from cutie.inference.inference_core import InferenceCore
        from cutie.inference.utils.args_utils import get_dataset_cfg
        from cutie.model.cutie import CUTIE
        from cutie.model.utils import resnet
        from hydra import compose, initialize_config_dir
        from omegaconf import open_dict
    except ImportError as error:
        raise Missing("pip install rf-cutie hydra-core") from error
    for name in ("resnet18", "resnet50"):  # no download of weights that would be replaced anyway
        make = getattr(resnet, name)
        setattr(resnet, name, lambda make=make, **given: make(**{**given, "pretrained": False}))
    folder = Path(package.__path__[0]) / "config"
    with initialize_config_dir(version_base="1.3.2", config_dir=str(folder)):
        config = compose(config_name="eval_config", overrides=[f"model={size}"])
    with open_dict(config):
        get_dataset_cfg(config)
    core = InferenceCore(CUTIE(config).to(options.device).eval(), cfg=config)
    objects = list(range(1, int(first.max()) + 1))
    for index, frame in enumerate(frames):
        pixels = torch.from_numpy(frame).to(options.device).permute(2, 0, 1).float() / 255
        if index == 0:
            core.step(pixels, torch.from_numpy(first).to(options.device).long(), objects)
            continue
        yield core.output_prob_to_mask(core.step(pixels)).cpu().numpy()


def sam2(frames: np.ndarray, first: Labels, options: Options) -> Iterator[Labels]:
    if options.sam2 is None:
        raise Missing("--sam2 DIR, a work tree of github.com/facebookresearch/sam2")
    sys.path.insert(0, str(options.sam2.resolve()))
    try:
        from sam2.build_sam import build_sam2_video_predictor
    except ImportError as error:
        raise Missing(f"pip install hydra-core iopath ({error})") from error
    predictor = build_sam2_video_predictor("configs/sam2.1/sam2.1_hiera_t.yaml", None, device=options.device)
    with tempfile.TemporaryDirectory() as folder:  # it reads files only
        for index, frame in enumerate(frames):
            cv2.imwrite(f"{folder}/{index:05d}.jpg", frame[..., ::-1])
        state = predictor.init_state(folder)
    for index in range(1, int(first.max()) + 1):
        predictor.add_new_mask(state, 0, index, torch.from_numpy(first == index))
    for index, _, masks in predictor.propagate_in_video(state):
        labels = (masks[:, 0] > 0).cpu().numpy()
        if index:
            yield (labels * np.arange(1, len(labels) + 1)[:, None, None]).max(0)


def published(
    frames: np.ndarray, first: Labels, options: Options, *, refiner: str | None
) -> Iterator[Labels]:
    if options.published is None:
        raise Missing("--published DIR, a work tree of github.com/jiawen-zhu/HQTrack")
    from published import PublishedVMOS

    tracker = PublishedVMOS(
        options.published,
        long_term_slots=8,
        long_term_gap=1 if options.warm_up < 50 else 50,  # or they would not be full when time is taken
        short_term_distance=4,
        device=options.device,
    )
    refine = None
    if refiner is not None:
        from refinement import published_refiner

        refine = published_refiner(refiner, options.device)
    tracker.initialize(frames[0], first)
    for frame in frames[1:]:
        labels = tracker.track(frame)
        if refine is not None:
            refine(frame, labels)
        yield labels


SIDES: dict[str, tuple[Run, dict[str, Any], int, int]] = {
    # name: how to run it, with what, warm-up frames, timed frames
    "vmos-light, float32": (light, {"card": "vmos-light", "precision": "float32"}, 30, 20),
    "vmos-light, bfloat16": (light, {"card": "vmos-light", "precision": "bfloat16"}, 30, 20),
    "hqtrack-light (refiner), float32": (light, {"card": "hqtrack-light", "precision": "float32"}, 30, 10),
    "hqtrack-light (refiner), bfloat16": (light, {"card": "hqtrack-light", "precision": "bfloat16"}, 30, 10),
    "Cutie-small": (cutie, {"size": "small"}, 26, 10),
    "Cutie-base": (cutie, {"size": "base"}, 26, 10),
    "SAM 2.1 tiny": (sam2, {}, 3, 2),
    "HQTrack as published, VMOS alone": (published, {"refiner": None}, 9, 2),
    "HQTrack as published, with HQ-SAM ViT-H": (published, {"refiner": "hq-sam-vit-h"}, 1, 1),
}
OURS = next(iter(SIDES))


def run_side(name: str, options: Options) -> dict[str, Any]:
    """Track the video on one side; give the seconds of timed frames and the peak memory."""
    run, settings, warm_up, timed = SIDES[name]
    options.warm_up = min(warm_up, options.warm_up)
    timed = min(timed, options.frames)
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    torch.manual_seed(0)
    frames, first = video(1 + options.warm_up + timed, options.height, options.width, options.objects)
    cuda = torch.device(options.device).type == "cuda"
    mixed = cuda and run in (cutie, sam2)
    seconds, busy = [], []
    with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16) if mixed else nullcontext():
        try:
            labels = run(frames, first, options, **settings)
            start, worked = time.perf_counter(), time.process_time()
            for found in labels:
                assert found.shape == first.shape
                # The labels are in main memory: the device is done.
                seconds.append(time.perf_counter() - start)
                busy.append(time.process_time() - worked)
                start, worked = time.perf_counter(), time.process_time()
        except Missing as error:
            return {"missing": str(error)}
    peak = torch.cuda.max_memory_allocated() if cuda else resident_peak()
    return {
        "seconds": seconds[options.warm_up :],
        "busy": busy[options.warm_up :],
        "peak_gb": peak / 1e9,
        "settings": setting_of(options),
    }


def resident_peak() -> int:
    """Return the most bytes of memory that this process has had (Linux counts kilobytes)."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def setting_of(options: Options) -> list[Any]:
    device = torch.device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{options.threads} CPU threads"
    return [options.width, options.height, options.objects, name]


def report(folder: Path) -> str:
    """Make a Markdown table of all sides whose results are in the folder."""
    found = {name: folder / f"{_file_name(name)}.json" for name in SIDES}
    data = {name: json.loads(path.read_text()) for name, path in found.items() if path.is_file()}
    measured = {name: result for name, result in data.items() if "seconds" in result}
    if len({str(result["settings"]) for result in measured.values()}) > 1:
        raise SystemExit(f"the results in {folder} are of different settings; run all sides anew")
    lines = [
        "| | frames/s | ms a frame | processor ms | times ours | peak memory |",
        "|---|---|---|---|---|---|",
    ]
    ours = measured.get(OURS)
    for name, result in data.items():
        if "missing" in result:
            lines.append(f"| {name} | | | | | not here: {result['missing']} |")
            continue
        each, busy = (statistics.median(result[key]) for key in ("seconds", "busy"))
        ratio = f"{each / statistics.median(ours['seconds']):.1f}" if ours else ""
        lines.append(
            f"| {name} | {1 / each:.2f} | {1000 * each:.0f} | {1000 * busy:.0f} | {ratio} "
            f"| {result['peak_gb']:.2f} GB |"
        )
    if measured:
        width, height, objects, device = next(iter(measured.values()))["settings"]
        lines += ["", f"{width}x{height}, {objects} objects, {device}, torch {torch.__version__}"]
    return "\n".join(lines)


def _file_name(side: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in side.lower())


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sides", nargs="+", choices=list(SIDES), default=list(SIDES), metavar="NAME")
    parser.add_argument("--sam2", type=Path, metavar="DIR", help="work tree of facebookresearch/sam2")
    parser.add_argument("--published", type=Path, metavar="DIR", help="work tree of jiawen-zhu/HQTrack")
    parser.add_argument("--results", type=Path, default=Path("benchmark-results/peers"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--objects", type=int, default=3)
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument(
        "--warm-up", type=int, default=1000, help="at most so many frames before any is timed"
    )
    parser.add_argument("--frames", type=int, default=1000, help="time at most so many frames")
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    given = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(given)
    options.results.mkdir(parents=True, exist_ok=True)
    if options.in_this_process:
        (name,) = options.sides
        result = run_side(name, options)
        (options.results / f"{_file_name(name)}.json").write_text(json.dumps(result))
        return
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    for name in options.sides:
        print(name, file=sys.stderr, flush=True)
        command = [sys.executable, "-W", "ignore", __file__, *given, "--in-this-process", "--sides", name]
        subprocess.run(command, check=True, env=environment)
    print(report(options.results))


if __name__ == "__main__":
    main()
