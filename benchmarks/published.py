"""The published VMOS, run as it is, for comparison; fetched by whoever runs a benchmark.

Its two compiled extensions are replaced: the DCNv3 operator by the pure PyTorch twin that is published in
the same file, the correlation sampler by a sum over shifts. The number of long-term slots, a constant in
the published code, is set before that code is executed.
"""

from __future__ import annotations

import os
import sys
import tempfile
import types
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

ENGINE = "networks.engines.msaot_engine_v2"
SLOTS_CONSTANT = "MAX_LEN=6"  # the reference and five further entries


class SpatialCorrelationSampler(nn.Module):
    """Scalar products of each place with the places around it in another map, one shift after another."""

    def __init__(self, *, patch_size: int, dilation_patch: int = 1, **_: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.step = dilation_patch

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        height, width = query.shape[-2:]
        reach = self.patch_size // 2 * self.step
        key = F.pad(key, (reach, reach, reach, reach))
        shifts = range(0, self.patch_size * self.step, self.step)
        rows = [
            torch.stack([(query * key[..., y : y + height, x : x + width]).sum(1) for x in shifts], 1)
            for y in shifts
        ]
        return torch.stack(rows, 1)


class PublishedVMOS:
    """VMOS as published: the same calls as the tracker of its VOT workspace, without a refiner.

    Args:
        folder: A checkout of github.com/jiawen-zhu/HQTrack.
        long_term_slots: Long-term entries besides the reference.
        long_term_gap: Frames between two long-term writes.
        short_term_distance: The short-term memory is the entry of this many frames ago.
        max_long_edge: Limit of the longer side of the network's input.
        device: Where to run it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        long_term_slots: int,
        long_term_gap: int,
        short_term_distance: int,
        max_long_edge: float = 1040.0,
        device: str = "cpu",
    ) -> None:
        self._device = torch.device(device)
        _prepare_imports(folder, long_term_slots)
        from configs.ytb_vip_dav_deaot_internT import EngineConfig
        from networks.engines import build_engine
        from networks.models import build_vos_model

        with tempfile.TemporaryDirectory() as scratch:
            here = os.getcwd()
            os.chdir(scratch)  # the configuration makes folders where it is
            try:
                config = EngineConfig("default", "internT_msdeaotl_v2")
            finally:
                os.chdir(here)
        self.network = build_vos_model(config.MODEL_VOS, config).eval().to(device)
        self._max_long_edge = max_long_edge
        self._new_engine = lambda: build_engine(
            config.MODEL_ENGINE,
            phase="eval",
            aot_model=self.network,
            gpu_id=self._device.index or 0,
            short_term_mem_skip=short_term_distance,
            long_term_mem_gap=long_term_gap,
        )

    @torch.no_grad()
    def initialize(self, image: np.ndarray, labels: np.ndarray) -> None:
        self._engine = self._new_engine().eval()
        pixels = self._prepare(image)
        mask = torch.from_numpy(labels)[None, None].float().to(self._device)
        mask = F.interpolate(mask, size=pixels.shape[2:], mode="nearest")
        self._engine.add_reference_frame(pixels, mask, frame_step=0, obj_nums=int(labels.max()))

    @torch.no_grad()
    def track(self, image: np.ndarray) -> np.ndarray:
        self._engine.match_propogate_one_frame(self._prepare(image))
        logits = self._engine.decode_current_logits(image.shape[:2])
        label = torch.softmax(logits, dim=1).argmax(dim=1, keepdim=True).float()
        self._engine.update_memory(F.interpolate(label, size=self._engine.input_size_2d, mode="nearest"))
        return label[0, 0].cpu().numpy().astype(np.uint8)

    def _prepare(self, image: np.ndarray) -> Tensor:
        from dataloaders.video_transforms import MultiRestrictSize_, MultiToTensor

        sample = {"current_img": image, "meta": {}}
        resize = MultiRestrictSize_(None, self._max_long_edge, multi_scale=[1.0], align_corners=True)
        return MultiToTensor()(resize(sample))[0]["current_img"][None].float().to(self._device)


def _prepare_imports(folder: Path, long_term_slots: int) -> None:
    """Make the published packages importable, with stand-ins for what is compiled or has moved."""
    if ENGINE in sys.modules:
        raise RuntimeError("the published code is loaded once in a process")
    if not (folder / "networks" / "engines").is_dir():
        raise SystemExit(f"{folder} is not a checkout of the published HQTrack")
    cv2.setNumThreads(torch.get_num_threads())
    sys.path.insert(0, str(folder))
    import timm.layers

    sys.modules["timm.models.layers"] = timm.layers
    sampler = types.ModuleType("spatial_correlation_sampler")
    sampler.SpatialCorrelationSampler = SpatialCorrelationSampler  # type: ignore[attr-defined]
    sys.modules["spatial_correlation_sampler"] = sampler
    sys.modules["DCNv3"] = types.ModuleType("DCNv3")

    import networks.encoders.ops_dcnv3.modules.dcnv3 as operator

    operator.DCNv3Function = types.SimpleNamespace(apply=_dcnv3)

    # Before anything imports it: the package of engines does so itself.
    path = folder.joinpath(*ENGINE.split(".")).with_suffix(".py")
    source = path.read_text(encoding="utf-8")
    if source.count(SLOTS_CONSTANT) != 1:
        raise SystemExit(f"{path} does not hold {SLOTS_CONSTANT!r} once; another version is needed")
    engine = types.ModuleType(ENGINE)
    sys.modules[ENGINE] = engine
    exec(
        compile(source.replace(SLOTS_CONSTANT, f"MAX_LEN={long_term_slots + 1}"), path, "exec"), vars(engine)
    )
    from networks.engines import msdeaot_engine_v2

    assert msdeaot_engine_v2.AOTEngine is engine.AOTEngine


def _dcnv3(*arguments: object) -> Tensor:
    from networks.encoders.ops_dcnv3.functions import dcnv3_core_pytorch

    *operands, _step = arguments  # the last is the kernel's block size
    return dcnv3_core_pytorch(*operands)
