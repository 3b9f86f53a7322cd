"""Sequences of a data set that can be tracked, and what is wrong with the others."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable
from pathlib import Path

from vot.dataset import Dataset, Sequence
from vot.region import is_special
from vot.region.io import read_trajectory

from hqtrack.errors import DataError, did_you_mean


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


def choose_sequences(dataset: Dataset, patterns: Collection[str]) -> list[Sequence]:
    """Return the sequences that a name or a pattern such as `car-*` means; all where none is given.

    Raises:
        DataError: A pattern means none.
    """
    names = dataset.list()
    chosen: dict[str, None] = {}
    for pattern in patterns:
        meant = fnmatch.filter(names, pattern)
        if not meant:
            known = ", ".join(names[:9]) + (f" and {len(names) - 9} more" if len(names) > 9 else "")
            raise DataError(f"no sequence {pattern!r}: {did_you_mean(pattern, names)}there are {known}")
        chosen |= dict.fromkeys(meant)
    return [sequence for sequence in dataset if not patterns or sequence.name in chosen]


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
