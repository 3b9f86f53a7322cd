"""`hqtrack cards`: the systems that can be run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hqtrack.cli.completion import complete_cards
from hqtrack.cli.tables import print_table

if TYPE_CHECKING:
    from hqtrack.cards import Card


def cards(
    name: Annotated[
        str,
        typer.Argument(
            help="A card to show in full: a name, or a .toml file.", autocompletion=complete_cards
        ),
    ] = "",
    settings: Annotated[
        bool, typer.Option("--settings", help="List the settings that can be given in place of a card's.")
    ] = False,
    about: Annotated[
        bool, typer.Option("--about", help="List parameters, size, licence, quality and use of every card.")
    ] = False,
    benchmark: Annotated[
        bool,
        typer.Option(
            "--benchmark",
            help="The same, and time ten frames on this machine with every card whose weights are installed.",
        ),
    ] = False,
) -> None:
    """List the model cards, or show one.

    A card is the whole description of a system: network, memory, input size, refiner, weights.

    Examples:
        hqtrack cards                  every card, and whether its weights are installed
        hqtrack cards hqtrack          all settings of one card
        hqtrack cards ./mine.toml      check a card of your own
        hqtrack cards --settings       what trackers.ini, hqtrack evaluate and from_card can override
        hqtrack cards --about          which card to take: parameters, size, licence, quality
        hqtrack cards --benchmark      the same, with frames per second on this machine
    """
    from hqtrack.zoo import card_names, load_card

    if settings:
        from hqtrack.cards import OVERRIDES

        print_table(("setting", "meaning"), [(key, one.meaning) for key, one in OVERRIDES.items()])
        return
    if about or benchmark:
        columns: tuple[str, ...] = ("card", "parameters", "size", "licence", "published quality", "good for")
        every = {each: load_card(each) for each in ([name] if name else card_names())}
        facts: list[tuple[str, ...]] = [_facts(card) for card in every.values()]
        if benchmark:
            columns = (*columns, "frames/s here")
            speeds = [_speed(each, card) for each, card in every.items()]
            facts = [(*row, speed) for row, speed in zip(facts, speeds, strict=True)]
        print_table(columns, facts)
        return
    if name:
        print_table(("setting", "value"), _settings(load_card(name)), title=name)
        return
    print_table(
        ("card", "system", "paradigm", "memory", "refiner", "weights"),
        [_summary(load_card(each)) for each in card_names()],
    )


def _summary(card: Card) -> tuple[str, ...]:
    """One row of the list."""
    memory = card.memory
    slots = _text(memory.long_term_slots)
    settings = f"{slots} slots, gap {memory.long_term_gap}, short {memory.short_term_distance}"
    return (
        card.name,
        card.title,
        card.paradigm,
        settings if card.engine == "vmos" else f"of {card.engine}",
        card.refiner.kind if card.refiner else "none",
        _readiness(card),
    )


def _facts(card: Card) -> tuple[str, ...]:
    """Return one row of the list for people who choose."""
    from hqtrack.zoo import locate

    files = [locate(weights) for weights in card.all_weights]
    size = sum(file.stat().st_size for file in files if file is not None) / 1e6
    licences = dict.fromkeys(weights.licence for weights in card.all_weights if weights.licence)
    about = card.about
    return (
        card.name,
        f"{about.parameters:g} M" if about else "",
        "not installed" if None in files else f"{size:.0f} MB",
        "; ".join(licences),
        f"{about.quality} ({about.source})" if about and about.quality else "",
        about.good_for if about else "",
    )


def _speed(name: str, card: Card) -> str:
    """Return the frames per second of a card, by its name or path, on this machine; or why it cannot run."""
    from hqtrack.errors import HQTrackError
    from hqtrack.video.speed import frames_per_second

    if _readiness(card) != "ready":
        return ""
    try:
        return f"{frames_per_second(name):.2g}"
    except HQTrackError as error:
        return str(error)


def _readiness(card: Card) -> str:
    """Return whether a card can be run, or what is missing."""
    from hqtrack.zoo import locate

    missing = [weights for weights in card.all_weights if locate(weights) is None]
    if not missing:
        return "ready"
    if any((weights.gated or weights.url is None) and weights.origin == "published" for weights in missing):
        return f"missing: by hand, from {missing[0].page}"
    if all(weights.origin == "published" for weights in missing):
        return f"missing: hqtrack weights pull {card.name}"
    return (
        "missing: to be trained" if card.weights.origin == "to-be-trained" else "missing: reinstall hqtrack"
    )


def _settings(card: Card) -> list[tuple[str, str]]:
    """Every setting of a card under its key in the file, and where its weights are."""
    from hqtrack.zoo import locate

    rows = list(_flattened(asdict(card)))
    for weights in card.all_weights:
        if weights.sha256 is None and weights.origin == "published":
            rows.append((f"sha256 {weights.label}", "unknown: recorded at the first download"))
        path = locate(weights)
        rows.append((f"weights {weights.label}", "not installed" if path is None else str(path)))
    return rows


def _flattened(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Return the entries of nested tables with dotted keys."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{key}.")
        elif value not in ("", None) or key == "long_term_slots":
            yield prefix + key, _text(value)


def _text(value: object) -> str:
    """Write a value as a card does."""
    return "all" if value is None else str(value)
