"""The end of a session that the protocol's library does not notice.

Where the toolkit dies after an `initialize` and before the frame that belongs to it, the server of vot-trax
4.0.2 reads the closed pipe for ever, with a whole core. It lets other threads run meanwhile, and so one looks
at the pipe itself.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS_TO_NOTICE = 2.0
"""So long a server may keep waiting for a message on a pipe that nobody writes to any more."""


class Hangup:
    """Ends the process when it waits for a message that cannot come."""

    def __init__(self, end: Callable[[], None]) -> None:
        """Look at standard input from now on, in a thread of its own.

        Args:
            end: Is called once, from that thread, where the pipe is closed and the server waits on.
        """
        self._end = end
        self._waiting_since: float | None = None
        if hasattr(select, "poll") and "TRAX_SOCKET" not in os.environ:
            threading.Thread(target=self._watch, daemon=True, name="hangup").start()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Note that the server waits for a message as long as the context lasts."""
        self._waiting_since = time.monotonic()
        try:
            yield
        finally:
            self._waiting_since = None

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(0, 0)  # a hang-up is reported whatever is asked for
        try:
            poll.poll()
        except OSError:  # there is no standard input
            return
        # What the toolkit wrote before it closed the pipe is still read; only waiting in vain is ended.
        while True:
            since = self._waiting_since
            if since is not None and time.monotonic() - since > SECONDS_TO_NOTICE:
                self._end()
                return
            time.sleep(SECONDS_TO_NOTICE / 10)
