"""Multistart: a tracker begins in every anchor frame and runs to the end, forwards or backwards.

Release 0.9.0 ends in the first anchor frame with "ObjectQuery.state must be a Region". Four things are wrong
in the loop: the query takes a status for a region, its offset is the anchor's frame where the cut sequence
begins with 0, times are looked up in a number, and a status is stored where its region and properties belong.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from vot.dataset import Sequence
from vot.dataset.proxy import FrameMapSequence
from vot.experiment.multistart import MultiStartExperiment, find_anchors
from vot.region import Special
from vot.tracker import ObjectQuery, Tracker, Trajectory


def mend() -> bool:
    """Replace the loop; returns whether it was the broken one."""
    if "self._get_initialization(proxy, 0), {}, i)" not in inspect.getsource(MultiStartExperiment.execute):
        return False
    MultiStartExperiment.execute = _execute
    return True


def _execute(
    self: MultiStartExperiment,
    tracker: Tracker,
    sequence: Sequence,
    force: bool = False,
    callback: Callable[[float], None] | None = None,
) -> None:
    results = self.results(tracker, sequence)
    forward, backward = find_anchors(sequence, self.anchor)
    starts = [(frame, False) for frame in forward] + [(frame, True) for frame in backward]
    if not starts:
        raise RuntimeError("Sequence does not contain any anchors")
    with self._get_runtime(tracker, sequence) as runtime:
        for done, (start, reverse) in enumerate(starts, start=1):
            name = f"{sequence.name}_{start:08d}"
            if Trajectory.exists(results, name) and not force:
                continue
            frames = range(start, -1, -1) if reverse else range(start, len(sequence))
            part = FrameMapSequence(sequence, list(frames))
            first = self._get_initialization(part, 0)
            status = runtime.run(part, [ObjectQuery(first.region, first.properties, 0)])
            trajectory = Trajectory(len(part))
            for frame, (found, time) in enumerate(zip(status.objects[0], status.times, strict=True)):
                region = found.region if frame else Special(Trajectory.INITIALIZATION)
                trajectory.set(frame, region, {**found.properties, "time": time})
            trajectory.write(results, name)
            if callback:
                callback(done / len(starts))
