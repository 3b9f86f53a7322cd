"""`hqtrack experiments`: the paper's tables and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hqtrack.cli.completion import complete_studies


def experiments(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="table1 … table5, figure2 … figure4. Default: list them.",
            autocompletion=complete_studies,
        ),
    ] = None,
    workspace: Annotated[Path, typer.Option(metavar="DIR", help="Workspace of the VOT toolkit.")] = Path(),
    light: Annotated[
        bool, typer.Option("--light", help="Ask the same questions of the embedded model.")
    ] = False,
    scores: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="For table5: scores from the challenge's server, as CSV (tracker,AUC,A,…)."
        ),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS|FILE", help="Dask scheduler of a cluster.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=1024, help="Workers on this machine.")] = None,
) -> None:
    """Run what is missing of the paper's tables and figures, and compare it with the paper's figures.

    Tables come as CSV and Markdown, plots as PNG and SVG, and all together as one page, in output/experiments
    of the workspace. A system whose weights are missing is a row with the reason.

    Examples:

      hqtrack experiments table3 table4 --light --workspace vot_workspace

      hqtrack experiments table5 --workspace vots2023 --scores answers.csv
    """
    from hqtrack.cli.tables import print_table
    from hqtrack.errors import InputError, did_you_mean
    from hqtrack.evaluation.configuration import check_workspace
    from hqtrack.evaluation.paper import studies

    known = studies()
    if not names:
        print_table(["name", "what"], [[study.name, study.title] for study in known.values()])
        return
    for name in names:
        if name not in known:
            raise InputError(
                f"no experiment {name!r}: {did_you_mean(name, known)}there are {', '.join(known)}"
            )
    if scores is not None and "table5" not in names:
        raise InputError(f"--scores {scores} is for table5, which is not asked for")
    check_workspace(workspace)

    from hqtrack.cli.evaluation_progress import watch  # slow to import: what is misspelt is refused before
    from hqtrack.evaluation.experiments import cells, columns, run_study
    from hqtrack.evaluation.pages import FIRST_FRAME_NOTE, write_page, write_result

    folder = workspace.resolve() / "output" / "experiments"
    results = []
    for name in dict.fromkeys(names):
        with watch() as watcher:
            result = run_study(
                known[name],
                workspace,
                watcher,
                light=light,
                scores=scores if name == "table5" else None,
                scheduler=scheduler,
                workers=workers,
            )
        file = f"{name}-light" if light else name
        results.append((file, result))
        files = write_result(result, folder, file)
        print_table(columns(result.rows), cells(result.rows), result.title)
        typer.echo(result.of_which_sequences, err=True)
        if files:
            typer.echo(f"written: {', '.join(str(path) for path in files)}", err=True)
    typer.echo(FIRST_FRAME_NOTE, err=True)
    typer.echo(f"page: {write_page(results, folder)}", err=True)
