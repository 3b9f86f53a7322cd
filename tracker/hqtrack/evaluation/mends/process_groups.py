"""A tracker ends with everything that it has started.

Release 0.9.0 ends the tracker's own process alone. A process that this has started keeps the pipe open, and
the toolkit, which reads it, waits for that process, whatever the time limit is.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import signal
import subprocess
from types import SimpleNamespace

from vot.tracker import trax
from vot.tracker.trax import TrackerProcess


def mend() -> bool:
    """Run each tracker in a process group of its own, and end the group; returns whether that was missing."""
    if not hasattr(os, "killpg") or trax.subprocess is not subprocess:
        return False
    if "killpg" in inspect.getsource(TrackerProcess.terminate):
        return False
    trax.subprocess = SimpleNamespace(
        **{
            **vars(subprocess),
            "Popen": functools.partial(subprocess.Popen, start_new_session=True),
        }
    )
    original = TrackerProcess.terminate

    def terminate(self: TrackerProcess) -> None:
        process = self._process
        if process is None:
            return
        if self.interrupted:  # it has had its time: the group goes before the toolkit waits for its pipe
            _end_group(process.pid)
        try:
            original(self)
        finally:
            _end_group(process.pid)

    TrackerProcess.terminate = terminate
    return True


def _end_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
