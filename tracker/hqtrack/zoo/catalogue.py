"""Model cards by name: the ones that come with the package, or a file of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hqtrack.cards import Card, Weights, card_files, read_card
from hqtrack.errors import CardError, did_you_mean
from hqtrack.installed import card_names, models_folder


def load_card(name_or_path: str | Path, **overrides: Any) -> Card:
    """Read a card by name, or from a path that ends in `.toml`.

    Args:
        name_or_path: `"hqtrack"` is one of ours, `"./mine.toml"` a file of one's own. A weight file
            next to a card of one's own is found there.
        **overrides: New values of the settings in `hqtrack.cards.OVERRIDES`; None changes nothing, "off"
            switches a setting off.

    Raises:
        CardError: No such card, or a key or a value is not allowed.
    """
    if not isinstance(name_or_path, str | Path):
        raise CardError(f"card {name_or_path!r}: give the name of a card, or the path of a .toml file")
    path = Path(name_or_path)
    if path.suffix == ".toml":
        card = read_card(path, **overrides)
        if card.engine == "vmos":
            _check_network(card, path)
        return _beside(card, [file.resolve().parent for file in card_files(path)])
    names = card_names()
    name = str(name_or_path)
    if name not in names:
        raise CardError(
            f"no card named {name!r}: {did_you_mean(name, names)}there are {', '.join(names)}; "
            "a card of your own is named by a path that ends in .toml"
        )
    return read_card(models_folder() / f"{name}.toml", **overrides)


def known_weights() -> list[Weights]:
    """Return every weight file that a card of the package names, once, sorted by label."""
    found = {weights.label: weights for name in card_names() for weights in load_card(name).all_weights}
    return [found[label] for label in sorted(found)]


def weights_of(name: str) -> tuple[Weights, ...]:
    """Return the weights of a name: all of a card, or one file by its label or file name.

    Raises:
        CardError: Nothing has that name.
    """
    if name.endswith(".toml") or name in card_names():
        return load_card(name).all_weights
    known = known_weights()
    for weights in known:
        if name in (weights.label, weights.file, Path(weights.file).stem):
            return (weights,)
    hint = did_you_mean(name, [*(each.label for each in known), *card_names()])
    raise CardError(
        f"no weights or card named {name!r}: {hint}there are the weights "
        f"{', '.join(each.label for each in known)} "
        f"and the cards {', '.join(card_names())}"
    )


def _check_network(card: Card, path: Path) -> None:
    """Check that there is a card's network; the cards of the package are known to be right."""
    from hqtrack import nets  # slow to import

    names = nets.network_names()
    if card.network not in names:
        raise CardError(f"{path}: network = {card.network!r}: there is none; choose of {', '.join(names)}")


def _beside(card: Card, folders: Sequence[Path]) -> Card:
    """Look for weights next to the card too, and next to those that it builds on."""

    def resolved(weights: Weights) -> Weights:
        local = (folder / weights.file for folder in folders)
        found = next((file for file in local if file.is_file()), None)
        return weights if found is None else replace(weights, file=str(found))

    refiner = card.refiner and replace(card.refiner, weights=resolved(card.refiner.weights))
    return replace(card, weights=resolved(card.weights), refiner=refiner)
