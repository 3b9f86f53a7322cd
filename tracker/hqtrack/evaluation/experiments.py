"""The paper's tables and figures, run in a workspace: what is missing is tracked, the rest is looked up."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vot.workspace import Workspace

from hqtrack.errors import DataError, HQTrackError
from hqtrack.evaluation.evaluate import Evaluation, Watcher, evaluate
from hqtrack.evaluation.measures import MEASURES, Measures
from hqtrack.evaluation.paper import Study, System
from hqtrack.evaluation.pictures import sheet, write_picture
from hqtrack.evaluation.sequences import sort_sequences
from hqtrack.evaluation.tasks import Need
from hqtrack.evaluation.toolkit import analyse, pack
from hqtrack.evaluation.workspaces import open_workspace, resolve, understand


@dataclass(frozen=True)
class Row:
    """What became of one system."""

    system: System
    measures: Measures | None = None
    archive: Path | None = None
    note: str = ""
    """Why there are no measures."""


@dataclass(frozen=True)
class Result:
    """What became of a table or figure."""

    study: Study
    rows: tuple[Row, ...]
    sequences: int
    objects: int
    picture: Path | None = None
    """A contact sheet."""
    light: bool = False
    """Of the embedded model."""
    workspace: str = ""
    """Name of the folder whose sequences were measured."""

    @property
    def of_which_sequences(self) -> str:
        """Which sequences our measures and the paper's are of."""
        sequences = "1 sequence" if self.sequences == 1 else f"{self.sequences} sequences"
        objects = "1 object" if self.objects == 1 else f"{self.objects} objects"
        counted = f"{sequences} with {objects} of {self.workspace or 'the workspace'}"
        if self.study.kind == "submission":
            ours = f"Measures: what the challenge's server answered, where given; tracked here: {counted}."
        else:
            ours = f"Measures: {counted}."
        known = any(row.system.paper for row in self.rows)
        return f"{ours} The paper's: {self.study.paper_sequences}." if known else ours

    @property
    def title(self) -> str:
        """The question, and the model that it is asked of."""
        return f"{self.study.title} (embedded model)" if self.light else self.study.title


def run_study(
    study: Study,
    folder: Path,
    watcher: Watcher,
    *,
    light: bool = False,
    scores: Path | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
) -> Result:
    """Run the systems of a table or figure where they have no results yet, and measure, pack or draw them.

    A system that cannot run is a row with the reason.

    Args:
        study: Of `hqtrack.evaluation.paper.studies`.
        folder: A workspace.
        watcher: Gets reports on the progress.
        light: Ask the question of the embedded model.
        scores: For a submission: a table (CSV) of what the challenge's server answered.
        scheduler: As for `evaluate`.
        workers: As for `evaluate`.

    Raises:
        HQTrackError: The workspace or the cluster cannot be used, or has no measures.
    """
    folder = folder.resolve()
    workspace = open_workspace(folder)
    if study.kind in ("measures", "plot"):
        require_measures(workspace)
    answered = {} if scores is None else read_scores(scores)
    rows = {
        system: Row(system, note=why_not(system, workspace))
        for system in (study.light if light else study.systems)
    }
    runnable = [system for system, row in rows.items() if not row.note]
    identifiers: dict[System, str] = {}
    if runnable:
        evaluation = evaluate(
            folder, [system.name for system in runnable], watcher, scheduler=scheduler, workers=workers
        )
        identifiers = dict(zip(runnable, evaluation.trackers, strict=True))
        for system in runnable:
            reason = _failure(evaluation, identifiers[system])
            if reason:
                rows[system] = Row(system, note=reason)
                del identifiers[system]
    picture = None
    name = f"{study.name}-light" if light else study.name
    if study.kind in ("measures", "plot") and identifiers:
        measured = {m.tracker: m for m in analyse(folder, list(identifiers.values()), name)}
        for system, identifier in identifiers.items():
            rows[system] = Row(system, measured[identifier])
    elif study.kind == "submission":
        for system, identifier in identifiers.items():
            rows[system] = Row(system, None, pack(folder, identifier), "packed: submit it")
        for system, row in rows.items():
            if system.name in answered:
                rows[system] = dataclasses.replace(row, measures=answered[system.name], note="")
    elif study.kind == "sheet" and identifiers:
        workspace = open_workspace(folder)
        picture = folder / "output" / "experiments" / f"{name}.jpg"
        write_picture(picture, sheet(workspace, resolve(workspace, list(identifiers.values()))))
        rows |= {system: Row(system, note="drawn") for system in identifiers}
    readable, _ = sort_sequences(workspace.dataset)
    objects = sum(len(sequence.objects()) for sequence in readable)
    return Result(study, tuple(rows.values()), len(readable), objects, picture, light, folder.name)


