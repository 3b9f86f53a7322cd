"""Real time: trackers that are not waited for.

Release 0.9.0 calls `run` of every runtime, and its real-time runtime has only the base class's, which raises
an error. Its other methods are those from which `OnlineTrackerRuntime.run` is made.
"""

from __future__ import annotations

from vot.tracker import OnlineTrackerRuntime, RealtimeTrackerRuntime, TrackerRuntime


def mend() -> bool:
    """Return whether the real-time runtime lacked the method `run`, which it is given."""
    if getattr(RealtimeTrackerRuntime, "run", None) is not getattr(TrackerRuntime, "run", None):
        return False
    RealtimeTrackerRuntime.run = OnlineTrackerRuntime.run
    return True
