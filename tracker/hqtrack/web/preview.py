"""What a click would make, shown while the mouse hovers: only where that takes no noticeable time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

Made = TypeVar("Made")

PREVIEW_SECONDS = 0.15
"""What takes longer follows the mouse too late."""

PREVIEWS_TRIED = 2
"""Times in a row that may be longer: the first one of a frame can include reading it."""


class Pace:
    """Decides if masks are made quickly enough to be shown while the mouse hovers.

    Args:
        now: Returns the seconds of a clock.

    Example:
        >>> pace = Pace()
        >>> pace.timed(lambda: "mask"), pace.quick
        ('mask', True)
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._seconds: deque[float] = deque(maxlen=PREVIEWS_TRIED)

    @property
    def quick(self) -> bool:
        """Return whether one of the last masks came in time, or too few were made to know."""
        return len(self._seconds) < PREVIEWS_TRIED or min(self._seconds) < PREVIEW_SECONDS

    def timed(self, make: Callable[[], Made]) -> Made:
        """Return what is made, and take note of how long it took; errors are no measure of it."""
        begun = self._now()
        made = make()
        self._seconds.append(self._now() - begun)
        return made
