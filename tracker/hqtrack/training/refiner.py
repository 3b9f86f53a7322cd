"""Training of the light refiner: crops with prompts, out of photographs and of frames of videos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqtrack.nets.light_segmenter import LightSegmenter
from hqtrack.training.crops import CropSampler
from hqtrack.training.loop import Batches, train
from hqtrack.training.processes import processes, share_of
from hqtrack.training.recipes import RefinerTraining
from hqtrack.training.step import Ema, normalise

LIGHT_REFINER = "light"
"""Of the network, in a training's list of starts: the kind of refiner, as cards name it."""

PROMPT_KINDS = ("mask", "box", "point")
"""Of prompts."""


class CropBatch(NamedTuple):
    """What one step trains on."""

    images: Tensor
    """(B, 3, S, S) uint8 RGB."""
    prompts: Tensor
    """(B, 4, S, S) int8, 127 is 1."""
    truth: Tensor
    """(B, S, S) uint8, 255 where the object fills a pixel."""
    skipped: Sequence[str] = ()

    def to(self, device: torch.device) -> CropBatch:
        """Move it to a device."""
        images, prompts, truth = (t.to(device) for t in (self.images, self.prompts, self.truth))
        return CropBatch(images, prompts, truth)


class CropBatches(Batches):
    """Batches of crops."""

    def __init__(self, sampler: CropSampler, settings: RefinerTraining) -> None:
        super().__init__(settings.steps, settings.seed)
        self.sampler = sampler
        self.share = share_of(settings.batch)

    def __getitem__(self, step: int) -> CropBatch:
        """See `Batches`."""
        return gathered(self.sampler, self.random(step), self.share)


def gathered(
    sampler: CropSampler,
    rng: np.random.Generator,
    count: int,
    kind: str | None = None,
    *,
    plain: bool = False,
) -> CropBatch:
    """Draw a batch of crops; see `CropSampler.sample`."""
    crops = [sampler.sample(rng, kind=kind, plain=plain) for _ in range(count)]
    return CropBatch(
        torch.from_numpy(np.stack([crop.image for crop in crops])).permute(0, 3, 1, 2),
        torch.from_numpy(np.stack([crop.prompts for crop in crops])),
        torch.from_numpy(np.stack([crop.truth for crop in crops])),
    )


def refiner_loss(
    network: LightSegmenter, batch: CropBatch, progress: float, generator: torch.Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return cross-entropy, heavier near outlines, dice, and the squared error of the predicted IoU."""
    truth = batch.truth.float() / 255
    found = network(normalise(batch.images), _floats(batch.prompts))
    logits = found.logits.float()
    with torch.no_grad():
        blurred = F.avg_pool2d(truth[:, None], 9, 1, 4, count_include_pad=False)[:, 0]
        weight = 1 + 4 * (1 - (2 * blurred - 1).abs())
        iou = ious(logits, truth)
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    cross_entropy = (entropy * weight).sum((1, 2)) / weight.sum((1, 2))
    share = logits.sigmoid()
    dice = 1 - (2 * (share * truth).sum((1, 2)) + 1) / ((share + truth).sum((1, 2)) + 1)
    quality = F.mse_loss(found.quality.float().sigmoid(), iou)
    loss = 2 * cross_entropy.mean() + dice.mean() + quality
    return loss, {
        "loss": loss.detach(),
        "cross_entropy": cross_entropy.mean().detach(),
        "dice": dice.mean().detach(),
        "quality": quality.detach(),
        "iou": iou.mean(),
    }


def ious(logits: Tensor, truth: Tensor) -> Tensor:
    """Return the IoU of predicted masks (B, H, W) with true ones, soft at their borders: (B,)."""
    found, true = logits > 0, truth > 0.5
    return (found & true).sum((1, 2)) / (found | true).sum((1, 2)).clamp(min=1)


def _floats(prompts: Tensor) -> Tensor:
    return (prompts.float() / 127).contiguous(memory_format=torch.channels_last)


class Validation:
    """Measures a network on crops that are the same each time.

    Args:
        sampler: Of photographs and videos that are not trained on.
        count: Crops of each kind.
        device: Where the network is.
    """

    def __init__(self, sampler: CropSampler, count: int, device: torch.device) -> None:
        self.batches = {
            kind: [
                gathered(
                    sampler,
                    np.random.default_rng([7, number, start]),
                    min(8, count - start),
                    kind,
                    plain=True,
                )
                for start in range(0, count, 8)
            ]
            for number, kind in enumerate(PROMPT_KINDS)
        }
        self.device = device

    @torch.inference_mode()
    def __call__(self, network: nn.Module) -> dict[str, float]:
        """Return the mean IoU for each kind of prompts, of the masks given, and of all together."""
        figures = {}
        for kind, batches in self.batches.items():
            scores, before = [], []
            for batch in (b.to(self.device) for b in batches):
                truth = batch.truth.float() / 255
                found = network(normalise(batch.images), _floats(batch.prompts))
                scores.append(ious(found.logits.float(), truth))
                before.append(ious(batch.prompts[:, 0].float(), truth))
            figures[f"validation_{kind}"] = round(float(torch.cat(scores).mean()), 4)
            if kind == "mask":
                figures["validation_given"] = round(float(torch.cat(before).mean()), 4)
        found_all = [figures[f"validation_{kind}"] for kind in self.batches]
        return {"validation_iou": round(sum(found_all) / len(found_all), 4), **figures}


def run(
    network: LightSegmenter,
    training: CropSampler,
    held_back: CropSampler,
    settings: RefinerTraining,
    folder: Path,
    *,
    workers: int = 1,
    device: torch.device | str = "cpu",
) -> Ema:
    """Train, or continue after the checkpoint in `folder`.

    Args:
        network: Its weights are replaced when there is a checkpoint.
        training: Draws what is trained on.
        held_back: Draws what is measured on.
        settings: The run.
        folder: See `hqtrack.training.loop.train`.
        workers: Processes that make crops.
        device: Where the network trains.
    """
    rank, _ = processes()
    validate = Validation(held_back, settings.validation_crops, torch.device(device)) if rank == 0 else None
    return train(
        network,
        CropBatches(training, settings),
        settings,
        folder,
        loss=refiner_loss,
        validate=validate,
        workers=workers,
        device=device,
    )
