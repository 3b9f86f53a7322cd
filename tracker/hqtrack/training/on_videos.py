"""Training on annotated videos alone: stage 2 of the published networks (paper section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from hqtrack.nets.interface import PropagationNetwork
from hqtrack.training.datasets import ClipSampler, Source
from hqtrack.training.loop import Batches, train
from hqtrack.training.processes import share_of
from hqtrack.training.recipes import VideoTraining
from hqtrack.training.step import Batch, Ema, batch_loss


class VideoBatches(Batches):
    """Batches of sequences out of annotated videos."""

    def __init__(self, sources: Sequence[Source], settings: VideoTraining) -> None:
        super().__init__(settings.steps, settings.seed)
        self.sampler = ClipSampler(
            sources,
            size=settings.size,
            length=settings.frames,
            max_objects=settings.max_objects,
            short_edge=settings.short_edge,
            merge=settings.merge,
        )
        self.share = share_of(settings.batch)

    def __getitem__(self, step: int) -> Batch:
        """See `Batches`."""
        rng = self.random(step)
        clips = [self.sampler.sample(rng) for _ in range(self.share)]
        return Batch(
            torch.from_numpy(np.stack([clip.frames for clip in clips])),
            torch.from_numpy(np.stack([clip.labels for clip in clips])),
            skipped=[line for clip in clips for line in clip.skipped],
        )


def run(
    network: PropagationNetwork,
    sources: Sequence[Source],
    settings: VideoTraining,
    folder: Path,
    *,
    workers: int = 1,
    device: torch.device | str = "cpu",
) -> Ema:
    """Train, or continue after the checkpoint in `folder`.

    Args:
        network: With the weights of stage 1; they are replaced when there is a checkpoint.
        sources: The datasets and their shares.
        settings: The run.
        folder: See `hqtrack.training.loop.train`.
        workers: Processes that read videos.
        device: Where the network trains.
    """
    return train(
        network,
        VideoBatches(sources, settings),
        settings,
        folder,
        loss=partial(batch_loss, recipe=settings.recipe),
        workers=workers,
        device=device,
    )
