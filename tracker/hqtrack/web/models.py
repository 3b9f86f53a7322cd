"""The systems that the page can track with: cards, whether their weights are installed, and downloads."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

from hqtrack.cards import Card
from hqtrack.errors import HQTrackError, InputError, MissingExtraError, require
from hqtrack.web.tracking import message_of
from hqtrack.zoo import card_names, load_card, locate, pull
from hqtrack.zoo.weights import remedy

Readiness = Literal["ready", "to pull", "by hand"]

ENGINE_PACKAGES = {
    "sam2": ("transformers",),
    "dam-sam2": ("transformers",),
    "edgetam": ("transformers", "timm"),
    "sam3-tracker": ("transformers",),
    "cutie": ("cutie",),
}
"""What engines need beyond a plain installation."""


@dataclass(frozen=True)
class Model:
    """A card as a person chooses it."""

    name: str
    title: str
    engine: str
    readiness: Readiness
    """How its weights are got: installed, to be pulled, or by hand."""
    note: str = ""
    """What it is good for, or how its weights are got."""
    megabytes: int = 0
    """Size of the weights that are installed."""


def models(own: str = "") -> list[Model]:
    """Return all cards, installed ones first, and one of a person's own where it is none of them."""
    names = [*card_names()]
    if own and own not in names:
        names.insert(0, own)
    found = []
    for name in names:
        try:
            found.append(model_of(name))
        except HQTrackError as error:  # a damaged card must not hide the others
            found.append(Model(name, name, "", "by hand", str(error)))
    return sorted(found, key=lambda model: model.readiness != "ready")


def model_of(name: str) -> Model:
    """Return a card as a person chooses it.

    Raises:
        CardError: There is no such card, or it is damaged.
    """
    card = load_card(name)
    files = {weights.file: locate(weights) for weights in card.all_weights}
    missing = [weights for weights in card.all_weights if files[weights.file] is None]
    size = sum(file.stat().st_size for file in files.values() if file is not None) // 1_000_000
    good_for = card.about.good_for if card.about else ""
    try:
        for package in ENGINE_PACKAGES.get(card.engine, ()):
            require(package)
    except MissingExtraError as error:
        return Model(name, card.title, card.engine, "by hand", str(error), size)
    if not missing:
        return Model(name, card.title, card.engine, "ready", good_for, size)
    if all(weights.url and weights.origin == "published" for weights in missing):
        form = next((remedy(weights) for weights in missing if weights.gated), "")
        return Model(name, card.title, card.engine, "to pull", form or good_for, size)
    by_hand = next(each for each in missing if not each.url or each.origin != "published")
    return Model(name, card.title, card.engine, "by hand", remedy(by_hand), size)


def check_card(name: str, device: str) -> None:
    """Check that a card can be run on a device; empty texts are those with which the server was started.

    Raises:
        HQTrackError: There is no such card or device, or the card's weights are missing.
    """
    if device not in ("", *devices()):
        raise InputError(f"device {device}: this machine has {', '.join(devices())}")
    if name and model_of(name).readiness != "ready":
        raise InputError(f"{name}: is not installed; under “Model” it says how to get it")


def devices() -> list[str]:
    """Return the devices of this machine, "auto" first."""
    import torch

    graphics = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    apple = ["mps"] if torch.backends.mps.is_available() else []
    return ["auto", "cpu", *graphics, *apple]


class Pull:
    """The download of a card's weights, in a thread of its own.

    Args:
        name: The card's.

    Raises:
        CardError: There is no such card, or it is damaged.
    """

    def __init__(self, name: str) -> None:
        self._card: Card = load_card(name)
        self.share: float | None = None
        """What is received of the file at hand, 0 to 1; None where that is not known."""
        self.received = 0
        """Bytes of the file at hand."""
        self.state: Literal["pulling", "done", "failed"] = "pulling"
        self.error = ""
        threading.Thread(target=self._run, name="hqtrack-pull", daemon=True).start()

    def _run(self) -> None:
        try:
            for weights in self._card.all_weights:
                pull(weights, progress=self._progress)
            self.state = "done"
        except Exception as error:
            self.error = message_of(error) if isinstance(error, HQTrackError | OSError) else repr(error)
            self.state = "failed"

    def _progress(self, received: int, expected: int | None) -> None:
        self.received, self.share = received, received / expected if expected else None
