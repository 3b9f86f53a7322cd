"""Stored results of a workspace as pictures and files: overlay, label images, boxes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from vot.dataset import Sequence as VotSequence
from vot.experiment import Experiment
from vot.experiment.multirun import MultiRunExperiment
from vot.tracker import Tracker
from vot.tracker.results import Trajectory
from vot.workspace import Workspace

from hqtrack.errors import DataError, did_you_mean
from hqtrack.evaluation.pictures import frame_of, masks_of, side_by_side, truth_of
from hqtrack.evaluation.results import State, state_of
from hqtrack.evaluation.workspaces import open_workspace, resolve, understand
from hqtrack.files import make_folder
from hqtrack.masks import Masks
from hqtrack.video.sources import Frame
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers import Outputs, VideoFacts

KINDS_OF_ONE = ("labels", "csv")
"""What is written for each tracker by itself."""


def show(
    folder: Path, names: Sequence[str], sequence_name: str, out: Path, experiment_name: str | None = None
) -> list[Path]:
    """Write what trackers found in a sequence: one overlay of all, label images and boxes of each.

    Args:
        folder: The workspace.
        names: Trackers with complete results, as `hqtrack evaluate` takes them.
        sequence_name: One of its sequences.
        out: Folder, made where there is none.
        experiment_name: Of its stack; by default the first that keeps whole trajectories.

    Returns:
        The files and folders.

    Raises:
        DataError: A name is unknown, or there are no complete results.
    """
    workspace = open_workspace(folder.resolve())
    experiment = _experiment(workspace, experiment_name)
    identifiers = list(workspace.registry.identifiers())
    trackers = resolve(workspace, [understand(name, identifiers).identifier for name in names])
    known = workspace.dataset.list()
    if sequence_name not in known:
        raise DataError(
            f"no sequence {sequence_name!r}: {did_you_mean(sequence_name, known)}there are {', '.join(known)}"
        )
    (sequence,) = experiment.transform(workspace.dataset[sequence_name])[:1]
    results = [_trajectories(experiment, tracker, sequence) for tracker in trackers]
    out.mkdir(parents=True, exist_ok=True)
    facts = VideoFacts(Fraction(str(sequence.metadata("fps", 25) or 25)).limit_denominator(1001))
    written: list[Path] = []
    overlay = Outputs(["overlay"], out, facts)
    folders = [out / tracker.identifier for tracker in trackers]
    for each in folders:
        make_folder(each)
    single = [Outputs(list(KINDS_OF_ONE), each, facts) for each in folders]
    everything = [overlay, *single]
    try:
        for index in range(len(sequence)):
            image = frame_of(sequence, index)
            masks = [masks_of(sequence, each, index) for each in results]
            time = index / facts.fps
            wide = side_by_side(image, masks, [t.label for t in trackers], truth_of(sequence, index))
            nothing: Masks = np.zeros((0, *wide.shape[:2]), bool)
            overlay.write(TrackedFrame(Frame(wide, index, time, f"{index:08d}"), nothing))
            for outputs, found, trajectories in zip(single, masks, results, strict=True):
                frame = Frame(image, index, time, f"{index + 1:08d}")
                scores = [_score(t, index, mask.any()) for t, mask in zip(trajectories, found, strict=True)]
                outputs.write(TrackedFrame(frame, found, scores=scores))
        for outputs in everything:
            outputs.finish()
            written += outputs.paths
    except BaseException:
        for outputs in everything:
            outputs.discard()
        raise
    return written


def _experiment(workspace: Workspace, name: str | None) -> Experiment:
    experiments: dict[str, Experiment] = workspace.stack.experiments
    whole = {key: each for key, each in experiments.items() if isinstance(each, MultiRunExperiment)}
    if name is None and whole:
        return next(iter(whole.values()))
    if name in whole:
        return whole[name]
    raise DataError(
        f"{workspace.directory}: {'no experiment' if name is None else f'experiment {name!r}'} keeps whole "
        f"trajectories; those that do: {', '.join(whole) or 'none'}"
    )


def _trajectories(experiment: Experiment, tracker: Tracker, sequence: VotSequence) -> list[Trajectory]:
    if state_of(experiment, tracker, sequence) is not State.COMPLETE:
        raise DataError(
            f"{tracker.identifier} has no complete results of {sequence.name} in experiment "
            f"{experiment.identifier}; run: hqtrack evaluate {tracker.identifier}"
        )
    trajectories: list[Trajectory] = experiment.gather(tracker, sequence)
    objects = len(sequence.objects())
    return trajectories[:: max(1, len(trajectories) // objects)][:objects]


def _score(trajectory: Trajectory, index: int, seen: bool) -> float:
    confidence = trajectory.properties(index).get("confidence")
    return float(seen) if confidence is None else min(1.0, max(0.0, float(confidence)))
