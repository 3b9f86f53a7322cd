"""Sequences without colour, for trackers that ask for it.

Release 0.9.0 ends with "Frame does not have information for channel: color" where a data set has infrared or
depth alone. A tracker that asks for one channel is given the sequence's own instead.
"""

from __future__ import annotations

import inspect
from typing import Any

from vot.dataset import Frame
from vot.tracker import trax

_given: dict[str, str] = {}


def mend() -> bool:
    """Use a sequence's own channel where the one asked for is missing; returns whether that was an error."""
    original = trax.convert_frame
    if "raise DatasetException" not in inspect.getsource(original):
        return False

    def convert_frame(frame: Frame, channels: list[str]) -> dict[str, Any]:
        if len(channels) == 1 and frame.filename(channels[0]) is None:
            own = next(iter(frame.sequence.channels()))
            _given[channels[0]] = own
            return {channels[0]: original(frame, [own])[own]}
        converted: dict[str, Any] = original(frame, channels)
        return converted

    trax.convert_frame = convert_frame
    return True


def given_instead() -> dict[str, str]:
    """Return which channels were given for which since the last call."""
    given = dict(_given)
    _given.clear()
    return given
