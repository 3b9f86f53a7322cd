"""One training loop for both stages and every network: resuming, several processes, logs, validation."""

from __future__ import annotations

import json
import logging
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import torch
import torch.distributed as dist
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.utils.data import DataLoader, Dataset

from hqtrack import files
from hqtrack.errors import WeightsError
from hqtrack.training.checkpoints import CHECKPOINT_FILE, TrainingError, read_state, save_atomically
from hqtrack.training.processes import processes
from hqtrack.training.recipes import TrainingSettings, ema_decay
from hqtrack.training.step import Ema, Loss, build_optimizer, training_step
from hqtrack.zoo.checkpoints import check_family

logger = logging.getLogger(__name__)

STEPS_PER_LOG_ENTRY = 50

MOST_SKIPPED_STEPS = 20
"""Steps in a row without a finite gradient, after which a training has failed."""

LOCK_FILE = "lock"
"""File in a training's folder that keeps a second training out."""


class Batches(Dataset[Any], ABC):
    """Batch number `step` of a training: a function of its settings and the step alone."""

    def __init__(self, steps: int, seed: int) -> None:
        self.steps, self.seed = steps, seed
        self.rank, _ = processes()

    def __len__(self) -> int:
        return self.steps

    def random(self, step: int) -> np.random.Generator:
        """Return what chooses this process's share of a step."""
        return np.random.default_rng([self.seed, step, self.rank])

    @abstractmethod
    def __getitem__(self, step: int) -> Any:
        """Make this process's share of a step's batch, with what could not be read as `skipped`."""


