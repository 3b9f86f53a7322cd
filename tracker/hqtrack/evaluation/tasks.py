"""One tracker on one sequence, run by a worker with the toolkit's own code."""

from __future__ import annotations

import contextlib
import errno
import functools
import importlib.metadata
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import get_worker
from vot.dataset import Frame, Sequence
from vot.dataset.proxy import ProxySequence
from vot.experiment import Experiment
from vot.tracker import Tracker, TrackerException, TrackerRuntime
from vot.workspace import Workspace

from hqtrack.errors import HQTrackError
from hqtrack.evaluation.mends import channel
from hqtrack.evaluation.results import State, dropped_frames, remove, state_of
from hqtrack.evaluation.sequences import sort_sequences
from hqtrack.evaluation.workspaces import open_workspace, resolve
from hqtrack.zoo import find_weights, load_card

PROGRESS_TOPIC = "hqtrack-progress"
SECONDS_BETWEEN_REPORTS = 1.0

COMPARED_PACKAGES = ("hqtrack", "vot-toolkit", "torch", "numpy")
"""Whose versions must agree between workers and the command, for results to be the same everywhere."""


@dataclass(frozen=True)
class Need:
    """What one of our trackers needs besides the project."""

    tracker: str
    """Its identifier, for messages."""
    card: str
    weights: str | None = None
    """File with the network's weights, instead of the card's own."""

    def files(self) -> list[Path]:
        """Return the weight files.

        Raises:
            HQTrackError: The card is unknown, or a file is not here.
        """
        try:
            card = load_card(self.card)
            explicit = None if self.weights is None else Path(self.weights)
            return [
                find_weights(weights, explicit if weights is card.weights else None)
                for weights in card.all_weights
            ]
        except HQTrackError as error:
            raise type(error)(f"{self.tracker}: {error}") from error


@dataclass(frozen=True)
class Task:
    """A tracker on a sequence, in every experiment where it has no complete results."""

    workspace: str
    tracker: str
    sequence: str
    experiments: tuple[str, ...]
    frames: int
    """Of the sequence, times the experiments: what there is to do."""
    run: str
    """The run of this task; a worker opens the workspace again for each."""
    force: bool = False
    """Repeat completed sequences."""


@dataclass(frozen=True)
class Outcome:
    """How a task ended."""

    seconds: float
    frames: int
    failure: str | None = None
    """Why the tracker gave no results, in its own words."""
    dropped: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Frames that a real-time experiment did not wait for, and all its frames, by the experiment's name."""
    channels: dict[str, str] = field(default_factory=dict)
    """Channels of the sequence that were given to the tracker instead of those that it asked for."""


def run_task(task: Task) -> Outcome:
    """Run a tracker on a sequence; its results are in the workspace afterwards, complete or not at all."""
    # Dask has its workers give freed memory back at once. A tracker that inherits this fetches it again from
    # the system for every frame, which costs a third of its time and more.
    os.environ.pop("MALLOC_TRIM_THRESHOLD_", None)
    started = time.monotonic()
    done = 0
    dropped: dict[str, tuple[int, int]] = {}
    failures: list[str] = []
    report = _Report(task)
    channel.given_instead()
    try:
        workspace = _workspace(task.workspace, task.run)
        (tracker,) = resolve(workspace, [task.tracker])
        for name in task.experiments:
            experiment = workspace.stack.experiments[name]
            for sequence in experiment.transform(workspace.dataset[task.sequence]):
                if not task.force and state_of(experiment, tracker, sequence) is State.COMPLETE:
                    continue
                watched = _Watched(sequence, report)
                failure = _run(experiment, tracker, watched, name)
                if failure is not None:
                    failures.append(f"{name}: {failure}" if len(task.experiments) > 1 else failure)
                    continue
                done += len(sequence)
                late = dropped_frames(experiment, tracker, sequence)
                if late is not None:
                    before = dropped.get(name, (0, 0))
                    dropped[name] = (before[0] + late[0], before[1] + late[1])
    except HQTrackError as error:
        failures.append(str(error))
    failed = "; ".join(failures) or None
    return Outcome(time.monotonic() - started, done, failed, dropped, channel.given_instead())


def _run(experiment: Experiment, tracker: Tracker, sequence: Sequence, name: str) -> str | None:
    """Run one experiment; gives the reason of a failure."""
    failure: str | None = None
    with _quoted_python(), _observed(tracker) as runtimes:
        try:
            experiment.execute(tracker, sequence, force=True)
        except OSError as error:
            failure = _of_the_system(error, experiment)
        except Exception as error:  # a tracker may fail in any way, and the others go on
            log = getattr(error, "log", None) or _output(runtimes)
            failure = reason(error, log)
            _write_log(experiment, tracker, log)
    if state_of(experiment, tracker, sequence) is not State.COMPLETE:
        remove(experiment, tracker, sequence)
        failure = failure or f"it left no complete results of experiment {name}"
    return failure


