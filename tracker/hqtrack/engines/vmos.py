"""VMOS, DeAOT and AOT as an engine: the published networks and our light one."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from hqtrack import zoo
from hqtrack.cards import Card
from hqtrack.engines.compiling import refuse_compiling
from hqtrack.engines.engine import Start
from hqtrack.nets.folding import folded
from hqtrack.nets.interface import PropagationNetwork
from hqtrack.propagation import Propagator
from hqtrack.propagation.frame import EdgeLimits
from hqtrack.propagation.rules import build_rules
from hqtrack.runtimes.encoders import ForeignEncoder, encoder_of


def load(card: Card, weights: Path | None, *, device: torch.device, dtype: torch.dtype) -> Start:
    """Load a card's network; see `hqtrack.engines.Load`."""
    refuse_compiling(card)
    return starter(card, zoo.load_network(card, weights), device=device, dtype=dtype)


def starter(card: Card, network: PropagationNetwork, *, device: torch.device, dtype: torch.dtype) -> Start:
    """Return what starts a video with a network that has its weights."""
    encoder = encoder_of(network.eval(), card.backend, device=device, dtype=dtype)
    network = folded(network)
    network = network.to(device, dtype).to(memory_format=network.memory_format)
    if encoder is not None:
        network = ForeignEncoder(network, encoder)
    return partial(
        Propagator,
        network,
        memory=card.memory,
        limits=EdgeLimits(card.max_long_edge, card.min_short_edge),
        rules=partial(build_rules, card.rules),
        guided_outlines=card.guided_outlines,
        paradigm=card.paradigm,
        device=device,
        dtype=dtype,
    )
