"""From an error to a line on standard error and an exit code: one rule for all commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import typer
from typer.core import TyperGroup

from hqtrack.errors import CardError, InputError, message_of

FAILED, WRONG_USE, STOPPED = 1, 2, 128
"""Exit codes; a run that a signal stopped ends with 128 and the signal's number, as in a shell."""


class Commands(TyperGroup):
    """Commands whose errors follow the rule."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words of a command; an empty one is no path, and would become the working folder."""
        for before, word in zip(["hqtrack", *args], args, strict=False):
            if not word.strip() or (word.startswith("--") and word.endswith("=")):
                ctx.fail(f"there is nothing after {word.removesuffix('=').strip() or before}; give a value")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        with one_line_errors():
            return super().invoke(ctx)


@contextmanager
def one_line_errors(advice: Sequence[str] = ()) -> Iterator[None]:
    """Turn what a user can mend into a line on standard error and an exit code; faults of ours pass.

    What cannot be used as it was given (options, cards, images, masks) ends with `WRONG_USE`, all else with
    `FAILED`.

    Args:
        advice: What there is of it by then is written after the error.
    """
    try:
        yield
    except Exception as error:
        line = message_of(error)
        if line is None:
            raise
        typer.echo(f"hqtrack: {line}", err=True)
        raise typer.Exit(WRONG_USE if isinstance(error, InputError | CardError) else FAILED) from None
    finally:
        for line in advice:
            typer.echo(line, err=True)


@contextmanager
def printed() -> Iterator[None]:
    """End with a line and a code where standard output takes nothing more, such as on a full disk.

    Python would find out when it ends, and print a traceback.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        with suppress(OSError):  # what is left in the buffer has no other place to go
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(error, BrokenPipeError):
            with suppress(OSError):
                typer.echo(f"hqtrack: standard output: {error.strerror or error}", err=True)
        raise SystemExit(FAILED) from None
