"""Engines under the real toolkit, over TraX, with small random networks: sessions, not quality."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner
from vot.workspace import Workspace

from engines.package import install_engines
from hqtrack.cli import app
from hqtrack.vot.workspace import SAMPLE_STACK, create_workspace
from small_workspace import Run, write_sequence

pytest.importorskip("transformers", reason="needs hqtrack[sam2]")
pytest.importorskip("timm", reason="needs hqtrack[sam2]")
pytest.importorskip("cutie", reason="needs hqtrack[cutie]")

pytestmark = pytest.mark.slow

ENGINES = {
    "SmallSam2": "small-sam2",
    "SmallDam": "small-dam",
    "SmallEdgeTam": "small-edgetam",
    "SmallSam3": "small-sam3",
    "SmallCutie": "small-cutie",
    "OpticalFlow": "small-flow",
}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a short sequence, and trackers with engines of another package."""
    package = install_engines(tmp_path / "package", monkeypatch)
    folder = tmp_path / "workspace"
    create_workspace(folder, SAMPLE_STACK)
    write_sequence(folder / "sequences" / "discs", 5)
    (folder / "sequences" / "list.txt").write_text("discs\n")
    with (folder / "trackers.ini").open("a") as file:
        for tracker, name in ENGINES.items():
            file.write(
                f"\n[{tracker}]\nprotocol = traxpython\ncommand = hqtrack.vot\npaths = {package}\n"
                f"env_HQTRACK_CARD = {package / name}.toml\nenv_HQTRACK_PRECISION = float32\ntimeout = 300\n"
            )
    return folder


def test_engines_are_compared_in_one_command(workspace: Path, run: Run) -> None:
    address = run.client.scheduler_info()["address"]
    command = ["evaluate", *ENGINES, "--workspace", str(workspace), "--scheduler", address]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    loaded = Workspace.load(str(workspace))
    (experiment,) = loaded.stack
    sequence = loaded.dataset["discs"]
    for identifier in ENGINES:
        (tracker,) = loaded.registry.resolve(identifier, storage=loaded.storage.substorage("results"))
        trajectories = list(experiment.gather(tracker, sequence))
        assert len(trajectories) == 2
        for trajectory in trajectories:
            assert len(trajectory) == 5
