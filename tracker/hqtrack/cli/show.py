"""`hqtrack show`: stored results as pictures and files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def show(
    workspace: Annotated[Path, typer.Argument(metavar="WORKSPACE", help="Workspace of the VOT toolkit.")],
    names: Annotated[
        list[str],
        typer.Argument(metavar="TRACKER... SEQUENCE", help="Trackers with results there, and a sequence."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the pictures.")],
    experiment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Experiment of the stack. Default: the first.")
    ] = None,
) -> None:
    """Draw stored results: an overlay with trackers side by side, and label images and boxes of each.

    The ground truth is a white outline.

    Examples:

      hqtrack show vots HQTrackLight FirstMask coins -o out
    """
    from hqtrack.errors import InputError
    from hqtrack.evaluation.configuration import check_workspace

    *trackers, sequence = names
    if not trackers:
        raise InputError(f"hqtrack show {workspace} {sequence}: name a tracker before the sequence")
    check_workspace(workspace)

    from hqtrack.evaluation.shown import show as write  # slow to import: what is misspelt is refused before

    for path in write(workspace, trackers, sequence, out, experiment):
        typer.echo(path)
