"""From the folders of trainings to a weight file, and to what cards say of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hqtrack import nets
from hqtrack.cards import card_naming, read_card
from hqtrack.errors import CardError, InputError
from hqtrack.files import whole
from hqtrack.nets.light_segmenter import LightSegmenter
from hqtrack.training.checkpoints import Start, code_version, export, starts_of, with_entry
from hqtrack.training.refiner import LIGHT_REFINER
from hqtrack.zoo import load_card, models_folder


class Exported(NamedTuple):
    """What an export wrote."""

    file: Path
    sha256: str
    cards: tuple[Path, ...]
    """The cards that name the file now with this SHA-256."""


def export_runs(
    runs: Sequence[Path], card: str, *, out: Path | None = None, data: str = "", command: str = ""
) -> Exported:
    """Write the mean of trainings' averaged weights, and enter them into the card.

    Args:
        runs: Folders of trainings that began with the same weights.
        card: Name of the card that the weights are for, or its path.
        out: The file to write; None: where the card looks for its weights.
        data: What was trained on; empty: what the folders say.
        command: What trained; empty: what the folders say.

    Raises:
        CardError: The card is not valid.
        InputError: The card has no place for such weights, or it is unknown how they were trained.
        WeightsError: A checkpoint is missing, or is another network's.
    """
    settings = load_card(card)
    path = Path(card) if card.endswith(".toml") else models_folder() / f"{card}.toml"
    trainings = [starts_of(run) for run in runs]
    name, section, weights = settings.network, "weights", settings.weights
    if any(trainings) and [one for one in trainings if one][-1][-1].network == LIGHT_REFINER:
        if settings.refiner is None:
            raise InputError(
                f"{runs[-1]} trained a refiner, but the card {card} has none; choose one that has"
            )
        name, section, weights = LIGHT_REFINER, "refiner.weights", settings.refiner.weights
    holder = card_naming(path, section)
    if holder.parent.resolve() != path.parent.resolve():
        raise InputError(f"{path}: has no [{section}] of its own; add one that names the file to write")
    beside = models_folder() / "weights" if path.parent == models_folder() else path.parent
    file = out or beside / Path(weights.file).name
    unknown = [run for run, one in zip(runs, trainings, strict=True) if not one]
    if unknown and not (data and command):
        raise InputError(f"{unknown[0]} has no record of its training; give --data and --command")
    said = _provenance(trainings)
    provenance = {**said, "data": data or said["data"], "command": command or said["command"]}
    network = LightSegmenter() if name == LIGHT_REFINER else nets.build(name)
    digest = export(runs, name, network, file, provenance)
    cards = [holder]
    if out is None:
        others = (each for each in sorted(path.parent.glob("*.toml")) if each != holder)
        cards += [each for each in others if weights.file in _files_of(each, section)]
    for each in cards:
        text = with_entry(each.read_text(encoding="utf-8"), digest, provenance, str(each), section)
        with whole(each) as part:
            part.write_text(text, encoding="utf-8")
            read_card(part)
    return Exported(file, digest, tuple(cards))


def _provenance(trainings: Sequence[Sequence[Start]]) -> dict[str, str]:
    """Return how trainings were started, by a short name; what is not known is empty."""
    starts = [start for one in trainings for start in one]
    return {
        "data": "; ".join(dict.fromkeys(text for start in starts for text in start.data)),
        "command": "; ".join(dict.fromkeys(one[-1].command for one in trainings if one)),
        "commit": starts[-1].commit if starts else code_version(),
    }


def _files_of(card: Path, section: str) -> set[str]:
    """Return the weight files of a card that names some in this section; none if it is no valid card."""
    try:
        named = card_naming(card, section) == card
        return {weights.file for weights in read_card(card).all_weights} if named else set()
    except CardError:
        return set()
