"""A tracker of one object is updated without new objects.

Release 0.9.0 refuses `None`, which its real-time runtime passes in every frame, and takes only an empty list.
"""

from __future__ import annotations

import inspect
from typing import Any

from vot.dataset import Frame
from vot.tracker import FrameObjects
from vot.tracker.trax import TraxTrackerRuntime


def mend() -> bool:
    """Take `None` for no new objects; returns whether it was refused."""
    original = TraxTrackerRuntime.update
    if "new is None or" not in inspect.getsource(original):
        return False

    def update(
        self: TraxTrackerRuntime,
        frame: Frame,
        new: FrameObjects = None,
        properties: dict[str, Any] | None = None,
    ) -> tuple[FrameObjects, float]:
        answer: tuple[FrameObjects, float] = original(self, frame, [] if new is None else new, properties)
        return answer

    TraxTrackerRuntime.update = update
    return True
