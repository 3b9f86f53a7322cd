"""A training that is killed while it writes a checkpoint ends as an uninterrupted one.

What `kill -9` does to videos, downloads and evaluations is tried in their own tests, and at random moments in
`benchmarks/hostile.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hqtrack.training import on_synthetic
from hqtrack.training.checkpoints import read_state
from hqtrack.training.synthesis import RegionImages
from training.small_data import write_static
from training.tiny import fresh, tiny

KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from hqtrack.training import on_synthetic
from hqtrack.training.synthesis import RegionImages
from training.tiny import fresh, tiny

save, saved = torch.save, 0

def half(state, file):
    global saved
    saved += 1
    save(state, file)
    if saved == 2:  # the second checkpoint is written, but does not have its name yet
        os.truncate(file, file.stat().st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)

torch.set_num_threads(int(sys.argv[2]))
torch.save = half
folder = Path(sys.argv[1])
images = RegionImages.from_folder(folder / "photos")
on_synthetic.run(fresh(), images, [], tiny(4, checkpoint_every=1), folder / "killed", workers=0)
"""


@pytest.mark.slow
def test_a_training_killed_in_a_checkpoint_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    images = RegionImages.from_folder(write_static(tmp_path / "photos"))
    settings = tiny(4, checkpoint_every=1)
    on_synthetic.run(fresh(), images, [], settings, tmp_path / "whole", workers=0)
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(torch.get_num_threads())]
    process = subprocess.run(command, env=_environment(), check=False)
    assert process.returncode == -9
    assert read_state(tmp_path / "killed" / "checkpoint.pt")["step"] == 1
    on_synthetic.run(fresh(), images, [], settings, tmp_path / "killed", workers=0)
    whole, resumed = (read_state(tmp_path / name / "checkpoint.pt") for name in ("whole", "killed"))
    assert resumed["step"] == whole["step"] == 4
    for name, value in whole["network"].items():
        assert torch.equal(resumed["network"][name], value), name


def _environment() -> dict[str, str]:
    """Return an environment in which a process finds the modules that this one finds."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
