"""Model cards and weights: from a name to a ready network.

Names are imported when they are first used: a list of cards needs no PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hqtrack.installed import card_names, models_folder
    from hqtrack.zoo.catalogue import known_weights, load_card, weights_of
    from hqtrack.zoo.checkpoints import (
        check_family,
        describe,
        export_published,
        load_into,
        load_network,
        read_checkpoint,
        verify,
    )
    from hqtrack.zoo.downloads import add, pull
    from hqtrack.zoo.weights import cache_folder, check_sha256, checked_weights, find_weights, locate

__all__ = [
    "add",
    "cache_folder",
    "card_names",
    "check_family",
    "check_sha256",
    "checked_weights",
    "describe",
    "export_published",
    "find_weights",
    "known_weights",
    "load_card",
    "load_into",
    "load_network",
    "locate",
    "models_folder",
    "pull",
    "read_checkpoint",
    "verify",
    "weights_of",
]

_MODULES = {
    **dict.fromkeys(("card_names", "models_folder"), "hqtrack.installed"),
    **dict.fromkeys(("known_weights", "load_card", "weights_of"), "hqtrack.zoo.catalogue"),
    **dict.fromkeys(
        (
            "check_family",
            "describe",
            "export_published",
            "load_into",
            "load_network",
            "read_checkpoint",
            "verify",
        ),
        "hqtrack.zoo.checkpoints",
    ),
    **dict.fromkeys(("add", "pull"), "hqtrack.zoo.downloads"),
    **dict.fromkeys(
        ("cache_folder", "check_sha256", "checked_weights", "find_weights", "locate"), "hqtrack.zoo.weights"
    ),
}
"""The module of each name."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
