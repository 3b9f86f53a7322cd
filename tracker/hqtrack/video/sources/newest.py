"""A queue between a thread that receives and one that is slower: it waits, or loses what is oldest."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Newest(Generic[Item]):
    """Items that wait, `depth` at most.

    Args:
        depth: At least 1.
        drops: True: where too many wait, the oldest is dropped, once the first was taken. False: who puts the
            next one waits.

    Example:
        >>> waiting = Newest(2, drops=True)
        >>> waiting.put("a"), waiting.take()
        (True, 'a')
        >>> for item in "bcd":
        ...     _ = waiting.put(item)
        >>> waiting.end()
        >>> waiting.take(), waiting.take(), waiting.take(), waiting.dropped
        ('c', 'd', None, 1)
    """

    def __init__(self, depth: int, *, drops: bool) -> None:
        self._depth, self._drops = depth, drops
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._ended = self._closed = self._taken = False
        self._error: Exception | None = None
        self.dropped = 0
        """Items that nobody took in time."""

    def put(self, item: Item) -> bool:
        """Add an item; returns whether more are wanted."""
        with self._changed:
            if self._drops and self._taken and len(self._items) == self._depth:
                self._items.popleft()
                self.dropped += 1
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._depth)
            self._items.append(item)
            self._changed.notify_all()
            return not self._closed

    def end(self, error: Exception | None = None) -> None:
        """Note that no more items come; an error is raised after those that wait."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def close(self) -> None:
        """Note that no more items are wanted."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Return whether no more items are wanted."""
        return self._closed

    def take(self) -> Item | None:
        """Return the oldest item, or None after the last; waits for it.

        Raises:
            Exception: What `end` was called with.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended)
            if self._items:
                item, self._taken = self._items.popleft(), True
                self._changed.notify_all()
                return item
            if self._error is not None:
                raise self._error
            return None
