"""Work that a thread does behind who hands it over."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Backlog(Generic[Item]):
    """Does something with each item in another thread, in order; at most `depth` of them wait.

    Use it as a context. Leaving it waits until all items are done, also after an error; but after a
    KeyboardInterrupt, which is in a hurry, those that wait are dropped. An error in the thread drops the rest
    and is raised where the next item is handed over, or at the end.

    Args:
        work: Called with each item.
        depth: At least 1.

    Example:
        >>> squares = []
        >>> with Backlog(lambda number: squares.append(number**2), depth=2) as backlog:
        ...     for number in range(4):
        ...         backlog.hand_over(number)
        >>> squares
        [0, 1, 4, 9]
    """

    def __init__(self, work: Callable[[Item], None], depth: int) -> None:
        self._work = work
        self._waiting: queue.Queue[Item] = queue.Queue(depth)
        self._error: BaseException | None = None
        self._dropping = False
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hqtrack-backlog", daemon=True)

    def hand_over(self, item: Item) -> None:
        """Hand an item to the thread; waits while too many are waiting."""
        self._raise()
        self._waiting.put(item)

    def __enter__(self) -> Backlog[Item]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dropping = self._dropping or isinstance(error, KeyboardInterrupt)
        self._ending.set()
        try:
            self._thread.join()
        except KeyboardInterrupt:
            self._dropping = True
            self._thread.join()
            raise
        if error is None:
            self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run(self) -> None:
        while True:
            try:
                item = self._waiting.get(timeout=0.05)
            except queue.Empty:
                if self._ending.is_set():
                    return
                continue
            if self._dropping:
                continue
            try:
                self._work(item)
            except BaseException as error:
                self._error = error
                self._dropping = True