def _of_the_system(error: OSError, experiment: Experiment) -> str:
    if error.errno == errno.ENOSPC:
        folder = Path(experiment.storage.base)
        free = shutil.disk_usage(folder).free // 2**20
        return f"the disk of {folder} is full ({free} MiB free); free space and run the command again"
    return f"{type(error).__name__}: {error}"


def reason(error: BaseException, log: str | None) -> str:
    """Find a tracker's own message about its failure.

    Args:
        error: What the toolkit raised.
        log: What passed between the toolkit and the tracker, and what the tracker printed.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    lines = [line.strip() for line in (log or "").splitlines()]
    said = [
        line
        for line in lines
        if line and not line.startswith(("@@TRAX:", "Process ")) and "@@TRAX:" not in line
    ]
    if said and said[-1] not in text:
        text = f"{text.removesuffix('.')}: {said[-1]}"
    if not isinstance(error, TrackerException) and type(error).__name__ not in text:
        text = f"{type(error).__name__}: {text}"
    return text


@contextlib.contextmanager
def _observed(tracker: Tracker) -> Iterator[list[TrackerRuntime]]:
    """Keep the runtimes that a tracker is given, for what they have heard when they fail to connect."""
    runtimes: list[TrackerRuntime] = []
    make: Callable[..., TrackerRuntime] = tracker.runtime

    def observed(log: bool = False) -> TrackerRuntime:
        runtimes.append(make(log))
        return runtimes[-1]

    tracker.runtime = observed
    try:
        yield runtimes
    finally:
        del tracker.runtime


@contextlib.contextmanager
def _quoted_python() -> Iterator[None]:
    """Start trackers with this Python, whose path the toolkit splits at spaces."""
    python = sys.executable
    sys.executable = shlex.quote(python)
    try:
        yield
    finally:
        sys.executable = python


def _output(runtimes: list[TrackerRuntime]) -> str | None:
    output = getattr(runtimes[-1], "_output", None) if runtimes else None
    return None if output is None else str(output)


def _write_log(experiment: Experiment, tracker: Tracker, log: str | None) -> None:
    if log:
        with contextlib.suppress(OSError), experiment.log(tracker.identifier) as file:
            file.write(log)


@functools.lru_cache(maxsize=1)
def _workspace(folder: str, run: str) -> Workspace:
    return open_workspace(Path(folder))


class _Watched(ProxySequence):  # type: ignore[misc]
    """A sequence that reports when its frames are taken one after another."""

    def __init__(self, source: Sequence, report: _Report) -> None:
        super().__init__(source)
        self._report = report

    def __iter__(self) -> Iterator[Frame]:
        for index in range(len(self)):
            self._report.frame()
            yield self.frame(index)


class _Report:
    """Reports to the command how far a task is, once a second at most."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._done = 0
        self._started = time.monotonic()
        self._next = 0.0

    def frame(self) -> None:
        """Report that another frame is being tracked."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + SECONDS_BETWEEN_REPORTS
            with contextlib.suppress(ValueError):  # not in a worker
                get_worker().log_event(
                    PROGRESS_TOPIC,
                    {
                        "run": self._task.run,
                        "tracker": self._task.tracker,
                        "sequence": self._task.sequence,
                        "done": self._done,
                        "seconds": now - self._started,
                    },
                )
        self._done += 1


def worker_facts(workspace: str, needs: tuple[Need, ...], run: str) -> dict[str, Any]:
    """Return what a worker has, as far as results depend on it.

    Args:
        workspace: Folder of the workspace.
        needs: What the trackers need.
        run: The run to which this belongs.
    """
    problems = []
    sequences = {}
    try:
        readable, _ = sort_sequences(_workspace(workspace, run).dataset)
        sequences = {sequence.name: len(sequence) for sequence in readable}
    except HQTrackError as error:
        problems.append(str(error))
    for need in needs:
        try:
            need.files()
        except HQTrackError as error:
            problems.append(str(error))
    return {
        "host": os.uname().nodename if hasattr(os, "uname") else "",
        "versions": {name: importlib.metadata.version(name) for name in COMPARED_PACKAGES},
        "sequences": sequences,
        "problems": problems,
    }
