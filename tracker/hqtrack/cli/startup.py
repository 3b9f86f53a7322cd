"""What a command needs before anything is loaded: streams, threads, a place for compiled code.

PyTorch and numba read their variables when they are loaded, and never again.
"""

from __future__ import annotations

import atexit
import gc
import importlib.util
import io
import os
import shutil
import sys
import tempfile
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path

MOST_PER_PROCESSOR = 16
"""Threads for each processor that somebody may want; more is a mistake, and starts slowly or fails."""


def prepare_threads(environment: MutableMapping[str, str]) -> list[str]:
    """Set what OpenMP's threads need, and take out numbers of threads that cannot be meant.

    Args:
        environment: Variables of the process; changed in place.

    Returns:
        A line for each variable that is not used, with its value.
    """
    # OpenMP's threads wait for each other by spinning, for so long that a frame takes seconds where another
    # program is at one of the cores.
    environment.setdefault("GOMP_SPINCOUNT", "2000")
    most = MOST_PER_PROCESSOR * (os.cpu_count() or 1)
    lines = []
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        text = environment.get(name)
        if text is None or all(_is_count(part, most) for part in text.split(",")):
            continue
        del environment[name]
        lines.append(f"{name}={text} is not used: give a number of threads from 1 to {most}")
    return lines


def _is_count(text: str, most: int) -> bool:
    return text.strip().isdecimal() and 1 <= int(text) <= most


def prepare_end() -> None:
    """Have nothing searched for garbage while the process ends: with PyTorch loaded, that takes a second."""
    atexit.register(gc.freeze)


def prepare_streams() -> None:
    """Open standard streams that are closed, and let none fail by a letter that its encoding lacks.

    A closed one would be replaced by the next file that is opened, and what libraries print would be written
    into that file.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def prepare_caches(environment: MutableMapping[str, str]) -> None:
    """Choose a folder for what the VOT toolkit compiles and plots with, where its own ones cannot be written.

    These are next to the toolkit, in the user's cache and settings. The folder is removed at the end.

    Args:
        environment: Variables of the process; changed in place.
    """
    if (found := importlib.util.find_spec("vot")) is None:
        return
    toolkit = Path(found.origin or "").parent / "region" / "__pycache__"
    cache = Path(environment.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    settings = Path(environment.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"))
    wanted = {"NUMBA_CACHE_DIR": (toolkit, cache / "numba"), "MPLCONFIGDIR": (settings / "matplotlib",)}
    missing = [
        name
        for name, folders in wanted.items()
        if name not in environment and not any(_can_write(folder) for folder in folders)
    ]
    if not missing:
        return
    folder = tempfile.mkdtemp(prefix="hqtrack-cache-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    environment.update(dict.fromkeys(missing, folder))


def _can_write(folder: Path) -> bool:
    """Return whether files can be made in a folder, which may have to be made first."""
    there = folder
    while not there.is_dir():
        if there == there.parent or not there.is_absolute():
            return False
        there = there.parent
    with suppress(OSError), tempfile.TemporaryFile(dir=there):
        return True
    return False
