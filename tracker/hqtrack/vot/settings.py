"""Settings of a session: how first regions are understood, what is reported, which channel is read.

`trackers.ini` gives them as `env_HQTRACK_FROM_BOX`, `env_HQTRACK_REPORT` and `env_HQTRACK_CHANNEL`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from hqtrack.errors import CardError, did_you_mean

VARIABLE_PREFIX = "HQTRACK_"

CHOICES: Mapping[str, Mapping[str, str]] = {
    "from_box": {
        "auto": "a first rectangle or polygon becomes a mask by the card's refiner, a mask stays what it is, "
        "unless it is a full rectangle",
        "mask": "every first region is the object's mask",
        "rectangle": "of every first region the rectangle around it becomes a mask by the card's refiner",
    },
    "report": {"mask": "masks", "rectangle": "the rectangles around the masks"},
    "channel": {"color": "colour", "ir": "infrared", "depth": "depth"},
}
"""What each setting can be, and what it means; the first is the default."""


@dataclass(frozen=True)
class SessionSettings:
    """How a session speaks with the toolkit; see `CHOICES`."""

    from_box: str = "auto"
    report: str = "mask"
    channel: str = "color"

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            CardError: One is unknown.
        """
        for field in fields(self):
            check_choice(field.name, getattr(self, field.name))


def check_choice(name: str, value: str) -> str:
    """Return the value of a setting.

    Raises:
        CardError: It is none of the choices.
    """
    known = CHOICES[name]
    if value not in known:
        raise CardError(f"{name} = {value!r}: {did_you_mean(value, known)}allowed are {', '.join(known)}")
    return value


def session_settings(environment: Mapping[str, str]) -> SessionSettings:
    """Return the settings that the environment names.

    Raises:
        CardError: A value is unknown.
    """
    named = {key: VARIABLE_PREFIX + key.upper() for key in CHOICES}
    return SessionSettings(**{key: environment[name] for key, name in named.items() if name in environment})
