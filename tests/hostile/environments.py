"""Surroundings in which a command is started, as lines for a shell: streams, encodings, limits, folders."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SURROUNDINGS: dict[str, str] = {
    "standard error closed": "{} 2>&-",
    "standard output closed": "{} >&-",
    "all streams closed": "{} <&- >&- 2>&-",
    "output into a full disk": "{} > /dev/full",
    "errors into a full disk": "{} 2> /dev/full",
    "a reader that goes": "{} | head -c 1",
    "cp1252": "PYTHONIOENCODING=cp1252 {}",
    "ascii": "PYTHONIOENCODING=ascii {}",
    "the C locale": "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 {}",
    "no home": "env -u HOME {}",
    "a home that is no folder": "HOME=/dev/null {}",
    "caches that cannot be written": "XDG_CACHE_HOME=/proc/x XDG_CONFIG_HOME=/proc/x {}",
    "no folder for temporary files": "TMPDIR=/nowhere {}",
    "senseless threads": "OMP_NUM_THREADS=99999999 MKL_NUM_THREADS=x {}",
    "a little memory": "(ulimit -v 1500000; {})",
    "hardly any memory": "(ulimit -v 400000; {})",
    "small files": "(ulimit -f 2; {})",
    "few open files": "(ulimit -n 24; {})",
    "no terminal": "TERM= COLUMNS=0 {}",
    "one column": "COLUMNS=1 {}",
}
"""By what is odd about them; a command stands for the braces."""


def run_in(surroundings: str, arguments: Sequence[str], folder: Path) -> tuple[int, str]:
    """Run `hqtrack` in one of the surroundings; returns its exit code and what it said."""
    command = shlex.join([sys.executable, "-m", "hqtrack", *arguments])
    said = folder / "said.txt"
    line = SURROUNDINGS[surroundings].format(command)
    if " 2>" not in line:
        line = f"{line} 2> {shlex.quote(str(said))}"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        env=environment,
        capture_output=True,
        timeout=300,
        check=False,
    )
    text = done.stdout.decode(errors="replace") + (said.read_text(errors="replace") if said.exists() else "")
    return done.returncode, text
