"""The `hqtrack` command.

Each command is a module of this package. They import what is heavy only when they run, so that help is quick.
"""

from __future__ import annotations

import os
from typing import Annotated

import typer

import hqtrack
from hqtrack.cli import train, weights
from hqtrack.cli.batch import BatchCommand, batch
from hqtrack.cli.cards import cards
from hqtrack.cli.demo import demo
from hqtrack.cli.doctor import doctor
from hqtrack.cli.edit import edit
from hqtrack.cli.evaluate import evaluate
from hqtrack.cli.exits import Commands, printed
from hqtrack.cli.experiments import experiments
from hqtrack.cli.export import export
from hqtrack.cli.show import show
from hqtrack.cli.startup import prepare_caches, prepare_end, prepare_streams, prepare_threads
from hqtrack.cli.track import TrackCommand, track
from hqtrack.cli.vos import vos
from hqtrack.cli.vot import CONTEXT, vot
from hqtrack.cli.web import web
from hqtrack.cli.workspace import workspace

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command(cls=TrackCommand)(track)
app.command(cls=BatchCommand)(batch)
app.command()(edit)
app.command()(web)
app.command()(cards)
app.command()(export)
app.command()(doctor)
app.command()(demo)
app.command()(evaluate)
app.command()(vos)
app.command()(experiments)
app.command()(workspace)
app.command()(show)
app.command(context_settings=CONTEXT)(vot)
app.add_typer(weights.app, name="weights")
app.add_typer(train.app, name="train")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hqtrack {hqtrack.__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Track any objects in a video with masks, on its own or inside the VOT toolkit."""


def main() -> None:
    """Run the command."""
    prepare_end()
    prepare_streams()
    for line in prepare_threads(os.environ):
        typer.echo(f"hqtrack: {line}", err=True)
    prepare_caches(os.environ)
    with printed():
        app()
