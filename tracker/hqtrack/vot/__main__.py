"""The tracker that the toolkit starts: `python -m hqtrack.vot`.

Settings come from the environment, which `trackers.ini` fills with `env_NAME = value` lines:

- HQTRACK_CARD: name or path of a model card; `hqtrack.defaults.DEFAULT_CARD` without
- HQTRACK_WEIGHTS: file with the network's weights, instead of the card's own
- HQTRACK_DEVICE, HQTRACK_PRECISION: as in `hqtrack.HQTrack.from_card`
- HQTRACK_ and the name of a setting in `hqtrack.cards.OVERRIDES`, such as HQTRACK_LONG_TERM_GAP = 25 or
  HQTRACK_RULES = off: a value in place of the card's (`hqtrack cards --settings` lists them)
- HQTRACK_FROM_BOX, HQTRACK_REPORT, HQTRACK_CHANNEL: see `hqtrack.vot.settings`
"""

from __future__ import annotations

from hqtrack.vot.streams import reserve_stdout

if __name__ == "__main__":
    reserve_stdout()

import gc
import logging
import os
import sys
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hqtrack.tracker import HQTrack


OF_TRACKER = ("weights", "device", "precision")
"""Settings of `HQTrack.from_card` that are not the card's."""


def settings_from(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of `HQTrack.from_card` that the environment names.

    Raises:
        CardError: A variable that starts with HQTRACK_ is unknown.
    """
    from hqtrack.cards import OVERRIDES
    from hqtrack.defaults import DEFAULT_CARD
    from hqtrack.errors import CardError
    from hqtrack.vot.settings import CHOICES, VARIABLE_PREFIX
    from hqtrack.zoo.weights import CACHE_VARIABLE  # not a setting of the tracker

    allowed = ["card", *OF_TRACKER, *OVERRIDES]
    settings: dict[str, Any] = {"card": DEFAULT_CARD}
    for name, value in environment.items():
        if not name.startswith(VARIABLE_PREFIX) or name == CACHE_VARIABLE:
            continue
        key = name.removeprefix(VARIABLE_PREFIX).lower()
        if key in CHOICES:
            continue
        if key not in allowed:
            known = ", ".join(VARIABLE_PREFIX + a.upper() for a in [*allowed, *CHOICES])
            raise CardError(
                f"unknown setting {name}={value!r} in the tracker's environment; there are {known}"
            )
        settings[key] = value
    return settings


def load() -> HQTrack:
    """Make the tracker that the environment describes."""
    settings = settings_from(os.environ)
    card = settings.pop("card")
    _check(card, settings)
    gc.disable()  # what is imported and loaded stays: searching it for garbage takes half a second
    try:
        from hqtrack.tracker import HQTrack

        return HQTrack.from_card(card, **settings)
    finally:
        gc.enable()


def _check(card: str, settings: Mapping[str, Any]) -> None:
    """Check a card and its settings before PyTorch is imported, which takes seconds.

    Raises:
        CardError: There is no such card, or a setting is out of range.
    """
    from hqtrack.zoo import load_card

    load_card(card, **{name: value for name, value in settings.items() if name not in OF_TRACKER})


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    from hqtrack.vot.session import serve
    from hqtrack.vot.settings import session_settings

    raise SystemExit(serve(load, name="HQTrack", settings=partial(session_settings, os.environ)))
