"""`python -m hqtrack`: the command, for whoever chooses among Pythons or has no scripts on the path."""

from hqtrack.cli import main

main()
