"""Stage 1: training on sequences synthesised from static images (paper section 3)."""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hqtrack.nets.interface import PropagationNetwork
from hqtrack.training.synthesis import RegionImages, SequenceSynthesizer
from hqtrack.training.trainer import Ema, Recipe, build_optimizer, training_step
from hqtrack.training.validation import mean_iou, track

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Phase:
    """A stretch of the training with sequences of one kind."""

    start: float
    """Fraction of the steps at which the phase begins."""
    size: int
    """Side of the square frames, in pixels."""
    frames: int
    """Frames of a sequence."""
    batch: int


@dataclass(frozen=True)
class Stage1:
    """Settings of a stage-1 run."""

    steps: int
    phases: tuple[Phase, ...] = (Phase(0.0, 160, 4, 8), Phase(0.4, 208, 4, 8), Phase(0.85, 224, 5, 8))
    long_gap: float = 0.45
    """Share of batches whose further frames are far from the first one."""
    first_difficulty: float = 0.4
    last_difficulty_at: float = 0.45
    """Fraction of the steps at which the difficulty of the motion reaches 1."""
    seed: int = 0
    checkpoint_every: int = 100
    validate_every: int = 400
    recipe: Recipe = field(default_factory=Recipe)

    def phase_at(self, step: int) -> Phase:
        """Give the phase that a step belongs to."""
        return next(p for p in reversed(self.phases) if step >= p.start * self.steps)

    def difficulty_at(self, step: int) -> float:
        """Give the difficulty of the motion at a step, rising linearly to 1."""
        rise = (1 - self.first_difficulty) * step / (self.last_difficulty_at * self.steps)
        return min(1.0, self.first_difficulty + rise)


class SyntheticBatches(Dataset[tuple[Tensor, Tensor, bool]]):
    """Batch number `step` of a run: a function of the settings and the step alone."""

    def __init__(self, images: RegionImages, settings: Stage1, rank: int, processes: int) -> None:
        self.images = images
        self.settings = settings
        self.rank = rank
        self.processes = processes

    def __len__(self) -> int:
        return self.settings.steps

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor, bool]:
        torch.set_num_threads(1)
        settings = self.settings
        phase = settings.phase_at(step)
        rng = np.random.default_rng([settings.seed, step])
        difficulty = settings.difficulty_at(step)
        times: list[float] | None = None
        long_gap = bool(rng.random() < settings.long_gap)
        if long_gap:
            gap = int(rng.integers(2, 16))
            times = [0.0, *(float(gap + i) for i in range(phase.frames - 1))]
        rng = np.random.default_rng([settings.seed, step, self.rank])
        synthesizer = SequenceSynthesizer(
            self.images,
            size=phase.size,
            frames=phase.frames,
            max_objects=4,
            device="cpu",
            seed=int(rng.integers(2**31)),
            difficulty=difficulty,
        )
        batch = synthesizer.batch(phase.batch // self.processes, times=times)
        return batch.frames, batch.labels, long_gap


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint so that the previous one survives a crash or a full disk."""
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    temporary.replace(path)


def run(
    network: PropagationNetwork,
    images: RegionImages,
    validation: list[tuple[Tensor, Tensor]],
    settings: Stage1,
    folder: Path,
    *,
    workers: int = 1,
) -> Ema:
    """Train, or go on training where the checkpoint in `folder` stopped.

    With an initialised process group every process makes its share of each batch; the first one validates and
    writes.

    Args:
        network: Fresh network; its weights are replaced when there is a checkpoint.
        images: What sequences are made of.
        validation: Sequences as (T, 3, H, W) uint8 frames and (T, H, W) uint8 labels.
        settings: The run. A resumed run may have another number of steps.
        folder: Receives `checkpoint.pt` and `log.jsonl`.
        workers: Processes that synthesise.
    """
    rank, processes = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    folder.mkdir(parents=True, exist_ok=True)
    network = network.to(memory_format=torch.channels_last)
    optimizer = build_optimizer(network, settings.recipe)
    ema = Ema(network, settings.recipe.ema_decay)
    checkpoint = folder / "checkpoint.pt"
    start = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        ema.network.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["step"]
        logger.info("going on after step %d of %d", start, settings.steps)
    log = (folder / "log.jsonl" if rank == 0 else Path(os.devnull)).open("a", buffering=1)
    log.write(json.dumps({"start": start, "settings": asdict(settings)}) + "\n")

    loader = DataLoader(
        SyntheticBatches(images, settings, rank, processes),
        batch_size=None,
        sampler=range(start, settings.steps),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
    )
    records: list[dict[str, float]] = []
    clock = time.monotonic()
    for step, (frames, labels, second_given) in enumerate(loader, start):
        waited = time.monotonic() - clock
        record = training_step(
            network,
            optimizer,
            frames,
            labels,
            settings.recipe,
            step=step,
            steps=settings.steps,
            second_given=second_given,
        )
        record["waited"] = waited
        record["seconds"] = time.monotonic() - clock
        records.append(record)
        done = step + 1
        if rank > 0:
            clock = time.monotonic()
            continue
        ema.update(network, step)
        if done % 50 == 0:
            mean = {key: round(float(np.nanmean([r[key] for r in records])), 4) for key in record}
            records.clear()
            log.write(json.dumps({"step": done, "lr": optimizer.param_groups[0]["lr"], **mean}) + "\n")
            logger.info("step %d/%d %s", done, settings.steps, mean)
        if done % settings.checkpoint_every == 0 or done == settings.steps:
            state = {
                "network": network.state_dict(),
                "ema": ema.network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": done,
            }
            save_atomically(state, checkpoint)
        if done % settings.validate_every == 0 or done == settings.steps:
            with torch.autocast(frames.device.type, torch.bfloat16):
                scores = [mean_iou(track(ema.network, f, lb[0]), lb) for f, lb in validation]
            log.write(json.dumps({"step": done, "validation_iou": float(np.nanmean(scores))}) + "\n")
            logger.info("step %d: validation IoU %.3f", done, float(np.nanmean(scores)))
        clock = time.monotonic()
    return ema
