"""Stage 1: training on sequences synthesised from static images (paper section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hqtrack.nets.interface import PropagationNetwork
from hqtrack.training.datasets import ClipSampler, Source
from hqtrack.training.loop import Batch, Batches, processes, share_of, train
from hqtrack.training.recipes import LIGHT_STAGE2, PUBLISHED_STAGE1, Recipe
from hqtrack.training.step import Ema
from hqtrack.training.synthesis import RegionImages, SequenceSynthesizer


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
    """Settings of a stage-1 run; the defaults are the light model's."""

    steps: int
    phases: tuple[Phase, ...] = (Phase(0.0, 160, 4, 8), Phase(0.4, 208, 4, 8), Phase(0.77, 320, 4, 4))
    max_objects: int = 7
    video_share: float = 0.25
    """Share of the sequences that come out of videos, where there are any."""
    scales: tuple[float, float] = (1.0, 2.0)
    """Factors of the size at which videos are seen; with 1.0 a frame's shorter side is the phase's."""
    merge: float = 0.1
    """Share of the videos' sequences onto which the objects of a second one are pasted."""
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


def published_stage1(steps: int = 100_000, *, batch: int = 16, seed: int = 0) -> Stage1:
    """Give stage 1 of AOT, DeAOT and VMOS: sequences of five frames, 465 pixels a side."""
    return Stage1(
        steps=steps,
        phases=(Phase(0.0, 465, 5, batch),),
        max_objects=10,
        long_gap=0.0,
        seed=seed,
        checkpoint_every=1000,
        validate_every=5000,
        recipe=PUBLISHED_STAGE1,
    )


def light_stage2(steps: int = 6000, *, batch: int = 4, seed: int = 0) -> Stage1:
    """Give stage 2 of the light model: mostly real videos, wider views, longer sequences."""
    return Stage1(
        steps=steps,
        phases=(Phase(0.0, 320, 5, batch),),
        max_objects=10,
        video_share=0.6,
        scales=(0.9, 1.7),
        merge=0.4,
        first_difficulty=1.0,
        seed=seed,
        recipe=LIGHT_STAGE2,
    )


class SyntheticBatches(Batches):
    """Batches of synthetic sequences, some of them out of videos that were drawn beforehand.

    In worker processes they are made on the CPU; in the training process on the device that trains.
    """

    def __init__(
        self,
        images: RegionImages,
        settings: Stage1,
        device: torch.device | str = "cpu",
        videos: Sequence[Source] = (),
    ) -> None:
        super().__init__(settings.steps)
        self.images = images
        self.videos = videos
        self.settings = settings
        self.device = device
        self.rank, _ = processes()
        self.shares = {phase: share_of(phase.batch) for phase in settings.phases}

    def __getitem__(self, step: int) -> Batch:
        """See `Batches`."""
        in_worker = torch.utils.data.get_worker_info() is not None
        if in_worker:
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
            max_objects=settings.max_objects,
            device="cpu" if in_worker else self.device,
            seed=int(rng.integers(2**31)),
            difficulty=difficulty,
        )
        share = self.shares[phase]
        from_videos = int(rng.binomial(share, settings.video_share)) if self.videos else 0
        frames: list[Tensor] = []
        labels: list[Tensor] = []
        skipped: list[str] = []
        if from_videos < share:
            batch = synthesizer.batch(share - from_videos, times=times)
            frames, labels = [*batch.frames], [*batch.labels]
        if from_videos:
            sampler = self._sampler(phase)
            for _ in range(from_videos):
                clip = sampler.sample(rng)
                frames.append(torch.from_numpy(clip.frames).to(synthesizer.device))
                labels.append(torch.from_numpy(clip.labels).to(synthesizer.device))
                skipped += clip.skipped
        return Batch(torch.stack(frames), torch.stack(labels), long_gap, skipped)

    def _sampler(self, phase: Phase) -> ClipSampler:
        return ClipSampler(
            self.videos,
            size=phase.size,
            length=phase.frames,
            max_objects=self.settings.max_objects,
            short_edge=phase.size,
            scales=self.settings.scales,
            merge=self.settings.merge,
        )


def validation_sequences(images: RegionImages, count: int = 16) -> list[tuple[Tensor, Tensor]]:
    """Make the sequences on which a training is validated: always the same for the same images."""
    batch = SequenceSynthesizer(images, size=208, frames=8, seed=7, difficulty=0.9).batch(count)
    return list(zip(batch.frames, batch.labels, strict=True))


def run(
    network: PropagationNetwork,
    images: RegionImages,
    validation: list[tuple[Tensor, Tensor]],
    settings: Stage1,
    folder: Path,
    *,
    videos: Sequence[Source] = (),
    workers: int = 1,
    device: torch.device | str = "cpu",
) -> Ema:
    """Train, or go on training where the checkpoint in `folder` stopped.

    Args:
        network: Fresh network; its weights are replaced when there is a checkpoint.
        images: What sequences are made of.
        validation: Sequences as (T, 3, H, W) uint8 frames and (T, H, W) uint8 labels.
        settings: The run. A resumed run may have another number of steps.
        folder: See `hqtrack.training.loop.train`.
        videos: Of which a share of the sequences is taken instead.
        workers: Processes that synthesise on the CPU; with 0 it is done on the device that trains.
        device: Where the network trains.
    """
    return train(
        network,
        SyntheticBatches(images, settings, device, videos),
        settings.recipe,
        folder,
        settings=asdict(settings),
        validation=validation,
        workers=workers,
        device=device,
        checkpoint_every=settings.checkpoint_every,
        validate_every=settings.validate_every,
    )
