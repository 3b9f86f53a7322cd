"""Which frames a person should look at: those in which the tracker is not sure of a mask."""

from __future__ import annotations

from collections.abc import Sequence

from hqtrack.video.objects import TrackedObject
from hqtrack.video.tracked_frame import TrackedFrame

DOUBTFUL_BELOW = 0.9
"""Below this score a mask is doubtful, unless the object is not seen at all.

Measured (docs/scores.md): it names most wrong masks, and few that are right.
"""

RANGES_NAMED = 5
"""Ranges of frames that are named for an object at most."""


class Doubts:
    """Collects the frames in which objects are seen, but doubtful.

    Example:
        >>> doubts = Doubts()
        >>> for frame in results:  # doctest: +SKIP
        ...     doubts.see(frame)
        >>> doubts.lines()
        []
    """

    def __init__(self) -> None:
        self._ranges: dict[TrackedObject, list[tuple[int, int]]] = {}
        self._position = -1
        self._open: dict[TrackedObject, int] = {}

    def see(self, tracked: TrackedFrame) -> None:
        """Take the next frame."""
        self._position += 1
        for each, score in zip(tracked.objects, tracked.scores, strict=True):
            if not is_doubtful(score):
                continue
            ranges = self._ranges.setdefault(each, [])
            index = tracked.frame.index
            if ranges and self._open.get(each) == self._position - 1:
                ranges[-1] = ranges[-1][0], index
            else:
                ranges.append((index, index))
            self._open[each] = self._position

    def lines(self) -> list[str]:
        """Return a line for each doubtful object, such as "object 2 doubtful in frames 112-131, 140"."""
        return [f"{each.title} doubtful in frames {_named(ranges)}" for each, ranges in self._ranges.items()]


def is_doubtful(score: float) -> bool:
    """Return whether a person should look at a mask; that an object is not seen needs no look."""
    return 0 < score < DOUBTFUL_BELOW


def _named(ranges: Sequence[tuple[int, int]]) -> str:
    shown = [f"{first}-{last}" if last > first else str(first) for first, last in ranges[:RANGES_NAMED]]
    more = len(ranges) - RANGES_NAMED
    return ", ".join(shown) + (f" and {more} more ranges" if more > 0 else "")
