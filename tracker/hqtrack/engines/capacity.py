"""What does not fit into a device's memory, in a line that names what may fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from hqtrack.cards import About, Card
from hqtrack.errors import DeviceMemoryError, HQTrackError, is_out_of_memory
from hqtrack.zoo import card_names, load_card

NAMED = 3
"""Smaller cards that a message names."""


@contextmanager
def explained_memory(
    card: Card, device: torch.device, dtype: torch.dtype, objects: Callable[[], int]
) -> Iterator[None]:
    """Turn too little memory into an error that says what may fit.

    Args:
        card: The system that runs.
        device: Where it runs.
        dtype: Type of its numbers.
        objects: Returns how many objects there are, 0 while networks are loaded.

    Raises:
        DeviceMemoryError: There is too little memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError, ImportError) as error:  # libraries are loaded when they are needed
        if isinstance(error, HQTrackError) or not is_out_of_memory(error):
            raise
        raise DeviceMemoryError(_message(card, device, dtype, objects())) from error


def smaller_cards(card: Card) -> list[str]:
    """Return the names of cards with fewer parameters: the largest ones of the same engine first."""
    about = _about(card)
    if about is None:
        return []
    others = [load_card(name) for name in card_names()]
    sizes = {
        other.name: (other.engine != card.engine, -other.about.parameters)
        for other in others
        if other.about and other.about.parameters < about.parameters
        if all(weights.origin != "to-be-trained" for weights in other.all_weights)
    }
    return sorted(sizes, key=sizes.__getitem__)


def _about(card: Card) -> About | None:
    """Return how large a system is: for a card of one's own as large as the one that it builds on."""
    return card.about or (load_card(card.base).about if card.base in card_names() else None)


def _message(card: Card, device: torch.device, dtype: torch.dtype, objects: int) -> str:
    """Return what does not fit where, and what may fit."""
    what = card.name
    if about := _about(card):
        what += f" ({about.parameters:g} M parameters)"
    if objects:
        what += f" with {objects} object{'s' if objects > 1 else ''}"
    where = str(device)
    if device.type == "cuda":
        where += f" ({torch.cuda.get_device_properties(device).total_memory / 2**30:.1f} GiB)"
    remedies = ["fewer objects at a time"] if objects > 1 else []
    if card.engine == "vmos":
        remedies.append("a smaller --max-long-edge")
    if names := smaller_cards(card)[:NAMED]:
        remedies.append(f"a smaller card ({', '.join(names)})")
    if device.type != "cpu":
        remedies += ["--precision bfloat16"] if dtype == torch.float32 else []
        remedies.append("--device cpu")
    advice = f"; try {', or '.join(remedies)}" if remedies else ""
    return f"there is not enough memory on {where} for {what}{advice}"
