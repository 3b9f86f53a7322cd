"""Run the published pyramid AOT beside ours, on weights made by a formula, and compare their logits.

    git clone -b paot https://github.com/yoxu515/aot-benchmark
    python benchmarks/ms_aot.py aot-benchmark [--transformer HQTrack/networks/layers] [--record]

`--transformer` takes `MSLongShortTermTransformer` from a checkout of github.com/jiawen-zhu/HQTrack, which has
the class but no model that uses it. `--record` writes the published numbers to tests/data/parity.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from published import SpatialCorrelationSampler

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "nets")]

from plain_engine import input_size, network_input, track  # noqa: E402

from formula_weights import formula_state_dict  # noqa: E402
from hqtrack import nets  # noqa: E402

PARITY = ROOT / "tests" / "data" / "parity"
GAP, DISTANCE = 2, 1


def published_network(folder: Path, layers: Path | None) -> nn.Module:
    """Build the published network with its ResNet-50 configuration."""
    import timm.layers

    for name in ("imp", "timm.models.layers", "spatial_correlation_sampler"):
        sys.modules[name] = types.ModuleType(name)
    vars(sys.modules["timm.models.layers"]).update(vars(timm.layers))
    sys.modules["spatial_correlation_sampler"].SpatialCorrelationSampler = SpatialCorrelationSampler  # type: ignore[attr-defined]
    sys.path.insert(0, str(folder))
    from networks.layers import attention

    attention.GAU = attention.LocalGAU = None  # imported there, defined nowhere, not used by this model
    from configs.models.r50_aotv3 import ModelConfig
    from configs.ms_r50_ydv import EngineConfig
    from networks.models import aotv3

    if layers is not None:
        aotv3.MSLongShortTermTransformer = _transformer_of(layers)
    EngineConfig.init_dir = lambda *_, **__: None  # it makes folders where it is
    config = EngineConfig("default", "R50_AOTv3", "PRE")
    for key, value in vars(ModelConfig()).items():
        if not hasattr(config, key):
            setattr(config, key, value)
    return aotv3.AOTv3(config, encoder=config.MODEL_ENCODER).eval()


def _transformer_of(layers: Path) -> type[nn.Module]:
    """Take the class from another checkout, without the options that only the newer one has."""
    spec = importlib.util.spec_from_file_location("hqtrack_transformer", layers / "transformer.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    newer = {"conv_dilation", "att_dims", "use_relative_v", "use_self_pos", "topk"}

    def build(*args: object, **options: object) -> nn.Module:
        return module.MSLongShortTermTransformer(
            *args, **{key: value for key, value in options.items() if key not in newer}
        )

    return build  # type: ignore[return-value]


@torch.no_grad()
def published_logits(network: nn.Module, frames: np.ndarray, first_mask: np.ndarray) -> list[Tensor]:
    """Track with the published engine; give the logits (objects + 1, H, W) of every frame but the first."""
    from networks.engines.aotv3_engine import AOTv3InferEngine

    engine = AOTv3InferEngine(network, 0, GAP, DISTANCE).eval()
    size = input_size(*frames.shape[1:3])
    objects = int(first_mask.max())
    mask = F.interpolate(torch.from_numpy(first_mask)[None, None].float(), size=size, mode="nearest")
    engine.add_reference_frame(network_input(frames[0], size), mask, obj_nums=objects, frame_step=0)
    results = []
    for frame in frames[1:]:
        engine.match_propogate_one_frame(network_input(frame, size))
        logits = engine.decode_current_logits(frames.shape[1:3])[0, : objects + 1]
        label = logits.argmax(0)[None, None].float()
        engine.update_memory(F.interpolate(label, size=size, mode="nearest"))
        results.append(logits)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--transformer", type=Path)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)

    clip = np.load(PARITY / "vmos_dev.npz")
    frames, first_mask = clip["frames"][:8], clip["first_mask"]
    published = published_network(options.folder, options.transformer)
    shapes = {key: list(value.shape) for key, value in published.state_dict().items()}
    published.load_state_dict(formula_state_dict(published.state_dict()))
    expected = published_logits(published, frames, first_mask)

    ours = nets.build("ms_aot").eval()
    missing = set(shapes) ^ set(ours.state_dict())
    print(f"{len(shapes)} keys, not in both: {sorted(missing)}")
    ours.load_state_dict(published.state_dict(), strict=True)
    results = track(
        ours, frames, first_mask, long_term_gap=GAP, long_term_slots=None, short_term_distance=DISTANCE
    )
    for index, ((logits, labels), reference) in enumerate(zip(results, expected, strict=True), start=1):
        difference = (logits - reference).abs().max()
        same = (labels == reference.argmax(0)).float().mean()
        print(f"frame {index}: logits differ by {difference:.1e} at most, {same:.2%} of labels are the same")

    if options.record:
        (PARITY / "ms_aot_state_dict.json").write_text(json.dumps(shapes) + "\n")
        np.savez_compressed(
            PARITY / "ms_aot_dev.npz",
            logits=torch.stack(expected)[:, :, ::8, ::8].numpy(),
            labels=torch.stack(expected).argmax(1).byte().numpy(),
        )


if __name__ == "__main__":
    main()
