"""Running trackers on the sequences of a workspace: what is missing, by whoever is free, longest first."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from distributed import Client, Future, KilledWorker, as_completed
from distributed.scheduler import NoWorkerError
from vot.dataset import Sequence as VotSequence
from vot.tracker import Tracker
from vot.workspace import Workspace

from hqtrack.errors import DataError, HQTrackError
from hqtrack.evaluation.cluster import (
    check_workers,
    cores,
    divide,
    existing_cluster,
    free_memory,
    gpus,
    is_open_to_all,
    local_cluster,
    memory_need,
    page_of,
    scheduler_address,
)
from hqtrack.evaluation.results import State, remove, state_of
from hqtrack.evaluation.sequences import choose_sequences, sort_sequences
from hqtrack.evaluation.tasks import PROGRESS_TOPIC, Need, Outcome, Task, reason, run_task
from hqtrack.evaluation.toolkit import forget_analyses
from hqtrack.evaluation.workspaces import Named, not_masks, open_workspace, register, resolve, understand
from hqtrack.zoo.weights import CACHE_VARIABLE

CARD_VARIABLE, WEIGHTS_VARIABLE = "HQTRACK_CARD", "HQTRACK_WEIGHTS"
LOCAL_VARIABLES = (WEIGHTS_VARIABLE, "HQTRACK_DEVICE", "HQTRACK_PRECISION", CACHE_VARIABLE)
"""Settings of an entry for where and with which file a system runs, not which system it is."""


class Watcher(Protocol):
    """Gets reports on the progress of an evaluation; calls may come from another thread."""

    def plan(self, tasks: Sequence[Task], complete: int, broken: Sequence[str]) -> None:
        """Take what is to be done, how many results are complete, and which were broken."""

    def cluster(self, workers: str, dashboard: str) -> None:
        """Take who does it, and the address of a page to watch them; empty where there is none."""

    def running(self, task: Task, done: int, seconds: float) -> None:
        """Take how many frames of a task are done, since how long it runs."""

    def ended(self, task: Task, outcome: Outcome) -> None:
        """Take how a task ended."""


class Silent:
    """A watcher that ignores all reports."""

    def plan(self, tasks: Sequence[Task], complete: int, broken: Sequence[str]) -> None:
        """See `Watcher`."""

    def cluster(self, workers: str, dashboard: str) -> None:
        """See `Watcher`."""

    def running(self, task: Task, done: int, seconds: float) -> None:
        """See `Watcher`."""

    def ended(self, task: Task, outcome: Outcome) -> None:
        """See `Watcher`."""


@dataclass(frozen=True)
class Evaluation:
    """What became of an evaluation."""

    trackers: tuple[str, ...]
    complete: int
    """Results, of a tracker on a sequence, that were there before."""
    outcomes: dict[Task, Outcome]
    workers: int
    refused: tuple[str, ...] = ()
    """Sequences and experiments that cannot run, with the reason; the others have."""

    @property
    def failures(self) -> dict[Task, Outcome]:
        """Tasks without results."""
        return {task: outcome for task, outcome in self.outcomes.items() if outcome.failure is not None}


def evaluate(
    folder: Path,
    names: Sequence[str],
    watcher: Watcher,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    force: bool = False,
    sequences: Sequence[str] = (),
) -> Evaluation:
    """Run trackers on every sequence of a workspace where they have no complete results.

    Args:
        folder: The workspace.
        names: Identifiers of its registry, model cards, or `CARD:setting=value,…`. None given: every tracker
            of the registry, except those of our cards whose weights are not here.
        watcher: Gets reports on the progress.
        scheduler: Address or file of a Dask scheduler; without one, this machine alone.
        workers: How many on this machine, instead of as many as it has room for.
        force: Repeat completed sequences.
        sequences: Names or patterns such as `car-*`; by default all.

    Raises:
        HQTrackError: The workspace, a sequence, a tracker, its weights or the cluster cannot be used.
            Trackers that fail are no error here: see `Evaluation.failures`.
    """
    folder = folder.resolve()
    workspace = open_workspace(folder)
    chosen = choose_sequences(workspace.dataset, sequences)
    identifiers = list(workspace.registry.identifiers())
    if names:
        named = [understand(name, identifiers) for name in dict.fromkeys(names)]
    else:
        named = [Named(identifier, None) for identifier in identifiers if _has_weights(workspace, identifier)]
    if register(folder, named, identifiers):
        workspace = open_workspace(folder)
    trackers = resolve(workspace, [one.identifier for one in named])
    for one, tracker in zip(named, trackers, strict=True):
        _check_entry(one, tracker)
    needs = [need for tracker in trackers if (need := need_of(tracker)) is not None]
    for need in needs:  # what is missing is better known before hours of tracking
        need.files()

    different = {tracker.reference: tracker for tracker in trackers}  # a card and its entry are one tracker
    tasks, complete, broken, refused = plan(workspace, list(different.values()), force=force, chosen=chosen)
    watcher.plan(tasks, complete, broken)
    outcomes: dict[Task, Outcome] = {}
    count = 0
    if tasks:
        forget_analyses(folder)
        with _connected(workspace, tasks, needs, scheduler, workers) as (client, who):
            count = check_workers(client, folder, needs, tasks[0].run)
            watcher.cluster(who, page_of(client))
            for task, outcome in _run(client, tasks, watcher):
                outcomes[task] = outcome
                watcher.ended(task, outcome)
    return Evaluation(tuple(t.reference for t in trackers), complete, outcomes, count, tuple(refused))


def need_of(tracker: Tracker) -> Need | None:
    """Return what the tracker of a registry's entry needs, or None for somebody else's."""
    card = tracker._envvars.get(CARD_VARIABLE)
    return None if card is None else Need(tracker.identifier, card, tracker._envvars.get(WEIGHTS_VARIABLE))


def _check_entry(named: Named, tracker: Tracker) -> None:
    """Check that the registry's entry of a card runs that card, with the settings asked for and no others.

    Raises:
        DataError: It does not.
    """
    if named.card is None:
        return
    there = {key: str(value) for key, value in tracker._envvars.items() if key.startswith("HQTRACK_")}
    there = {key: value for key, value in there.items() if key not in LOCAL_VARIABLES}
    asked = {CARD_VARIABLE: named.card_name}
    asked |= {f"HQTRACK_{key.upper()}": value for key, value in named.settings}
    if there != asked:
        raise DataError(
            f"{tracker.identifier} in the registry ({tracker.source}) has other settings: "
            f"{', '.join(f'{key}={value}' for key, value in sorted(there.items()))}. Use its name, or rename "
            f"it or the card {named.card_name}"
        )


def _has_weights(workspace: Workspace, identifier: str) -> bool:
    (tracker,) = resolve(workspace, [identifier])
    need = need_of(tracker)
    try:
        return need is None or bool(need.files())
    except HQTrackError:
        return False


def plan(
    workspace: Workspace,
    trackers: Sequence[Tracker],
    *,
    force: bool = False,
    chosen: Sequence[VotSequence] | None = None,
) -> tuple[list[Task], int, list[str], list[str]]:
    """Find what is to be done, longest sequences first; broken results are removed.

    Args:
        workspace: Where.
        trackers: Of its registry.
        force: Plan what is complete too.
        chosen: Sequences of its data set; by default all.

    Returns:
        Tasks, the number of (tracker, sequence) with complete results, which results were broken, and what
        cannot run, with the reason.
    """
    run = uuid.uuid4().hex
    tasks: list[Task] = []
    broken: list[str] = []
    complete = 0
    readable, unreadable = sort_sequences(workspace.dataset if chosen is None else chosen)
    refused: dict[str, list[str]] = {}
    for name, experiment in workspace.stack.experiments.items():
        if why := not_masks(experiment):
            refused[f"experiment {name}: the stack {why}"] = []
    for tracker in trackers:
        for sequence in readable:
            states = dict(_states(workspace, tracker, sequence, refused))
            open_experiments = []
            for name, parts in states.items():
                if force or any(state is not State.COMPLETE for _, state in parts):
                    open_experiments.append(name)
                for part in (part for part, state in parts if state is State.BROKEN):
                    broken.append(f"{tracker.reference}/{name}/{part.name}")
                    remove(workspace.stack.experiments[name], tracker, part)
            if open_experiments:
                frames = len(sequence) * len(open_experiments)
                tasks.append(
                    Task(
                        workspace.directory,
                        tracker.reference,
                        sequence.name,
                        tuple(open_experiments),
                        frames,
                        run,
                        force,
                    )
                )
            elif states:
                complete += 1
    lines = [*unreadable, *(_on(why, names, len(readable)) for why, names in refused.items())]
    return sorted(tasks, key=lambda task: -task.frames), complete, broken, lines


def _states(
    workspace: Workspace, tracker: Tracker, sequence: VotSequence, refused: dict[str, list[str]]
) -> Iterator[tuple[str, list[tuple[VotSequence, State]]]]:
    """Yield each experiment that can run on a sequence, with the state of each part's results.

    Args:
        workspace: With the experiments.
        tracker: Whose results.
        sequence: Of the data set; an experiment may make several parts of it.
        refused: Receives, for each reason why an experiment cannot run, the sequences.
    """
    for name, experiment in workspace.stack.experiments.items():
        if not_masks(experiment):
            continue
        try:
            parts = experiment.transform(sequence)
            states = [(part, state_of(experiment, tracker, part)) for part in parts]
        except Exception as error:  # an experiment may want of a sequence what it has not
            where = refused.setdefault(f"experiment {name}: {reason(error, None)}", [])
            if sequence.name not in where:
                where.append(sequence.name)
            continue
        yield name, states


def _on(why: str, names: Sequence[str], count: int) -> str:
    """Name the sequences of a reason, where it does not hold for all."""
    if len(names) in (0, count):
        return why
    return f"{why} (on {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''})"


@contextlib.contextmanager
def _connected(
    workspace: Workspace,
    tasks: Sequence[Task],
    needs: Sequence[Need],
    scheduler: str | None,
    wanted: int | None,
) -> Iterator[tuple[Client, str]]:
    """Return a client of the cluster that there is or that is made, and report its workers."""
    if scheduler is not None:
        with existing_cluster(scheduler) as client:
            warning = (
                " without TLS: whoever reaches its ports runs code as its user, see docs/compare.md"
                if is_open_to_all(client)
                else ""
            )
            yield client, f"the cluster at {scheduler_address(client)}{warning}"
        return
    devices = gpus()
    sequences = [workspace.dataset[name] for name in {task.sequence for task in tasks}]
    memory = memory_need(
        max(len(sequence) for sequence in sequences),
        max(width * height for width, height in (sequence.size for sequence in sequences)),
        max(len(sequence.objects()) for sequence in sequences),
        max((sum(file.stat().st_size for file in need.files()) for need in needs), default=0),
    )
    division = divide(
        len(tasks), cores=cores(), memory=free_memory(), gpus=len(devices), need=memory, wanted=wanted
    )
    where = f"one of {len(devices)} GPUs" if devices else "the processor"
    workers = "1 worker" if division.count == 1 else f"{division.count} workers"
    threads = "1 thread" if division.threads == 1 else f"{division.threads} threads"
    with local_cluster(division, devices) as client:
        yield client, f"{workers} on this machine, each on {where} with {threads}"


def _run(client: Client, tasks: Sequence[Task], watcher: Watcher) -> Iterator[tuple[Task, Outcome]]:
    """Run tasks and give each as it ends."""
    by_name = {(task.tracker, task.sequence): task for task in tasks}

    def heard(event: tuple[float, dict[str, Any]]) -> None:
        _, message = event
        if message["run"] == tasks[0].run:
            task = by_name[message["tracker"], message["sequence"]]
            watcher.running(task, message["done"], message["seconds"])

    client.subscribe_topic(PROGRESS_TOPIC, heard)
    futures: dict[Future[Outcome], Task] = {}
    try:
        for index, task in enumerate(tasks):
            key = f"track-{task.run}-{index}"
            futures[client.submit(run_task, task, key=key, priority=task.frames, pure=False)] = task
        started = time.monotonic()
        for future in as_completed(futures):
            yield futures[future], outcome_of(future, time.monotonic() - started)
    finally:
        client.cancel(list(futures), force=True)
        client.unsubscribe_topic(PROGRESS_TOPIC)


def outcome_of(future: Future[Outcome], seconds: float) -> Outcome:
    """Describe how a task ended, also one whose workers died."""
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, KilledWorker):
        why = "its worker died, and so did the one that tried again: killed, or out of memory"
        return Outcome(seconds, 0, why)
    if isinstance(error, NoWorkerError):
        return Outcome(seconds, 0, "no worker is left, and none came back in time: killed, or out of memory")
    return Outcome(seconds, 0, f"{type(error).__name__}: {error}")
