"""Supervised: a tracker that loses its object starts again some frames later.

Release 0.9.0 takes the list that a runtime returns for one object and ends with "'list' object has no
attribute 'properties'", and it refuses the real-time runtime, which has all that it needs.
"""

from __future__ import annotations

import inspect

from vot.dataset import Frame, Sequence
from vot.experiment import Experiment
from vot.experiment.multirun import SupervisedExperiment
from vot.tracker import FrameObjects, ObjectStatus, OnlineTrackerRuntime, Tracker, TrackerRuntime


def mend() -> bool:
    """Put a runtime of one object between experiment and tracker; returns whether there was none."""
    broken = "target, elapsed = runtime.update(sequence.frame(frame))"
    if broken not in inspect.getsource(SupervisedExperiment.execute):
        return False
    if "_get_runtime" in vars(SupervisedExperiment):
        return False

    def _get_runtime(
        self: SupervisedExperiment, tracker: Tracker, sequence: Sequence, multiobject: bool = False
    ) -> OneObjectRuntime:
        return OneObjectRuntime(Experiment._get_runtime(self, tracker, sequence, multiobject))

    SupervisedExperiment._get_runtime = _get_runtime
    return True


class OneObjectRuntime(OnlineTrackerRuntime):  # type: ignore[misc]
    """A runtime that takes and returns the one object itself, where the toolkit's take and return lists."""

    def __init__(self, runtime: TrackerRuntime) -> None:
        super().__init__(runtime.tracker)
        self._runtime = runtime

    @property
    def multiobject(self) -> bool:
        """Return whether the tracker takes several objects."""
        return bool(self._runtime.multiobject)

    def stop(self) -> None:
        """End the tracker."""
        self._runtime.stop()

    def restart(self) -> None:
        """Start the tracker again."""
        self._runtime.restart()

    def initialize(self, frame: Frame, new: FrameObjects = None) -> tuple[ObjectStatus, float]:
        """Begin with an object in a frame; returns the object and the seconds that it took."""
        return _one(self._runtime.initialize(frame, [new]))

    def update(self, frame: Frame, new: FrameObjects = None) -> tuple[ObjectStatus, float]:
        """Find the object in the next frame; returns it and the seconds that it took."""
        return _one(self._runtime.update(frame, []))


def _one(answer: tuple[FrameObjects, float]) -> tuple[ObjectStatus, float]:
    (status,), seconds = answer
    # The experiment writes into the properties, and in real time an answer is repeated.
    return ObjectStatus(status.region, dict(status.properties)), seconds
