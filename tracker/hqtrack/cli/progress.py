"""How far a run is, on standard error: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import typer

SECONDS_BETWEEN_LINES = 10.0
"""Where there is no terminal."""


@contextmanager
def progress(total: int | None, unit: str = "frames") -> Iterator[Callable[[], None]]:
    """Show progress with frames/s and time left; gives what counts a frame.

    Args:
        total: Frames of the run; None where that is unknown.
        unit: What is counted instead of frames.
    """
    if not sys.stderr.isatty():
        yield _ProgressLines(total, unit).advance
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(stderr=True),
    )
    task = bar.add_task("", total=total, speed="")

    def advance() -> None:
        bar.advance(task)
        speed = bar.tasks[0].speed
        bar.update(task, speed=f"{speed:.1f} {unit}/s" if speed else "")

    with bar:
        yield advance


class _ProgressLines:
    """Prints a line every few seconds; the speed is that since the line before."""

    def __init__(self, total: int | None, unit: str) -> None:
        self._total, self._unit, self._count = total, unit, 0
        self._printed, self._time = 0, time.monotonic()

    def advance(self) -> None:
        self._count += 1
        seconds = time.monotonic() - self._time
        if seconds < SECONDS_BETWEEN_LINES:
            return
        speed = (self._count - self._printed) / seconds
        line = f"{self._count} {self._unit}, {speed:.1f} {self._unit}/s"
        if self._total is not None:
            left = timedelta(seconds=round((self._total - self._count) / speed))
            line = f"{self._count} of {self._total} {self._unit}, {speed:.1f} {self._unit}/s, {left} left"
        typer.echo(line, err=True)
        self._printed, self._time = self._count, time.monotonic()
