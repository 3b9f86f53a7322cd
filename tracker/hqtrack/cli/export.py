"""`hqtrack export`: a card's networks as ONNX graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hqtrack.cli.completion import complete_cards
from hqtrack.cli.tracker_options import WeightsOption


def export(
    card: Annotated[
        str, typer.Argument(help="Name of a card, or a .toml file.", autocompletion=complete_cards)
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for all graphs of the system.", file_okay=False),
    ] = None,
    weights: WeightsOption = None,
) -> None:
    """Write a card's networks as ONNX graphs, which need no PyTorch.

    Without --out, the encoder alone is exported and kept, for --backend auto, onnx and openvino.

    Examples:
        hqtrack export hqtrack-light -o graphs    every call of the networks, and system.json
        hqtrack export vmos-light                 prepare --backend auto
    """
    from hqtrack.zoo import load_card

    settings = load_card(card)

    from hqtrack.runtimes.encoders import keep_graph  # slow to import: what is misspelt is refused before
    from hqtrack.runtimes.system import DESCRIPTION, export_system
    from hqtrack.zoo import load_network

    if out is None:
        typer.echo(f"the encoder is kept as {keep_graph(load_network(settings, weights).eval())}")
        return
    for call in export_system(settings, out, weights):
        typer.echo(call.problem or f"{call.name}: {out / call.name}.onnx")
    typer.echo(f"how they play together: {out / DESCRIPTION}")
