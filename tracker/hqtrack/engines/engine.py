"""The interface of an engine, and the registry by which a card's `engine` finds one.

An engine is the propagation of one video. It knows nothing of refiners, files or people. Other packages add
engines by an entry point in the group `hqtrack.engines` whose object is a `Load`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from hqtrack.cards import OVERRIDES, Card
from hqtrack.errors import CardError
from hqtrack.images import Image
from hqtrack.masks import LabelMap
from hqtrack.propagation import Found

ENTRY_POINT_GROUP = "hqtrack.engines"
"""Entry-point group of engines from other packages."""

BUILT_IN_ENGINES = {
    "vmos": "hqtrack.engines.vmos",
    "sam2": "hqtrack.engines.sam2",
    "dam-sam2": "hqtrack.engines.dam_sam2",
    "edgetam": "hqtrack.engines.edgetam",
    "sam3-tracker": "hqtrack.engines.sam3",
    "cutie": "hqtrack.engines.cutie",
}
"""Modules of the engines that come with the package; each has a function `load`."""


class Engine(Protocol):
    """The propagation of one video; what it is given was checked by `hqtrack.HQTrack`.

    Frames are (H, W, 3) uint8 RGB, all of one size. Labels are (H, W) uint8: 0 is background, i the i-th
    object in the order in which objects joined.
    """

    @property
    def count(self) -> int:
        """Number of objects."""

    def is_at(self, image: Image) -> bool:
        """Return whether an image is the frame that the objects are at."""

    def add(self, image: Image, labels: LabelMap, count: int) -> None:
        """Add objects: the first ones of a video, or later ones in the frame that earlier ones are at.

        Args:
            image: The frame.
            labels: The new objects alone, as 1 to `count`.
            count: Number of new objects.
        """

    def add_reference(self, image: Image, labels: LabelMap) -> None:
        """Take a frame as the current one, with known labels of all objects, and keep it as a reference."""

    def remove(self, objects: Collection[int]) -> None:
        """Forget objects, all of them perhaps; the others keep their order, and are counted from 1 again.

        Called between two frames: after `add`, `add_reference` or `remember`. Without objects `find` gives
        `Found.nothing`, and further ones may join with `add`.

        Args:
            objects: Their numbers, 1 to `count`.
        """

    def find(self, image: Image) -> Found:
        """Find all objects in the next frame; nothing is remembered of it before `remember`."""

    def remember(self, labels: Tensor) -> None:
        """Remember the frame that `find` was given, with labels (H, W) uint8 on the device."""


@runtime_checkable
class LearnsFromPictures(Protocol):
    """An engine that learns objects from other pictures than frames of the video."""

    def add_picture(self, image: Image, labels: LabelMap, count: int) -> None:
        """Add objects that a picture of any size shows; called before the first frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            labels: The new objects alone, as 1 to `count`.
            count: Number of new objects.
        """


Start = Callable[[], Engine]
"""Starts a new video with networks that are loaded already."""


class Load(Protocol):
    """Loads the networks of a card."""

    def __call__(
        self, card: Card, weights: Path | None, *, device: torch.device, dtype: torch.dtype
    ) -> Start:
        """Load networks.

        Args:
            card: The system; `card.network` names the engine's network.
            weights: A checkpoint to use instead of the card's.
            device: Where networks run.
            dtype: Type of their parameters and input.

        Raises:
            WeightsError: The weights are missing, damaged, or of another network.
            MissingExtraError: A package that the engine needs is not installed.
        """


def engine_names() -> list[str]:
    """Return the names of all engines: the package's own, then those of other packages."""
    return [
        *BUILT_IN_ENGINES,
        *sorted({point.name for point in entry_points(group=ENTRY_POINT_GROUP)} - set(BUILT_IN_ENGINES)),
    ]


def load_engine(
    card: Card, weights: Path | None = None, *, device: torch.device, dtype: torch.dtype
) -> Start:
    """Load the networks of a card with the engine that it names.

    Raises:
        CardError: No engine has that name.
        WeightsError: The weights are missing, damaged, or of another network.
        MissingExtraError: A package that the engine needs is not installed.
    """
    if card.engine in BUILT_IN_ENGINES:
        load: Load = importlib.import_module(BUILT_IN_ENGINES[card.engine]).load
    else:
        found = [point for point in entry_points(group=ENTRY_POINT_GROUP) if point.name == card.engine]
        if not found:
            raise CardError(
                f"engine = {card.engine!r}: no such engine; there are {', '.join(engine_names())}, and more "
                f"come with packages that have an entry point in {ENTRY_POINT_GROUP}"
            )
        load = found[0].load()
    return load(card, weights, device=device, dtype=dtype)


def check_settings(card: Card) -> None:
    """Refuse settings that only VMOS has, for an engine that reads none of them.

    Raises:
        CardError: The card, or a value in place of a card's, names such a setting.
    """
    plain = Card(name=card.name, title=card.title, network=card.network, weights=card.weights)
    for name, setting in OVERRIDES.items():
        section, *keys = setting.keys
        values = [getattr(each, section) for each in (card, plain)]
        if keys and section == "memory":
            values = [getattr(value, keys[0]) for value in values]
        if section not in ("refiner", "compile") and values[0] != values[1]:
            raise CardError(
                f"{name}: the engine {card.engine} of the card {card.name} has no such setting; leave it out"
            )
