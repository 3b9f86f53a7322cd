"""A whole system as a folder of ONNX graphs, and a small file that describes how they play together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

from hqtrack import zoo
from hqtrack.cards import Card
from hqtrack.errors import CardError, InputError
from hqtrack.files import make_folder, whole, write_whole
from hqtrack.images import MEAN, STD
from hqtrack.nets.light_segmenter import LightSegmenter
from hqtrack.runtimes.encoders import check_kept, kept_graph
from hqtrack.runtimes.graphs import Graph, propagation_graphs, refiner_graph, write_graph
from hqtrack.zoo.weights import sha256_of

FORMAT = 1
"""Of the folder; a reader refuses what it does not know."""

DESCRIPTION = "system.json"
"""Name of the file that describes the graphs."""

EXPORTED_CROP = 224
"""Side of the refiner's crops in pixels, as in tracking."""

NOT_IN_GRAPHS = ("rules", "guided_outlines")
"""Settings of a card that are no part of its networks."""


class Written(NamedTuple):
    """One call of an exported system."""

    name: str
    problem: str = ""
    """Why it could not be written; empty where it was."""


def export_system(card: Card, folder: Path, weights: Path | None = None) -> Iterator[Written]:
    """Write the graphs of a card's networks, one after another, and at the end what describes them.

    Calls that the exporter cannot express are left out and named. An encoder that is kept already is copied.

    Args:
        card: A card of the engine vmos.
        folder: Is made; files of the same names in it are replaced.
        weights: The propagation network's weights; by default the card's own.

    Yields:
        Each call, when it was tried.

    Raises:
        CardError: The card has another engine.
        WeightsError: Weights are missing, damaged, or of another network.
        MissingExtraError: The packages of the extra onnx are not installed.
        OSError: The folder cannot be written.
    """
    if card.engine != "vmos":
        raise CardError(
            f"{card.name}: the engine {card.engine} cannot be exported; use a card of the engine vmos"
        )
    network = zoo.load_network(card, weights).eval()
    make_folder(folder)
    described: dict[str, Any] = {}
    kept = kept_graph(network)
    for graph in propagation_graphs(network):
        yield _write(graph, folder, described, kept if graph.name == "encode" else None)
    if card.refiner is not None and card.refiner.kind == "light":
        segmenter = LightSegmenter()
        path = zoo.checked_weights(card.refiner.weights)
        zoo.load_into(segmenter, "light_segmenter", zoo.read_checkpoint(path), path)
        yield _write(
            refiner_graph(segmenter.float().eval().requires_grad_(False), EXPORTED_CROP), folder, described
        )
    elif card.refiner is not None:
        yield Written("refine", f"the refiner {card.refiner.kind} is not exported")
    description = {
        "format": FORMAT,
        "card": card.name,
        "input": {
            "stride": 16,
            "align_corners": network.align_corners,
            "max_long_edge": card.max_long_edge,
            "min_short_edge": card.min_short_edge,
            "mean": MEAN,
            "std": STD,
        },
        "max_objects": network.max_objects,
        "memory": {
            "long_term_slots": card.memory.long_term_slots,
            "long_term_gap": card.memory.long_term_gap,
            "short_term_distance": card.memory.short_term_distance,
        },
        "layers": [layer._asdict() for layer in network.layouts],
        "graphs": described,
        "not_in_graphs": NOT_IN_GRAPHS,
    }
    write_whole(folder / DESCRIPTION, json.dumps(description, indent=1) + "\n")


def _write(graph: Graph, folder: Path, described: dict[str, Any], kept: Path | None = None) -> Written:
    """Write a graph, or a copy of the file that was kept of it."""
    path = folder / f"{graph.name}.onnx"
    try:
        with whole(path) as part, torch.no_grad():
            if kept is not None and kept.is_file():
                check_kept(kept)
                shutil.copyfile(kept, part)
            else:
                write_graph(graph, part)
    except InputError as error:
        return Written(graph.name, str(error))
    described[graph.name] = {
        "file": path.name,
        "sha256": sha256_of(path),
        "inputs": graph.inputs,
        "outputs": graph.outputs,
    }
    return Written(graph.name)
