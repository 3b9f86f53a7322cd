"""Sequences of a data set that can be tracked, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vot.dataset import Sequence
from vot.region import is_special
from vot.region.io import read_trajectory


def sort_sequences(dataset: Iterable[Sequence]) -> tuple[list[Sequence], list[str]]:
    """Return the sequences that can be read, and of each other one a line that names the file."""
    readable, problems = [], []
    for sequence in dataset:
        problem = problem_of(sequence)
        if problem:
            problems.append(f"sequence {sequence.name}: {problem}")
        else:
            readable.append(sequence)
    return readable, problems


def problem_of(sequence: Sequence) -> str:
    """Return what keeps a sequence from being tracked, with the file; empty where nothing does."""
    folder = Path(str(sequence.metadata("root", "")))
    try:
        objects = [name for name in sequence.objects() if not name.startswith("_")]
        frames = [sequence.frame(index).filename() for index in (0, len(sequence) - 1)]
    except Exception as error:  # the toolkit's readers let through whatever they meet
        file = _unreadable_truth(folder) or folder / "sequence"
        return f"{file} cannot be read: {' '.join(str(error).split()) or type(error).__name__}"
    for frame in frames:
        if frame is None or not Path(frame).is_file():
            return f"there is no frame {frame}; see length and channels in {folder / 'sequence'}"
    for name in objects:
        if all(region is None or is_special(region) for region in sequence.object(name)):
            files = [file for file in _truth(folder) if file.stem in (f"groundtruth_{name}", "groundtruth")]
            return f"{files[0] if files else name} has no region, so that there is nothing to track"
    return "" if objects else f"{folder} has no object to track"


def _truth(folder: Path) -> list[Path]:
    return sorted(folder.glob("groundtruth*.txt"))


def _unreadable_truth(folder: Path) -> Path | None:
    for file in _truth(folder):
        try:
            read_trajectory(str(file))
        except Exception:
            return file
    return None
