"""`python -m hqtrack.cli`, for launchers such as torchrun that start modules."""

from hqtrack.cli import main

main()
