"""The default card in ONNX, exported once for all tests here: that takes PyTorch a minute."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from hqtrack.zoo.weights import CACHE_VARIABLE


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return a folder of a cache with the kept encoder, and of all graphs; one process makes them for all."""
    root = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        root = root.parent  # which all workers of a run have in common
    folder = root / "exported"
    with FileLock(root / "exported.lock"):
        if not (folder / "graphs" / "system.json").is_file():
            encoder = export(folder, "vmos-light")
            assert "exporting the encoder to ONNX, once" in encoder.stderr
            (kept,) = (folder / "cache" / "graphs").glob("*.onnx")
            assert encoder.stdout == f"the encoder is kept as {kept}\n"
            system = export(folder, "hqtrack-light", "-o", str(folder / "graphs"))
            assert system.stdout.splitlines()[0] == f"encode: {folder / 'graphs' / 'encode.onnx'}"
            assert (folder / "graphs" / "encode.onnx").read_bytes() == kept.read_bytes()  # its weights agree
    return folder


def export(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Export in a process of its own: pytest would capture PyTorch's traces, which takes minutes."""
    command = [sys.executable, "-m", "hqtrack", "export", *words]
    environment = {**os.environ, CACHE_VARIABLE: str(folder / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def graphs(exported: Path) -> Path:
    """Return the exported graphs of the default card."""
    return exported / "graphs"
