"""What distractor-aware memory costs: SAM 2.1 with it and without, in turns, on random weights.

    python benchmarks/distractors.py --frames 12 --side 512

Memories are full after some frames, so the second half of them is timed. Time is the process's own, so that
other load on the machine does not count.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
import transformers

from hqtrack.engines import Engine, dam_sam2, sam2
from hqtrack.zoo.hiera import HIERAS, configuration

SIZE = (180, 320)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--side", type=int, default=1024, help="of the network's input; a multiple of 64")
    parser.add_argument("--objects", type=int, default=1)
    parser.add_argument("--network", default="sam2.1-hiera-tiny", choices=HIERAS)
    options = parser.parse_args()
    torch.manual_seed(3)
    frames = np.random.default_rng(5).integers(0, 256, (options.frames + 1, *SIZE, 3), dtype=np.uint8)
    labels = np.zeros(SIZE, np.uint8)
    for number in range(options.objects):
        labels[40:110, 20 + 60 * number : 70 + 60 * number] = number + 1
    engines: dict[str, Engine] = {}
    for name, module in (("SAM 2.1", sam2), ("with distractor-aware memory", dam_sam2)):
        model = transformers.Sam2VideoModel(
            configuration(HIERAS[options.network], image_size=options.side)
        ).eval()
        with torch.no_grad():  # random weights call every object absent
            model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(5.0)
        engines[name] = module.starter(model, device=torch.device("cpu"), dtype=torch.float32)()
        engines[name].add(frames[0], labels, options.objects)
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for frame in frames[1:]:
        for name, engine in engines.items():
            start = time.process_time()
            engine.find(frame)
            seconds[name].append(time.process_time() - start)
    for name, each in seconds.items():
        late = each[len(each) // 2 :]
        print(f"{name}: {1000 * float(np.median(late)):.0f} ms of processor time a frame", flush=True)


if __name__ == "__main__":
    main()
