"""What a process needs before PyTorch is loaded, which reads these variables then and never again."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

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
