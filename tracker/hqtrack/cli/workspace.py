"""`hqtrack workspace`: a workspace of the VOT toolkit that knows our trackers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hqtrack.cli.completion import complete_stacks


def workspace(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="Folder to create; an existing workspace is kept."),
    ] = None,
    stack: Annotated[
        str,
        typer.Option(
            help="The toolkit's stack, for example vots2026/main, or stack.yaml for all measures.",
            autocompletion=complete_stacks,
        ),
    ] = "vots2023",
    list_stacks: Annotated[
        bool, typer.Option("--list", help="List the toolkit's stacks, and what runs in them.")
    ] = False,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--as",
            metavar="NAME=CARD",
            help="An entry NAME for a model card, or CARD:setting=value,…; may be repeated. An existing "
            "workspace takes it too.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Frames and label images that become its sequences: a data set with JPEGImages and "
            "Annotations, folders with frames and labels, or videos next to folders of label images.",
        ),
    ] = None,
    results: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER",
            help="Results of another program that become those of tracker NAME: label images in "
            "FOLDER/SEQUENCE, or boxes in FOLDER/SEQUENCE.txt.",
        ),
    ] = None,
) -> None:
    """Create a VOT workspace in DIR with an entry for every model card, or add to one.

    Examples:

      hqtrack workspace --list

      hqtrack workspace vots --stack vots2026/main --as MyTracker=hqtrack-light

      hqtrack workspace mine --stack stack.yaml --data DAVIS --results Theirs=their-masks

      cd vots && vot evaluate MyTracker && vot pack MyTracker
    """
    from hqtrack.cli.tables import print_table
    from hqtrack.errors import InputError
    from hqtrack.evaluation.brought import bring_data, bring_results
    from hqtrack.evaluation.stacks import COLUMNS, all_stacks, facts_of_stack, row_of, warning_of
    from hqtrack.evaluation.workspaces import named_folder, register, renamed, stack_of
    from hqtrack.vot.workspace import create_workspace

    if list_stacks:
        print_table(COLUMNS, [row_of(each) for each in all_stacks()])
        return
    if folder is None:
        raise InputError("name the folder to create, or list stacks with --list")
    entries = [renamed(text) for text in names or []]
    brought = [named_folder(text) for text in results or []]
    if not (entries or data or brought) or not (folder / "config.yaml").exists():
        create_workspace(folder, stack)
    register(folder, entries, [])
    if data is not None:
        typer.echo(f"sequences: {', '.join(bring_data(data, folder / 'sequences'))}")
    for name, place in brought:
        typer.echo(f"results of {name}: {', '.join(bring_results(folder, name, place))}")
    tracker = entries[0].identifier if entries else "HQTrackLight"
    warning = warning_of(facts_of_stack(stack_of(folder), folder))
    if warning:
        typer.echo(warning, err=True)
    command = "hqtrack evaluate" if warning else "vot evaluate"
    typer.echo(f"{folder} is ready. Next:\n  cd {folder}\n  {command} {tracker}\n  vot pack {tracker}")
