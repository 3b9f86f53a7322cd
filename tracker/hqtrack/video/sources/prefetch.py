"""Work that a thread does ahead of who needs its results."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

Produced = TypeVar("Produced")


@dataclass(frozen=True)
class _Failed:
    """Carries an error from the thread to who waits for its items."""

    error: BaseException


class _Done:
    """Marks the end of the items."""


def prefetch(items: Iterator[Produced], depth: int) -> Iterator[Produced]:
    """Produce items in another thread, at most `depth` ahead of the one in use.

    An error in the thread is raised here, after the items before it. Leaving the loop early ends the thread
    and closes `items`.

    Example:
        >>> list(prefetch(iter("abc"), depth=2))
        ['a', 'b', 'c']
    """
    ready: queue.Queue[Produced | _Failed | _Done] = queue.Queue(depth)
    stop = threading.Event()

    def hand_over(item: Produced | _Failed | _Done) -> None:
        while not stop.is_set():
            try:
                return ready.put(item, timeout=0.1)
            except queue.Full:
                continue

    def produce() -> None:
        try:
            for item in items:
                hand_over(item)
                if stop.is_set():
                    break
            hand_over(_Done())
        except BaseException as error:
            hand_over(_Failed(error))
        finally:
            close = getattr(items, "close", None)  # a generator's files are closed in its own thread
            if close is not None:
                close()

    thread = threading.Thread(target=produce, name="hqtrack-frames", daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _Done):
            if isinstance(item, _Failed):
                raise item.error
            yield item
    finally:
        stop.set()
        thread.join()
