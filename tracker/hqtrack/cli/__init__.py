"""The `hqtrack` command."""

import typer

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Track any objects in a video with masks, on its own or inside the VOT toolkit.",
)
