"""The `hqtrack` command.

Each command is a module of this package. They import what is heavy only when they run, so that help is quick.
"""

from __future__ import annotations

import sys

import typer

from hqtrack.cli import train, weights
from hqtrack.cli.cards import cards
from hqtrack.cli.demo import demo
from hqtrack.cli.doctor import doctor
from hqtrack.cli.evaluate import evaluate
from hqtrack.cli.track import track
from hqtrack.cli.web import web
from hqtrack.cli.workspace import workspace
from hqtrack.errors import HQTrackError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Track any objects in a video with masks, on its own or inside the VOT toolkit.",
)
app.command()(track)
app.command()(web)
app.command()(cards)
app.command()(doctor)
app.command()(demo)
app.command()(evaluate)
app.command()(workspace)
app.add_typer(weights.app, name="weights")
app.add_typer(train.app, name="train")


def main() -> None:
    """Run the command; a user's mistake is one line on standard error and exit code 1 (2 for wrong use)."""
    try:
        app()
    except HQTrackError as error:
        print(f"hqtrack: {error}", file=sys.stderr)
        raise SystemExit(1) from None
