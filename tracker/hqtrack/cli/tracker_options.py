"""The options that say with which system to track, and on what, as all commands that track have them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

SYSTEM = "System"

CardOption = Annotated[
    str, typer.Option("--card", help="`hqtrack cards` lists them; or a .toml file.", rich_help_panel=SYSTEM)
]
WeightsOption = Annotated[
    Path | None,
    typer.Option("--weights", help="Weight file instead of the card's.", rich_help_panel=SYSTEM),
]
DeviceOption = Annotated[
    str,
    typer.Option("--device", help="cpu, cuda, cuda:1, mps, …; auto takes the best.", rich_help_panel=SYSTEM),
]
PrecisionOption = Annotated[
    str,
    typer.Option("--precision", help="auto, float32, bfloat16 or float16.", rich_help_panel=SYSTEM),
]
MaxLongEdgeOption = Annotated[
    int | None,
    typer.Option(
        "--max-long-edge",
        help="The network sees frames reduced to this longer side; default: the card's. "
        "Smaller is faster. Outputs keep the frame's size.",
        rich_help_panel=SYSTEM,
    ),
]


def card_from_anywhere(card: str) -> str:
    """Return a card so that it is found from another working directory too."""
    return os.path.abspath(card) if card.endswith(".toml") else card
