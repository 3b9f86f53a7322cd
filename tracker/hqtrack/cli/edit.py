"""`hqtrack edit`: objects of a finished run swapped, merged, removed, renamed, without tracking."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hqtrack.errors import InputError


def edit(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of a finished run of `hqtrack track`.")],
    swap: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A,B,frame=N",
            help="Exchange objects A and B, from frame N on; without it in all frames. Repeat for more.",
        ),
    ] = None,
    merge: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A,B,frame=N",
            help="Object A becomes part of object B, from frame N on; without it in all frames. "
            "Repeat for more.",
        ),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A,from=N",
            help="Remove object A from frame N on; without it from all frames. Repeat for more.",
        ),
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(metavar="A=NAME", help="Name object A. Repeat for more.")
    ] = None,
) -> None:
    """Change the objects of a finished run, without tracking again.

    All outputs are made again from the run's record. They are the same, byte for byte, where nothing changed.
    Swaps come first, then merges, removals and names. A further edit starts from the result. Frames are named
    as in `hqtrack track`: by number, time or timecode.

    Examples:

      hqtrack edit out --swap 1,2,frame=40

      hqtrack edit out --merge 3,1 --rename 2=ball --remove 4,from=100
    """
    if not out.is_dir():
        raise InputError(f"{out}: no such folder; give the folder (-o) of a video that was tracked")

    from hqtrack.video.editing import EditedRun, read_edits  # slow to import

    run = EditedRun(out)
    edits = read_edits(swap or [], merge or [], remove or [], rename or [], run.frames.number_of)
    paths = run.make(edits)
    typer.echo(f"{len(run)} frames, {len(run.run.objects)} objects before the edits")
    for path in paths:
        typer.echo(path)
