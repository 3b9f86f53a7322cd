"""What a training does with its folder: one at a time, and nothing but a training's checkpoint is resumed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock
import pytest
import torch
from torch import nn

from hqtrack.errors import WeightsError
from hqtrack.training import loop
from hqtrack.training.checkpoints import CHECKPOINT_FILE, TrainingError, read_state
from training.tiny import tiny


@dataclass
class Numbers:
    values: torch.Tensor
    skipped: list[str] = field(default_factory=list)

    def to(self, device: torch.device) -> Numbers:
        return self


class Constant(loop.Batches):
    def __getitem__(self, step: int) -> Numbers:
        return Numbers(torch.ones(1, 2))


def loss(network: nn.Module, batch: Numbers, *_: Any) -> tuple[torch.Tensor, dict[str, float]]:
    value = network(batch.values).sum()
    return value, {"loss": float(value.detach())}


def endless(network: nn.Module, batch: Numbers, *_: Any) -> tuple[torch.Tensor, dict[str, float]]:
    value = network(batch.values).sum() * float("nan")
    return value, {"loss": float(value.detach())}


def train(folder: Path, steps: int, of: Any = loss) -> None:
    loop.train(nn.Linear(2, 1), Constant(steps, 0), tiny(steps), folder, loss=of, workers=0)


def test_a_second_training_in_one_folder_is_refused(tmp_path: Path) -> None:
    with (
        filelock.FileLock(tmp_path / loop.LOCK_FILE),
        pytest.raises(TrainingError, match="another process trains"),
    ):
        train(tmp_path, 2)
    assert not (tmp_path / CHECKPOINT_FILE).exists()
    train(tmp_path, 2)
    assert read_state(tmp_path / CHECKPOINT_FILE)["step"] == 2


def test_a_loss_that_stays_no_number_ends_the_training(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not finite in 20 steps in a row"):
        train(tmp_path, 50, endless)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"optimizer": None}, "optimizer"),
        ({"ema": None}, "ema"),
        ({"step": None}, "step"),
        ({"step": -3}, "step = -3"),
        ({"step": "two"}, "step = 'two'"),
        ({"optimizer": {"state": {}, "param_groups": []}}, "optimizer"),
    ],
)
def test_a_checkpoint_that_lacks_something_is_named(
    tmp_path: Path, change: dict[str, Any], names: str
) -> None:
    train(tmp_path, 1)
    state = {**read_state(tmp_path / CHECKPOINT_FILE), **change}
    torch.save(
        {name: value for name, value in state.items() if value is not None}, tmp_path / CHECKPOINT_FILE
    )
    with pytest.raises(WeightsError, match=names) as caught:
        train(tmp_path, 2)
    assert str(tmp_path / CHECKPOINT_FILE) in str(caught.value)