def why_not(system: System, workspace: Workspace) -> str:
    """Return why a system cannot run here, or give an empty string."""
    try:
        named = understand(system.name, list(workspace.registry.identifiers()))
        if named.card is not None:
            Need(named.identifier, named.card_name).files()
    except HQTrackError as error:
        return str(error)
    return ""


def _failure(evaluation: Evaluation, tracker: str) -> str:
    failures = [
        f"{task.sequence}: {outcome.failure}"
        for task, outcome in evaluation.failures.items()
        if task.tracker == tracker
    ]
    more = f", and {len(failures) - 1} more sequences" if len(failures) > 1 else ""
    return f"failed on {failures[0]}{more}" if failures else ""


def require_measures(workspace: Workspace) -> None:
    """Check that a workspace's stack has the measures of the tables.

    Raises:
        DataError: It has not.
    """
    names = {
        getattr(analysis, "name", "") for experiment in workspace.stack for analysis in experiment.analyses
    }
    missing = {"Quality", "Quality plot", "AR", "Auxiliary"} - names
    if len(missing) == 4:
        raise DataError(
            f"the stack {workspace.stack.name!r} of {workspace.directory} has no measures: its ground truth "
            "is withheld. `hqtrack experiments table5` packs results to submit; for measures use sequences "
            "with ground truth and `hqtrack workspace DIR --stack stack.yaml`"
        )
    if missing:
        raise DataError(
            f"the stack {workspace.stack.name!r} of {workspace.directory} has no analysis named "
            f"{', '.join(sorted(missing))}; use that of `hqtrack workspace DIR --stack stack.yaml`"
        )


def read_scores(file: Path) -> dict[str, Measures]:
    """Read what the challenge's server answered: CSV with the columns tracker, AUC, A, R, NRE, DRE, ADQ.

    Returns:
        Measures by the name of the system, such as `hqtrack`.

    Raises:
        DataError: It is no such table.
    """
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            lines = list(csv.DictReader(stream))
        if not lines or not {"tracker", "AUC"} <= lines[0].keys():
            raise ValueError("its first line must name the columns: tracker,AUC,A,R,NRE,DRE,ADQ")
        return {line["tracker"]: _scored(line) for line in lines}
    except (OSError, UnicodeDecodeError, ValueError, TypeError, csv.Error) as error:
        raise DataError(f"{file} is no table of scores: {' '.join(str(error).split())}") from error


def _scored(line: dict[str, str]) -> Measures:
    values: dict[str, float | None] = {}
    for name in MEASURES:
        text = (line.get(name) or "").strip()
        value = values[name] = float(text) if text else None
        if value is not None and not 0 <= value <= 1:
            raise ValueError(f"{name} = {text} of {line['tracker']} is not between 0 and 1")
    return Measures(
        line["tracker"],
        values["AUC"],
        values["A"],
        values["R"],
        values["NRE"],
        values["DRE"],
        values["ADQ"],
    )


def columns(rows: Sequence[Row]) -> list[str]:
    """Return the heading of a table: measures, followed by the paper's where there are any."""
    known = MEASURES if any(row.system.paper for row in rows) else ()
    return ["system", *MEASURES, *(f"paper's {name}" for name in known), "note"]


def cells(rows: Sequence[Row]) -> list[list[str]]:
    """Return the rows of a table as texts, in the order of `columns`."""
    known = MEASURES if any(row.system.paper for row in rows) else ()
    lines = []
    for row in rows:
        values = {} if row.measures is None else row.measures.values()
        note = row.note if row.archive is None else f"{row.note}: {row.archive}".removeprefix(": ")
        lines.append(
            [
                row.system.label,
                *(_number(values.get(name)) for name in MEASURES),
                *(_number(row.system.paper.get(name)) for name in known),
                note,
            ]
        )
    return lines


def _number(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.3f}"
