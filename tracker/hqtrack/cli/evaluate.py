"""`hqtrack evaluate`: many trackers on many sequences of a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hqtrack.cli.completion import complete_trackers

if TYPE_CHECKING:
    from hqtrack.evaluation.evaluate import Evaluation


def evaluate(
    trackers: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TRACKER]...",
            autocompletion=complete_trackers,
            help="Trackers of the workspace's registry, model cards, or CARD:setting=value,… Default: every "
            "tracker of the registry whose weights are installed.",
        ),
    ] = None,
    workspace: Annotated[Path, typer.Option(metavar="DIR", help="Workspace of the VOT toolkit.")] = Path(),
    sequence: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this sequence, or those of a pattern; may be repeated."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS|FILE", help="Dask scheduler of a cluster, instead of workers on this machine."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, max=1024, help="Workers on this machine, instead of one a GPU or as many as fit."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Repeat completed sequences.")] = False,
) -> None:
    """Run trackers on every sequence of a workspace, several at a time, with the VOT toolkit.

    Results are those of `vot evaluate`; `vot analysis`, `vot report` and `vot pack` take them as they are.
    What is complete is kept, so that the command can be stopped and started again.

    Examples:

      hqtrack evaluate HQTrackLight FirstMask --workspace vots

      hqtrack evaluate HQTrackLight --workspace vots --sequence dog --sequence 'car-*'

      hqtrack evaluate hqtrack-light:long_term_gap=10 hqtrack-light:long_term_gap=70 --workspace vots
    """
    from hqtrack.evaluation.configuration import check_workspace

    check_workspace(workspace)  # what is misspelt is refused before anything that is slow to import

    from hqtrack.cli.evaluation_progress import watch
    from hqtrack.evaluation.evaluate import evaluate as run

    with watch() as watcher:
        result = run(
            workspace,
            trackers or [],
            watcher,
            scheduler=scheduler,
            workers=workers,
            force=force,
            sequences=sequence or [],
        )
    report(result)
    if result.failures or result.refused:
        raise typer.Exit(1)
    if result.trackers:
        where = "" if workspace == Path() else f" --workspace {workspace}"
        typer.echo(f"next: vot analysis{where} {' '.join(result.trackers)}, or vot pack{where} TRACKER")


def report(result: Evaluation) -> None:
    """Print on standard error how an evaluation ended, failures last, each with its reason."""
    done = len(result.outcomes) - len(result.failures)
    typer.echo(
        f"{done} tracked now, {result.complete} complete before, {len(result.failures)} failed", err=True
    )
    late: dict[tuple[str, str], list[int]] = {}
    for task, outcome in result.outcomes.items():
        for experiment, (dropped, frames) in outcome.dropped.items():
            counts = late.setdefault((task.tracker, experiment), [0, 0])
            counts[0] += dropped
            counts[1] += frames
    for (tracker, experiment), (dropped, frames) in sorted(late.items()):
        typer.echo(
            f"{tracker}/{experiment}: {dropped} of {frames} frames dropped, as the tracker was late "
            f"(real time; trackers at a time: {result.workers})",
            err=True,
        )
    replaced = {pair for outcome in result.outcomes.values() for pair in outcome.channels.items()}
    for asked, given in sorted(replaced):
        names = {t.sequence for t, o in result.outcomes.items() if o.channels.get(asked) == given}
        typer.echo(f"no channel {asked} in {', '.join(sorted(names))}: {given} was tracked", err=True)
    for line in result.refused:
        typer.echo(f"cannot run: {line}", err=True)
    for task, outcome in result.failures.items():
        typer.echo(f"failed: {task.tracker} on {task.sequence}: {outcome.failure}", err=True)
