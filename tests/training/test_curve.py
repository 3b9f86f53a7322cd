"""The picture of a training."""

import json
from pathlib import Path

import pytest

from hqtrack.errors import DataError
from hqtrack.training.curve import plot_log


def test_a_log_becomes_a_picture(tmp_path: Path) -> None:
    losses = {"loss": 1.0, "cross_entropy": 0.3, "jaccard": 0.5, "matching": 0.2, "iou": 0.4}
    lines = [
        {"start": 0},
        {"step": 50, **losses},
        {"step": 100, **losses},
        {"step": 100, "validation_iou": 0.5},
    ]
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    plot_log(log, tmp_path / "curve.svg")
    assert "<svg" in (tmp_path / "curve.svg").read_text()


def test_a_log_without_steps_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"start": 0}\n')
    with pytest.raises(DataError, match="no step yet"):
        plot_log(log, tmp_path / "curve.svg")
    assert not (tmp_path / "curve.svg").exists()
