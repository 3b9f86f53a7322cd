"""What becomes of errors: one line, and an exit code that tells wrong use from failure."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner, Result

import hqtrack
from hqtrack import CardError, DataError, InputError, StateError, WeightsError
from hqtrack.cli import app
from hqtrack.cli.exits import Commands
from hqtrack.errors import naming


def run(failing: object) -> Result:
    """Run a command that does this."""
    commands = typer.Typer(cls=Commands)
    commands.command()(failing)  # type: ignore[arg-type]
    commands.command("other")(lambda: None)
    name = failing.__name__.replace("_", "-")  # type: ignore[attr-defined]
    return CliRunner().invoke(commands, [name])


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("box 1,2: write x,y,w,h"), 2, "box 1,2: write x,y,w,h"),
        (CardError("no card x"), 2, "no card x"),
        (DataError("x.mp4: not a video"), 1, "x.mp4: not a video"),
        (WeightsError("no weights"), 1, "no weights"),
        (StateError("nothing to track"), 1, "nothing to track"),
        (PermissionError(13, "Permission denied", "/x/y"), 1, "/x/y: Permission denied"),
        (MemoryError(), 1, "there is not enough memory; try a smaller --max-long-edge, or --device cpu"),
    ],
)
def test_an_error_is_a_line_and_a_code(error: Exception, code: int, line: str) -> None:
    def fail() -> None:
        raise error

    result = run(fail)
    assert (result.exit_code, result.stderr) == (code, f"hqtrack: {line}\n")


def test_what_libraries_say_of_too_little_memory_is_understood() -> None:
    def torchs() -> None:
        torch.empty(1 << 60, dtype=torch.uint8)

    def numpys() -> None:
        np.empty(1 << 60, np.uint8)

    def opencvs() -> None:
        cv2.resize(np.zeros((1, 1), np.uint8), (1 << 30, 1 << 30))

    for too_much in (torchs, numpys, opencvs):
        result = run(too_much)
        assert (result.exit_code, "not enough memory" in result.stderr) == (1, True), result.output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is played by Linux's /dev/full")
def test_a_full_disk_is_told_with_the_files_name() -> None:
    def write() -> None:
        with naming("out/masks.json"), open("/dev/full", "w", buffering=1) as file:
            file.write("line\n")

    assert run(write).stderr == f"hqtrack: out/masks.json: {os.strerror(28)}\n"


def test_a_fault_of_ours_is_not_hidden() -> None:
    def fault() -> None:
        raise ZeroDivisionError("a fault")

    assert isinstance(run(fault).exception, ZeroDivisionError)


def test_the_version_is_the_packages() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.stdout == f"hqtrack {hqtrack.__version__}\n"
    assert hqtrack.__version__[0].isdigit()


def test_threads_of_the_command_do_not_wait_by_spinning_for_long() -> None:
    """OpenMP reads its settings when torch is loaded: they must be there before."""
    script = """if True:
        import os, sys
        import hqtrack.cli as cli
        cli.app = lambda: print(os.environ["GOMP_SPINCOUNT"], "torch" in sys.modules)
        cli.main()
    """
    own = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    for given, expected in (({}, "2000 False"), ({"GOMP_SPINCOUNT": "7"}, "7 False")):
        run = subprocess.run(
            [sys.executable, "-c", script], env=own | given, capture_output=True, text=True, check=True
        )
        assert run.stdout.strip() == expected
