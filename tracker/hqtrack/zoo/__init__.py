"""Model cards and weights: from a name to a ready network."""

from hqtrack.cards import models_folder
from hqtrack.zoo.catalogue import card_names, known_weights, load_card, weights_of
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
