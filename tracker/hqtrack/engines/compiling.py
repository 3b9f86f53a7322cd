"""Image encoders of other libraries' networks, compiled by `torch.compile` where a card wants it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from hqtrack.cards import Card
from hqtrack.errors import CardError, InputError

BACKEND: str | Callable[..., Any] = "inductor"
"""What compiles: PyTorch's own compiler."""

LONGEST_COMPILER_REASON = 160
"""Characters of a compiler's error that are shown."""


def compile_if_wanted(card: Card, encoder: nn.Module, *, device: torch.device) -> None:
    """Have an image encoder compiled at its first call, in place, if the card says so.

    The encoder is the largest part of every such network, and its input keeps its size. What reads memories,
    which grow, would be compiled again and again.

    Args:
        card: The system.
        encoder: Of its network.
        device: Where the network runs.

    Raises:
        InputError: `torch.compile` does not work on this device here.
    """
    if not card.compile:
        return
    try:
        torch.compile(torch.neg, backend=BACKEND)(torch.zeros(8, device=device))
    except Exception as error:  # compilers, drivers and PyTorch raise many kinds
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:LONGEST_COMPILER_REASON]
        raise InputError(
            f"compile = true: torch.compile does not work on {device} here: {reason}. It needs a C++ "
            "compiler on a CPU, and Triton on a GPU: install it, or leave compile out"
        ) from error
    encoder.compile(backend=BACKEND)


def refuse_compiling(card: Card) -> None:
    """Refuse the setting for an engine whose networks are not compiled.

    Raises:
        CardError: The card has it.
    """
    if card.compile:
        raise CardError(
            f"compile = true: the engine {card.engine} of the card {card.name} has no such setting; leave it "
            "out"
        )
