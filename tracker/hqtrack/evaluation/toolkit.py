"""The toolkit's own commands, and what they leave."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hqtrack.errors import DataError
from hqtrack.evaluation.measures import Measures, read_measures

_COMMAND = (
    "import atexit, gc; atexit.register(gc.freeze); "
    "from hqtrack.evaluation.mends import event_loop; event_loop.mend(); "
    "import shlex, sys; sys.executable = shlex.quote(sys.executable); "
    "from hqtrack.evaluation.mends import mend_toolkit; mend_toolkit(); "
    "from vot.utilities.cli import main; main()"
)
"""The toolkit's command, mended; it splits the path of this Python at spaces where it starts a tracker.

While it ends it searches nothing for garbage, which would take a second.
"""


def run_toolkit(folder: Path, command: str, *arguments: str, cached: bool = False) -> None:
    """Run a command of the toolkit in a workspace, its messages on our standard error.

    It exits with 0 whatever happened: look at what it should have written.

    Args:
        folder: The workspace.
        command: Of the toolkit.
        arguments: Of the command.
        cached: Use analyses of `cache/analysis`. The toolkit does not notice that results have changed.
    """
    environment = {**os.environ, "VOT_PERSISTENT_CACHE": str(int(cached))}
    subprocess.run(
        [sys.executable, "-c", _COMMAND, command, "--workspace", str(folder), *arguments],
        env=environment,
        stdout=sys.stderr,
        check=False,
    )


def toolkit_command(arguments: Sequence[str]) -> int:
    """Run a command of the toolkit as somebody typed it, mended; returns its exit code."""
    environment = {**os.environ, "VOT_PERSISTENT_CACHE": "0"}
    return subprocess.run(
        [sys.executable, "-c", _COMMAND, *arguments], env=environment, check=False
    ).returncode


def expected(file: Path, command: str) -> Path:
    """Return a file that a command of the toolkit should have written.

    Raises:
        DataError: It is not there.
    """
    if not file.exists():
        raise DataError(f"`vot {command}` wrote no {file}; see its messages above")
    return file


def forget_analyses(folder: Path) -> None:
    """Drop the toolkit's cache of analyses, which does not notice that results have changed."""
    shutil.rmtree(folder / "cache" / "analysis", ignore_errors=True)


def analyse(folder: Path, trackers: Sequence[str], name: str, *, cached: bool = False) -> list[Measures]:
    """Measure trackers with complete results in a workspace whose stack has all measures.

    Args:
        folder: The workspace.
        trackers: Identifiers of its registry.
        name: Of the analysis; one of the same name is replaced.
        cached: As for `run_toolkit`.

    Raises:
        DataError: The toolkit made no such analysis.
    """
    file = folder / "analysis" / f"{name}.json"
    file.unlink(missing_ok=True)
    run_toolkit(folder, "analysis", "--format", "json", "--name", name, *trackers, cached=cached)
    return read_measures(expected(file, "analysis"))


def pack(folder: Path, tracker: str) -> Path:
    """Pack a tracker's complete results for a submission; older archives of it are removed.

    Raises:
        DataError: The toolkit made none.
    """
    for old in folder.glob(f"{tracker}_*.zip"):
        old.unlink()
    run_toolkit(folder, "pack", tracker)
    return expected(next(folder.glob(f"{tracker}_*.zip"), folder / f"{tracker}.zip"), "pack")
