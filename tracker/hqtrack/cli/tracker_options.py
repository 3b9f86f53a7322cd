"""Options of all commands that track: the system, the device, the precision."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from hqtrack.cli.completion import (
    BACKENDS,
    PRECISIONS,
    complete_backends,
    complete_cards,
    complete_precisions,
)
from hqtrack.errors import InputError, did_you_mean

SYSTEM_PANEL = "System"


def _checked_card(card: str) -> str:
    """Check a card's name before anything heavy is imported."""
    if card.endswith(".toml"):
        return card
    from hqtrack.installed import card_names

    if card not in card_names():
        from hqtrack.zoo import load_card

        load_card(card)  # says which there are
    return card


def _checked_precision(precision: str) -> str:
    return _one_of("precision", precision, PRECISIONS)


def _checked_backend(backend: str | None) -> str | None:
    return None if backend is None else _one_of("backend", backend, BACKENDS)


def _one_of(option: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise InputError(
            f"unknown {option} {value!r}: {did_you_mean(value, known)}choose one of {', '.join(known)}"
        )
    return value


CardOption = Annotated[
    str,
    typer.Option(
        "--card",
        help="Model card: a name (see `hqtrack cards`) or a .toml file.",
        rich_help_panel=SYSTEM_PANEL,
        callback=_checked_card,
        autocompletion=complete_cards,
    ),
]
WeightsOption = Annotated[
    Path | None,
    typer.Option("--weights", help="Weight file instead of the card's.", rich_help_panel=SYSTEM_PANEL),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device", help="cpu, cuda, cuda:1, mps, …; auto takes the best.", rich_help_panel=SYSTEM_PANEL
    ),
]
PrecisionOption = Annotated[
    str,
    typer.Option(
        "--precision",
        help="auto, float32, bfloat16 or float16.",
        rich_help_panel=SYSTEM_PANEL,
        callback=_checked_precision,
        autocompletion=complete_precisions,
    ),
]
BackendOption = Annotated[
    str | None,
    typer.Option(
        "--backend",
        help="What runs the encoder on a CPU: torch, onnx or openvino; auto takes the fastest that is "
        "prepared (see `hqtrack export`).",
        rich_help_panel=SYSTEM_PANEL,
        callback=_checked_backend,
        autocompletion=complete_backends,
    ),
]
CompileOption = Annotated[
    bool,
    typer.Option(
        "--compile",
        help="Compile the image encoder with torch.compile: a slow start, then faster. Not for VMOS.",
        rich_help_panel=SYSTEM_PANEL,
    ),
]
MaxLongEdgeOption = Annotated[
    int | None,
    typer.Option(
        "--max-long-edge",
        help="The network sees frames reduced to this longer side; default: the card's. "
        "Smaller is faster. Outputs keep the frame's size.",
        rich_help_panel=SYSTEM_PANEL,
    ),
]


def card_from_anywhere(card: str) -> str:
    """Return a card so that it is found from another working directory too."""
    return os.path.abspath(card) if card.endswith(".toml") else card
