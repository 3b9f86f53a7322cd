"""What a workspace holds of a tracker's results on a sequence: everything, nothing, or something broken.

The toolkit asks only whether files are there. A process that is killed while it writes, or a disk that is
full, leaves files that are too short; they pass `vot evaluate` and `vot pack`, and break `vot analysis`.
"""

from __future__ import annotations

import struct
from enum import Enum
from pathlib import Path

from vot.dataset import Sequence
from vot.experiment import Experiment, UnsupervisedExperiment
from vot.tracker import Tracker
from vot.tracker.results import Results

_HEADER = struct.Struct("<hI")
_SIZES = {0: struct.Struct("<I"), 1: struct.Struct("<ffff"), 4: struct.Struct("<ff")}
"""Sizes of a special code, a rectangle and a point in the toolkit's binary files, by their type."""
_POLYGON, _MASK = 2, 3
_CORNERS, _MASK_HEAD = struct.Struct("<H"), struct.Struct("<hhHHH")


class State(Enum):
    """Of the results of one tracker in one experiment on one sequence."""

    MISSING = "missing"
    BROKEN = "broken"
    COMPLETE = "complete"


def state_of(experiment: Experiment, tracker: Tracker, sequence: Sequence) -> State:
    """Return whether results are there and whole.

    Args:
        experiment: Of a workspace's stack.
        tracker: Of its registry.
        sequence: As `experiment.transform` gives it.
    """
    complete, files, results = experiment.scan(tracker, sequence)
    if not files:
        return State.MISSING
    if not complete:
        return State.BROKEN
    # Other experiments restart a tracker in mid-sequence; their trajectories are of any length.
    length = len(sequence) if isinstance(experiment, UnsupervisedExperiment) else None
    return State.COMPLETE if all(_whole(results, file, files, length) for file in files) else State.BROKEN


def remove(experiment: Experiment, tracker: Tracker, sequence: Sequence) -> None:
    """Delete the files of one tracker in one experiment on one sequence."""
    for file in folder_of(experiment.results(tracker, sequence)).glob("*"):
        file.unlink(missing_ok=True)


def folder_of(results: Results) -> Path:
    """Return the folder in which the toolkit keeps these results."""
    return Path(results._storage.base)


def dropped_frames(experiment: Experiment, tracker: Tracker, sequence: Sequence) -> tuple[int, int] | None:
    """Count the frames that the tracker was too slow to be shown, or None where all frames wait for it.

    The toolkit repeats the last answer there and writes that it took no time.

    Returns:
        Frames that were dropped, and all frames, of all parts of a sequence where a tracker starts again.
    """
    if experiment.realtime is None:
        return None
    _, files, results = experiment.scan(tracker, sequence)
    times = sorted(file for file in files if file.endswith("_time.value"))
    if isinstance(experiment, UnsupervisedExperiment):
        times = times[:1]  # objects share the times
    dropped = frames = 0
    for file in times:
        lines = (folder_of(results) / file).read_text().splitlines()
        frames += len(lines)
        dropped += sum(bool(line) and float(line) == 0 for line in lines[1:])
    return dropped, frames


def _whole(results: Results, file: str, files: list[str], length: int | None) -> bool:
    path = folder_of(results) / file
    try:
        if file.endswith(".bin"):
            times = f"{file.removesuffix('.bin')}_time.value"
            return trajectory_length(path.read_bytes()) == (length or _frames(path)) and (
                length is None or times in files
            )
        lines = path.read_text().splitlines(keepends=True)
    except (OSError, ValueError):
        return False
    return bool(lines) and lines[-1].endswith("\n") and length in (None, len(lines))


def _frames(path: Path) -> int:
    return int(_HEADER.unpack_from(path.read_bytes())[1])


def trajectory_length(content: bytes) -> int:
    """Count the regions of a binary trajectory without decoding its masks.

    Raises:
        ValueError: The content ends too early or too late, or is no trajectory.
    """
    try:
        version, announced = _HEADER.unpack_from(content)
        if version != 1:
            raise ValueError(f"a trajectory of version {version}")
        place = _HEADER.size
        for _ in range(announced):
            kind = content[place]
            place += 1
            if kind in _SIZES:
                place += _SIZES[kind].size
            elif kind == _POLYGON:
                (corners,) = _CORNERS.unpack_from(content, place)
                place += _CORNERS.size + 8 * corners
            elif kind == _MASK:
                *_, runs = _MASK_HEAD.unpack_from(content, place)
                place += _MASK_HEAD.size + 2 * runs
            else:
                raise ValueError(f"a region of unknown type {kind}")
    except (struct.error, IndexError) as error:
        raise ValueError("it ends too early") from error
    if place != len(content):
        raise ValueError("its length is not what its content says")
    return int(announced)
