"""Training on synthetic sequences made of static images, mixed with videos where there are any.

That is stage 1 of every network (paper section 3), and both stages of the light one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hqtrack.nets.interface import PropagationNetwork
from hqtrack.training.datasets import ClipSampler, Source
from hqtrack.training.loop import Batches, train
from hqtrack.training.processes import share_of
from hqtrack.training.recipes import Phase, SynthesisTraining
from hqtrack.training.step import Batch, Ema, batch_loss
from hqtrack.training.synthesis import RegionImages, SequenceSynthesizer
from hqtrack.training.validation import validate


class SyntheticBatches(Batches):
    """Batches of synthetic sequences, some of them out of videos that were drawn beforehand.

    In worker processes they are made on the CPU; in the training process on the device that trains.
    """

    def __init__(
        self,
        images: RegionImages,
        settings: SynthesisTraining,
        device: torch.device | str = "cpu",
        videos: Sequence[Source] = (),
    ) -> None:
        super().__init__(settings.steps, settings.seed)
        self.images = images
        self.videos = videos
        self.settings = settings
        self.device = device
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
        rng = self.random(step)
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
    settings: SynthesisTraining,
    folder: Path,
    *,
    videos: Sequence[Source] = (),
    workers: int = 1,
    device: torch.device | str = "cpu",
) -> Ema:
    """Train, or continue after the checkpoint in `folder`.

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
        settings,
        folder,
        loss=partial(batch_loss, recipe=settings.recipe),
        validate=partial(validate, sequences=validation, device=torch.device(device)) if validation else None,
        workers=workers,
        device=device,
    )
