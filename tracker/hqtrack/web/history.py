"""What a person gave to a session, and how it is undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hqtrack.web.identities import Identities, cut_identities
from hqtrack.web.objects import SessionObjects, keys_of

UNDO_STEPS = 100


class Given(NamedTuple):
    """All that a person gave, and can undo."""

    objects: SessionObjects = ()
    """In the order in which they join."""
    identities: Identities = ()
    """In the order in which they were made."""


class History:
    """What was given before, and what was undone."""

    def __init__(self) -> None:
        self._earlier: list[Given] = []
        self._undone: list[Given] = []

    def note(self, before: Given) -> None:
        """Note what was given before a change."""
        self._earlier = [*self._earlier[-UNDO_STEPS + 1 :], before]
        self._undone.clear()

    def undo(self, now: Given, change: Callable[[Given], None]) -> bool:
        """Change to what was given before; False if there is nothing. After an error nothing is undone."""
        return _move(self._earlier, self._undone, now, change)

    def redo(self, now: Given, change: Callable[[Given], None]) -> bool:
        """Change to what was undone; False if there is nothing. After an error nothing is redone."""
        return _move(self._undone, self._earlier, now, change)

    def keys(self) -> set[int]:
        """Return the numbers of all objects that undoing may bring back."""
        return set[int]().union(*(keys_of(each.objects) for each in self._earlier))

    def cut(self, end: int) -> None:
        """Keep swaps and merges to frames before an end: later ones are not recorded any more."""
        for states in (self._earlier, self._undone):
            states[:] = [each._replace(identities=cut_identities(each.identities, end)) for each in states]


def _move(source: list[Given], target: list[Given], now: Given, change: Callable[[Given], None]) -> bool:
    if not source:
        return False
    change(source[-1])
    source.pop()
    target.append(now)
    return True
