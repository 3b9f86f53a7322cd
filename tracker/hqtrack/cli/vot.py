"""`hqtrack vot`: the toolkit's own command, with its faults mended."""

from __future__ import annotations

import typer

CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def vot(context: typer.Context) -> None:
    """Run a command of the VOT toolkit, such as `analysis`, with the toolkit's faults mended in its process.

    Arguments are the toolkit's own: `hqtrack vot analysis --help` shows them.

    Examples:

      hqtrack vot analysis --workspace vots HQTrackLight FirstMask
    """
    from hqtrack.evaluation.toolkit import toolkit_command

    raise typer.Exit(toolkit_command(context.args))
