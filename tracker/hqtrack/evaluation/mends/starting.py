"""A tracker that starts is watched over, too.

Release 0.9.0 takes a counter of 0 for a time that is up, and starts with 0: for a tracker's greeting it waits
without end, whatever its `timeout` is.
"""

from __future__ import annotations

from types import SimpleNamespace

from vot.tracker.trax import TrackerProcess


def mend() -> bool:
    """Apply the time limit to the greeting; returns whether it did not."""
    starting = SimpleNamespace(_watchdog_counter=0, _timeout=1, _client=None)
    TrackerProcess._watchdog_reset(starting, True)
    if starting._watchdog_counter:
        return False
    original = TrackerProcess._watchdog_reset

    def reset(self: TrackerProcess, enable: bool = True) -> None:
        if enable and self._client is None:
            self._watchdog_counter = self._timeout * 10
        else:
            original(self, enable)

    TrackerProcess._watchdog_reset = reset
    return True
