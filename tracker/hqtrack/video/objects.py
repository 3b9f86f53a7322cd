"""An object as people know it: its id, its name, its colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Colour = tuple[int, int, int]
"""RGB, 0 to 255 each."""


@dataclass(frozen=True)
class TrackedObject:
    """What outputs call an object. Its id never changes, whatever else joins or leaves."""

    id: int
    name: str = ""
    """As a person named it."""
    colour: Colour | None = None
    """As a person chose it; otherwise outputs take the one of the id."""

    @property
    def title(self) -> str:
        """Its name, or "object" and its id."""
        return self.name or f"object {self.id}"


def unnamed(count: int) -> Sequence[TrackedObject]:
    """Return objects 1 to `count`."""
    return tuple(TrackedObject(number) for number in range(1, count + 1))
