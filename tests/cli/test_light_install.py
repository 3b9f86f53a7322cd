"""What works without the extras, how a missing one is named, and what help and completion do not import."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest

import hqtrack
from hqtrack.cli import completion
from hqtrack.cli.startup import MOST_PER_PROCESSOR, prepare_threads
from hqtrack.errors import EXTRAS, did_you_mean
from hqtrack.tracker import Precision

ROOT = Path(__file__).parents[2]
PACKAGE = Path(hqtrack.__file__).parent

BARE = f"""if True:
    import sys
    for name in {[*EXTRAS, "numba"]!r}:
        sys.modules[name] = None  # as if it were not installed
    from hqtrack.cli import main
"""
"""Starts the command without the packages of any extra."""


def bare(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"{BARE}\n    main()", *arguments], capture_output=True, text=True, check=False
    )


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(3):
        picture = np.full((96, 128, 3), 60, np.uint8)
        picture[30:60, 20 + 4 * number : 60 + 4 * number] = (40, 40, 200)
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    return folder


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=; ]", line)[0].lower().replace("_", "-") for line in requirements}


def test_every_import_is_of_the_base_or_of_a_known_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    base, extras = names(project["dependencies"]), project["optional-dependencies"]
    providers = metadata.packages_distributions()
    imported = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    assert {"torch", "vot", "timm", "nicegui"} <= imported
    for module in imported - sys.stdlib_module_names - {"hqtrack", "triton"}:
        given = {name.lower().replace("_", "-") for name in providers.get(module, [module])}
        wanted = names(extras[EXTRAS[module]]) if module in EXTRAS else base
        assert given & wanted, f"{module}: no package of {EXTRAS.get(module, 'the base')} brings it"


@pytest.mark.slow
def test_a_video_is_tracked_without_any_extra(frames: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = bare("track", str(frames), "-o", str(out), "--box", "20,30,40,30", "--labels", "--rle", "--csv")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} >= {"overlay.mp4", "labels", "masks.json", "boxes.csv"}


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("evaluate", "HQTrackLight"), "vot"),
        (("experiments", "table1"), "vot"),
        (("workspace", "new"), "vot"),
        (("web",), "web"),
        (("track", "FRAMES", "-o", "out", "--box", "20,30,40,30", "--trajectories"), "vot"),
    ],
)
def test_a_command_names_the_extra_that_it_lacks(
    arguments: tuple[str, ...], extra: str, frames: Path
) -> None:
    done = bare(*(str(frames) if each == "FRAMES" else each for each in arguments))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"pip install 'hqtrack[{extra}]'" in done.stderr


HEAVY = {"torch", "vot", "trax"}


def imported_by(*arguments: str) -> tuple[str, set[str]]:
    """Return what a command writes on standard error, and which heavy packages it has imported by its end."""
    script = f"""if True:
        import atexit, sys
        atexit.register(lambda: print("heavy", *({HEAVY!r} & set(sys.modules))))
        from hqtrack.cli import main
        main()
    """
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
    )
    return done.stderr, set(done.stdout.splitlines()[-1].split()[1:])


def test_help_imports_nothing_heavy() -> None:
    assert imported_by("--help")[1] == set()
    assert imported_by("track", "--help")[1] == set()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("track", "nosuch.mp4", "--box", "1,2,3,4", "-o", "out"), "nosuch.mp4: no such file or folder"),
        (("track", __file__, "--mask", "nosuch.png", "-o", "out"), "mask nosuch.png: No such file"),
        (("track", __file__, "--object", "frame=3,mask=nosuch.png"), "mask nosuch.png: No such file"),
        (("track", __file__, "--precision", "bfloat61"), "did you mean bfloat16?"),
        (("edit", "nosuch", "--swap", "1,2"), "nosuch: no such folder"),
        (("export", "vmos-ligth"), "did you mean vmos-light?"),
        (("experiments", "table9"), "did you mean table5?"),
        (("experiments", "table1", "--workspace", "nosuch"), "nosuch is no workspace"),
        (("evaluate", "--workspace", "nosuch"), "nosuch is no workspace"),
        (("show", "nosuch", "HQTrackLight", "coins", "-o", "out"), "nosuch is no workspace"),
    ],
)
def test_what_is_misspelt_is_refused_before_pytorch_is_imported(
    arguments: tuple[str, ...], said: str
) -> None:
    error, heavy = imported_by(*arguments)
    assert said in error
    assert heavy == set()


def test_a_misspelt_card_is_refused_before_pytorch_is_imported() -> None:
    error, heavy = imported_by("track", __file__, "-o", "out", "--card", "vmos-ligth")
    assert "did you mean vmos-light?" in error
    assert "torch" not in heavy


def test_the_shell_is_offered_values() -> None:
    words = "hqtrack track clip.mp4 --precision b"
    environment = {
        **os.environ,
        "_HQTRACK_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    script = "import sys; sys.argv = ['hqtrack']; from hqtrack.cli import app; app(prog_name='hqtrack')"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["bfloat16"]


def test_values_are_the_ones_that_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trackers.ini").write_text("[Mine]\nlabel = 100%\n")
    monkeypatch.chdir(tmp_path)
    assert completion.complete_cards("vmos-l") == ["vmos-light"]
    assert "hqtrack" in completion.complete_weights("h")
    assert completion.complete_studies("table")[0] == "table1"
    assert completion.complete_trackers("M") == ["Mine"]
    assert set(completion.complete_precisions("")) == set(get_args(Precision))
    stack = pytest.importorskip("vot.stack")
    assert set(completion.complete_stacks("")) == {"stack.yaml", *stack.list_integrated_stacks()}


def test_a_registry_that_cannot_be_read_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trackers.ini").write_bytes(b"\xff\x00 no registry")
    monkeypatch.chdir(tmp_path)
    assert completion.complete_trackers("vmos-l") == ["vmos-light"]


def test_only_what_is_alike_is_meant() -> None:
    assert did_you_mean("HQTRACK", ["hqtrack", "vmos"]) == "did you mean hqtrack? "
    assert did_you_mean("clip", ["hqtrack", "vmos"]) == ""


@pytest.mark.parametrize("given", ["0", "-3", "many", "100000000", "", "4,0"])
def test_a_number_of_threads_that_cannot_be_meant_is_not_used(given: str) -> None:
    environment = {"OMP_NUM_THREADS": given}
    lines = prepare_threads(environment)
    assert environment == {"GOMP_SPINCOUNT": "2000"}
    assert len(lines) == 1
    assert f"OMP_NUM_THREADS={given}" in lines[0]


@pytest.mark.parametrize("given", ["1", " 2 ", "2,1", str(MOST_PER_PROCESSOR)])
def test_a_number_of_threads_is_kept(given: str) -> None:
    environment = {"OMP_NUM_THREADS": given}
    assert prepare_threads(environment) == []
    assert environment["OMP_NUM_THREADS"] == given
