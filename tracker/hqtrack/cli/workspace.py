"""`hqtrack workspace`: a workspace of the VOT toolkit that knows our trackers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hqtrack.cli.completion import complete_stacks


def workspace(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder to create; an existing workspace is kept.")
    ],
    stack: Annotated[
        str,
        typer.Option(
            help="The toolkit's stack, for example vots2023, or stack.yaml for all measures.",
            autocompletion=complete_stacks,
        ),
    ] = "vots2023",
) -> None:
    """Create a VOT workspace in DIR with an entry for every model card.

    Examples:

      hqtrack workspace vots --stack vots2023

      cd vots && vot evaluate HQTrack && vot pack HQTrack
    """
    from hqtrack.vot.workspace import create_workspace

    create_workspace(folder, stack)
    typer.echo(
        f"{folder} is ready. Next:\n  cd {folder}\n  vot evaluate HQTrackLight\n  vot pack HQTrackLight"
    )