def train(
    network: nn.Module,
    batches: Batches,
    settings: TrainingSettings,
    folder: Path,
    *,
    loss: Loss,
    validate: Callable[[Any], Mapping[str, float]] | None = None,
    workers: int = 1,
    device: torch.device | str = "cpu",
) -> Ema:
    """Train, or continue after the checkpoint in `folder`.

    With an initialised process group (torchrun) every process trains on its share of each batch; the first
    one validates and writes. A step depends on its number and the weights alone, so that a resumed training
    ends as an uninterrupted one would.

    Args:
        network: Its weights are replaced when there is a checkpoint.
        batches: What to train on, one for each step.
        settings: Of the training; the log holds them all.
        folder: Receives `checkpoint.pt`, `log.jsonl` and TensorBoard's event files.
        loss: See `hqtrack.training.step.Loss`.
        validate: Measures the averaged network: "validation_iou", and more.
        workers: Processes that make batches on the CPU; with 0 they are made in this process.
        device: Where the network trains.

    Raises:
        TrainingError: A checkpoint cannot be written, another process trains in `folder`, or the gradient
            stays infinite or not a number.
        WeightsError: The checkpoint in `folder` is another network's, or damaged.
    """
    rank, count = processes()
    steps, recipe = settings.steps, settings.recipe
    folder.mkdir(parents=True, exist_ok=True)
    device = torch.device(device)
    network = network.to(memory_format=torch.channels_last).to(device)
    optimizer = build_optimizer(network, recipe)
    ema = Ema(network, ema_decay(recipe, steps))
    start = _resume(network, optimizer, ema, folder / CHECKPOINT_FILE)
    if start:
        logger.info("continuing after step %d of %d", start, steps)
    if count > 1:
        for value in network.state_dict().values():
            dist.broadcast(value, 0)
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=range(start, steps),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
    )
    skipped: list[str] = []
    skipped_steps = 0
    with (
        _alone(folder) if rank == 0 else nullcontext(),
        closing(_Log(folder if rank == 0 else None, start)) as log,
        _progress(rank == 0) as progress,
    ):
        log.note({"start": start, "settings": asdict(settings)})
        bar = progress.add_task("training", total=steps, completed=start, note="")
        records: list[dict[str, float]] = []
        clock = time.monotonic()
        for step, batch in enumerate(loader, start):
            waited = time.monotonic() - clock
            skipped += batch.skipped
            record = training_step(
                network,
                optimizer,
                batch.to(device),
                recipe,
                loss,
                step=step,
                steps=steps,
            )
            records.append({**record, "waited": waited, "seconds": time.monotonic() - clock})
            done = step + 1
            skipped_steps = 0 if np.isfinite(record["gradient_norm"]) else skipped_steps + 1
            if skipped_steps == MOST_SKIPPED_STEPS:
                raise TrainingError(
                    f"the gradient was not finite in {MOST_SKIPPED_STEPS} steps in a row (to step {done}, "
                    f"loss {record['loss']}): lower the learning rate, or check the data"
                )
            if rank == 0:
                ema.update(network, step)
                progress.update(bar, completed=done, note=f"loss {record['loss']:.3f}")
                if done % STEPS_PER_LOG_ENTRY == 0 or done == steps:
                    log.write(done, {"lr": optimizer.param_groups[-1]["lr"], **_means(records)})
                if done % settings.checkpoint_every == 0 or done == steps:
                    save_atomically(_state(network, optimizer, ema, done), folder / CHECKPOINT_FILE)
                if validate is not None and (done % settings.validate_every == 0 or done == steps):
                    log.write(done, validate(ema.network))
            clock = time.monotonic()
    if skipped:
        logger.warning("%d sequences could not be read and were replaced", len(skipped))
    return ema


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second training out of a folder."""
    try:
        with files.lock(folder / LOCK_FILE):
            yield
    except filelock.Timeout as error:
        raise TrainingError(
            f"another process trains in {folder}: stop it, or choose another folder"
        ) from error


def _resume(network: nn.Module, optimizer: torch.optim.Optimizer, ema: Ema, checkpoint: Path) -> int:
    """Load a checkpoint if there is one; return the number of steps that are done."""
    if not checkpoint.exists():
        return 0
    state = read_state(checkpoint)
    missing = [name for name in ("network", "ema", "optimizer", "step") if name not in state]
    if missing:
        raise WeightsError(f"{checkpoint} is not a training's checkpoint: it has no {', '.join(missing)}")
    step = state["step"]
    if not isinstance(step, int) or step < 0:
        raise WeightsError(f"{checkpoint}: step = {step!r} must be a whole number from 0; delete the file")
    for name in ("network", "ema"):
        check_family(type(network).__name__, network.state_dict(), state[name], checkpoint)
    try:
        optimizer.load_state_dict(state["optimizer"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{checkpoint}: the optimizer's state is of another training ({error})") from error
    network.load_state_dict(state["network"])
    ema.network.load_state_dict(state["ema"])
    return step


def _state(network: nn.Module, optimizer: torch.optim.Optimizer, ema: Ema, step: int) -> dict[str, Any]:
    return {
        "network": network.state_dict(),
        "ema": ema.network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
    }


def _means(records: list[dict[str, float]]) -> dict[str, float]:
    """Average what was recorded, and forget it."""
    means = {key: round(float(np.nanmean([r[key] for r in records])), 4) for key in records[-1]}
    records.clear()
    return means


class _Log:
    """Figures of a training, as JSON lines and for TensorBoard; without a folder, nothing is written."""

    def __init__(self, folder: Path | None, start: int) -> None:
        path = Path(os.devnull)
        if folder is not None:
            path = folder / "log.jsonl"
            files.check_own(path)  # earlier lines stay: it is not replaced
        self._file = path.open("a", buffering=1, encoding="utf-8")
        self._board = None if folder is None else _board(folder, start)

    def note(self, entry: Mapping[str, Any]) -> None:
        """Add a line that is no figure."""
        self._file.write(json.dumps(entry) + "\n")

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Add figures of a step."""
        self.note({"step": step, **figures})
        logger.info("step %d %s", step, figures)
        if self._board is not None:
            for name, value in figures.items():
                self._board.add_scalar(name, value, step)
            self._board.flush()

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def _board(folder: Path, start: int) -> Any:
    """Open TensorBoard's event files, dropping what a killed run wrote after its last checkpoint."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        logger.warning("no log for TensorBoard: install hqtrack[training] to have one")
        return None
    return SummaryWriter(str(folder), purge_step=start + 1)


def _progress(shown: bool) -> Progress:
    """Make a progress bar on standard error, where that is a terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
        console=console,
        disable=not (shown and console.is_terminal),
    )
