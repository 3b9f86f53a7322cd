"""Progress of an evaluation: lines that move on a terminal, plain lines into a pipe."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from hqtrack.cli.exits import STOPPED
from hqtrack.evaluation.evaluate import Watcher
from hqtrack.evaluation.tasks import Outcome, Task

SHOWN_BROKEN = 5


class _Lines:
    """What both kinds print: single lines, and how much is done."""

    def __init__(self) -> None:
        self._total = 0
        self._frames = 0
        self._count = 0
        self._done = 0
        self._done_frames = 0
        self._started = time.monotonic()

    def say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    def plan(self, tasks: Sequence[Task], complete: int, broken: Sequence[str]) -> None:
        self._count = len(tasks)
        self._frames = sum(task.frames for task in tasks)
        if broken:
            more = f" and {len(broken) - SHOWN_BROKEN} more" if len(broken) > SHOWN_BROKEN else ""
            self.say(f"broken results, run again: {', '.join(broken[:SHOWN_BROKEN])}{more}")
        self.say(
            f"{self._count} to track ({self._frames} frames), {complete} complete already"
            if tasks
            else f"nothing to track, {complete} complete already"
        )

    def cluster(self, workers: str, dashboard: str) -> None:
        self.say(f"{workers}; Dask's page {dashboard}" if dashboard else workers)
        self._started = time.monotonic()

    def running(self, task: Task, done: int, seconds: float) -> None:
        pass

    def ended(self, task: Task, outcome: Outcome) -> None:
        self._done += 1
        self._done_frames += task.frames
        name = f"{task.tracker} on {task.sequence}"
        if outcome.failure is not None:
            self.say(f"{self._done}/{self._count} {name}: failed: {outcome.failure}")
            return
        rate = outcome.frames / outcome.seconds if outcome.seconds else 0.0
        left = (time.monotonic() - self._started) / self._done_frames * (self._frames - self._done_frames)
        self.say(
            f"{self._done}/{self._count} {name}: {outcome.frames} frames, {rate:.1f} frames/s, "
            f"{_duration(left)} left"
        )


class _Moving(_Lines):
    """A line for each running task and one for all."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self._of_task: dict[Task, TaskID] = {}
        self._all: TaskID | None = None
        self._lock = threading.Lock()

    def say(self, line: str) -> None:
        self._progress.console.print(line, markup=False, highlight=False)

    def cluster(self, workers: str, dashboard: str) -> None:
        super().cluster(workers, dashboard)
        self._all = self._progress.add_task("all", total=self._frames, rate="")

    def running(self, task: Task, done: int, seconds: float) -> None:
        with self._lock:
            if task not in self._of_task:
                name = f"{task.tracker} on {task.sequence}"
                self._of_task[task] = self._progress.add_task(name, total=task.frames, rate="")
            rate = f"{done / seconds:.1f} frames/s" if done and seconds else "starting"
            self._progress.update(self._of_task[task], completed=done, rate=rate)
            self._update_all()

    def ended(self, task: Task, outcome: Outcome) -> None:
        with self._lock:
            line = self._of_task.pop(task, None)
            if line is not None:
                self._progress.remove_task(line)
        super().ended(task, outcome)
        with self._lock:
            self._update_all()

    def _update_all(self) -> None:
        if self._all is None:
            return
        running = sum(line.completed for line in self._progress.tasks if line.id in self._of_task.values())
        done = self._done_frames + running
        seconds = time.monotonic() - self._started
        rate = f"{done / seconds:.1f} frames/s" if seconds else ""
        self._progress.update(self._all, completed=done, rate=rate)


@contextlib.contextmanager
def watch() -> Iterator[Watcher]:
    """Return a watcher that writes to standard error."""
    console = Console(stderr=True)
    if not console.is_terminal:
        with _stopping():
            yield _Lines()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with _stopping(), Progress(*columns, console=console, transient=True) as progress:
        yield _Moving(progress)


@contextlib.contextmanager
def _stopping() -> Iterator[None]:
    """Print after Ctrl+C what is kept, and end as a shell does."""
    try:
        yield
    except KeyboardInterrupt:
        print("stopped; complete results are kept, and run the same command to resume", file=sys.stderr)
        raise typer.Exit(STOPPED + signal.SIGINT) from None


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
