"""Time per frame and peak memory of VMOS beside the published code, and how far their label maps agree.

    python benchmarks/propagation.py --published DIR

Both sides run in processes of their own on the same made-up video, with the same weights (made by a
formula, so that no checkpoint is needed), and with a long-term write after every frame, so that the slots
are full after a few frames. Frames are timed once they are. Results are kept in a folder, so that sides may
also be run one by one (`--sides`).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "benchmarks"))

SIDES = ("published", "float32", "bfloat16")
SHORT_TERM_DISTANCE = 4


def video(frames: int, height: int, width: int, objects: int) -> tuple[np.ndarray, np.ndarray]:
    """Make a video of textured ellipses on a textured ground, and the first frame's label map."""
    rng = np.random.default_rng(0)
    ground = np.kron(rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3)), np.ones((8, 8, 1)))
    texture = rng.integers(0, 256, (height, width, 3))
    ys, xs = np.mgrid[:height, :width]
    clip, labels = [], np.zeros((height, width), np.uint8)
    for t in range(frames):
        image = ground[:height, :width].astype(np.uint8)
        for index in range(objects):
            y = height * (0.3 + 0.4 * index / max(1, objects - 1)) + 3 * t
            x = width * (0.25 + 0.5 * index / max(1, objects - 1)) + 5 * t
            inside = ((ys - y) / (height / 6)) ** 2 + ((xs - x) / (width / 10)) ** 2 < 1
            image[inside] = texture[inside] // 2 + 60 * (index % 3)
            if t == 0:
                labels[inside] = index + 1
        clip.append(image)
    return np.stack(clip), labels


def run_side(side: str, options: argparse.Namespace) -> None:
    """Track the video on one side; write label maps, times and peak memory."""
    from formula_weights import formula_state_dict

    torch.set_num_threads(options.threads)
    warm_up = options.slots + 1
    frames, first = video(1 + warm_up + options.frames, options.height, options.width, options.objects)
    if side == "published":
        from published import PublishedVMOS

        tracker = PublishedVMOS(
            options.published,
            long_term_slots=options.slots,
            long_term_gap=1,
            short_term_distance=SHORT_TERM_DISTANCE,
        )
        network = tracker.network
        network.load_state_dict(formula_state_dict(network.state_dict()))
        tracker.initialize(frames[0], first)
        track = tracker.track
    else:
        from hqtrack import HQTrack, nets
        from hqtrack.cards import MemorySettings
        from hqtrack.masks import label_map, masks_of
        from hqtrack.zoo import load_card

        network = nets.build("vmos")
        network.load_state_dict(formula_state_dict(network.state_dict()))
        card = replace(load_card("vmos"), memory=MemorySettings(options.slots, 1, SHORT_TERM_DISTANCE))
        ours = HQTrack(card, network, device="cpu", precision=side)
        ours.initialize(frames[0], masks_of(first, options.objects))

        def track(image: np.ndarray) -> np.ndarray:
            return label_map(ours.track(image))

    labels, seconds, busy = [], [], []
    for image in frames[1:]:
        start, worked = time.perf_counter(), time.process_time()
        labels.append(track(image))
        seconds.append(time.perf_counter() - start)
        busy.append(time.process_time() - worked)
        print(f"{side}: frame {len(seconds)}: {seconds[-1]:.2f} s", file=sys.stderr, flush=True)
    result = {
        "seconds": seconds[warm_up:],
        "busy": busy[warm_up:],
        "warm_up": seconds[:warm_up],
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,  # kilobytes on Linux
        "settings": [options.height, options.width, options.objects, options.slots, options.threads],
    }
    np.savez_compressed(options.results / f"{side}.npz", np.stack(labels))
    (options.results / f"{side}.json").write_text(json.dumps(result))


def report(results: Path) -> str:
    """Compare all sides whose results are there."""
    found = {side: results / f"{side}.json" for side in SIDES}
    data = {side: json.loads(path.read_text()) for side, path in found.items() if path.is_file()}
    base = data.get("published")
    lines = [
        f"{'side':<10} {'s/frame':>8} {'processor s':>12} {'of published (processor)':>25} {'peak GB':>8} "
        f"{'equal labels, worst frame':>26}"
    ]
    for side, result in data.items():
        if base and result["settings"] != base["settings"]:
            raise SystemExit(f"{side} and published were run with different settings; run both anew")
        each = {key: float(np.median(result[key])) for key in ("seconds", "busy")}
        shares = [100 * of / np.median(base[key]) for key, of in each.items()] if base else []
        share = "{:.1f} % ({:.1f} %)".format(*shares) if shares else "-"
        equal = "-"
        if base:
            ours, theirs = (np.load(results / f"{name}.npz")["arr_0"] for name in (side, "published"))
            equal = f"{100 * min(np.mean(a == b) for a, b in zip(ours, theirs, strict=False)):.3f} %"
        lines.append(
            f"{side:<10} {each['seconds']:>8.2f} {each['busy']:>12.2f} {share:>25} {result['peak_gb']:>8.2f} "
            f"{equal:>26}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--published", type=Path, help="checkout of github.com/jiawen-zhu/HQTrack")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--results", type=Path, default=Path("benchmark-results/propagation"))
    parser.add_argument("--frames", type=int, default=3, help="frames that are timed, memory full")
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--objects", type=int, default=2)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=854)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--in-this-process", action="store_true", help="run one side here")
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    if options.in_this_process:
        run_side(options.sides[0], options)
        return
    if "published" in options.sides and options.published is None:
        parser.error("--published DIR is needed, or --sides float32 bfloat16")
    for side in options.sides:
        arguments = [*sys.argv[1:], "--in-this-process", "--sides", side]
        subprocess.run([sys.executable, "-W", "ignore", __file__, *arguments], check=True)
    print(report(options.results))


if __name__ == "__main__":
    main()
