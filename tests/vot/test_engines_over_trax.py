"""Engines under the real toolkit, over TraX, with small random networks: sessions, not quality."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from vot.workspace import Workspace

from hqtrack.vot.workspace import SAMPLE_STACK, create_workspace
from small_workspace import write_sequence

pytest.importorskip("transformers", reason="needs hqtrack[sam2]")
pytest.importorskip("timm", reason="needs hqtrack[sam2]")
pytest.importorskip("cutie", reason="needs hqtrack[cutie]")

pytestmark = pytest.mark.slow

ENGINES = {
    "SmallSam2": "small-sam2",
    "SmallDam": "small-dam",
    "SmallEdgeTam": "small-edgetam",
    "SmallCutie": "small-cutie",
    "OpticalFlow": "small-flow",
}
CARD = """
name = "{name}"
title = "{name}: random weights"
engine = "{name}"
network = "random"
[weights]
file = "none"
origin = "embedded"
"""
EXAMPLE = Path(__file__).parents[2] / "examples" / "optical_flow.py"
PACKAGE = """
# Each tracker is a process, and imports what it needs alone.


def load_flow(*args, **settings):
    from optical_flow import load

    return load(*args, **settings)


def present(model):
    import torch

    with torch.no_grad():  # random weights call every object absent
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(5.0)
    return model


def of_sam2():
    import transformers
    from hqtrack.zoo.hiera import Hiera, configuration

    SMALL = Hiera(16, 1, (1, 1, 2, 1), (3, 3, 3), (4, 4, 4, 4), 4)
    return present(transformers.Sam2VideoModel(configuration(SMALL, image_size=64)))


def load_sam2(card, weights, *, device, dtype):
    from hqtrack.engines import sam2

    return sam2.starter(of_sam2(), device=device, dtype=dtype)


def load_dam(card, weights, *, device, dtype):
    from hqtrack.engines import dam_sam2

    return dam_sam2.starter(of_sam2(), device=device, dtype=dtype)


def load_edgetam(card, weights, *, device, dtype):
    import transformers
    from hqtrack.engines import edgetam, sam2

    config = edgetam.configuration(image_size=128, latents=16)
    model = present(transformers.EdgeTamVideoModel(config))
    return sam2.starter_of(sam2.SAM2, model, device=device, dtype=dtype)


def load_cutie(card, weights, *, device, dtype):
    from hqtrack.engines import cutie

    config = cutie.configuration("cutie-small")
    config.top_k = 16  # places of memory that every place reads: small frames have few
    return cutie.starter(cutie.build(config), config, device=device, dtype=dtype)
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a short sequence, and trackers with engines of another package."""
    package = tmp_path / "package"
    metadata = package / "hqtrack_small-1.0.dist-info"
    metadata.mkdir(parents=True)
    shutil.copy(EXAMPLE, package)
    (package / "hqtrack_small.py").write_text(PACKAGE)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: hqtrack-small\nVersion: 1.0\n")
    points = [f"{name} = hqtrack_small:load_{name.removeprefix('small-')}" for name in ENGINES.values()]
    (metadata / "entry_points.txt").write_text("\n".join(["[hqtrack.engines]", *points]) + "\n")
    monkeypatch.setenv("PYTHONPATH", str(package))

    folder = tmp_path / "workspace"
    create_workspace(folder, SAMPLE_STACK)
    write_sequence(folder / "sequences" / "discs", 5)
    (folder / "sequences" / "list.txt").write_text("discs\n")
    with (folder / "trackers.ini").open("a") as file:
        for tracker, name in ENGINES.items():
            card = tmp_path / f"{name}.toml"
            card.write_text(CARD.format(name=name))
            file.write(
                f"\n[{tracker}]\nprotocol = traxpython\ncommand = hqtrack.vot\npaths = {package}\n"
                f"env_HQTRACK_CARD = {card}\nenv_HQTRACK_PRECISION = float32\ntimeout = 300\n"
            )
    return folder


def test_engines_are_compared_in_one_command(workspace: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hqtrack", "evaluate", *ENGINES, "--workspace", workspace, "--workers", "1"],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    loaded = Workspace.load(str(workspace))
    (experiment,) = loaded.stack
    sequence = loaded.dataset["discs"]
    for identifier in ENGINES:
        (tracker,) = loaded.registry.resolve(identifier, storage=loaded.storage.substorage("results"))
        trajectories = list(experiment.gather(tracker, sequence))
        assert len(trajectories) == 2
        for trajectory in trajectories:
            assert len(trajectory) == 5
