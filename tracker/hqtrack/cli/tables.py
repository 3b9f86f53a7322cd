"""Tables on the terminal, tab-separated lines into a pipe."""

from __future__ import annotations

from collections.abc import Sequence


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Print rows under column names on standard output.

    A terminal gets a table that fits its width. Anything else gets one line a row, columns separated by tabs,
    so that `cut` and `awk` can read it.

    Args:
        columns: Column names.
        rows: As many texts a row as there are columns; rich mark-up in them is not interpreted.
        title: Shown above a terminal's table.
    """
    from rich.console import Console  # not needed for help
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        for row in (columns, *rows):
            print("\t".join(text.replace("\n", " ") for text in row))
        return
    table = Table(title=title or None, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")  # a path is never cut
    for row in rows:
        table.add_row(*(Text(text) for text in row))
    console.print(table)
