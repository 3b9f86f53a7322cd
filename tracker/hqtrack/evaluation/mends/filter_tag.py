"""Analyses of tagged frames, on sequences that have no places to ignore.

Release 0.9.0 walks over the object `_ignore` of a sequence without asking whether there is one. Where
there is none, the whole analysis ends with "'NoneType' object is not iterable".
"""

from __future__ import annotations

import inspect
from typing import Any

from vot.analysis import SeparableAnalysis, accuracy, longterm
from vot.dataset import Sequence
from vot.dataset.proxy import ProxySequence
from vot.region import Region, Special


def mend() -> bool:
    """Make analyses ignore nothing where nothing is to be ignored; returns whether one of them could not."""
    broken: list[Any] = [
        analysis
        for module in (accuracy, longterm)
        for analysis in vars(module).values()
        if inspect.isclass(analysis)
        and issubclass(analysis, SeparableAnalysis)
        and "subcompute" in vars(analysis)
        and "zip(ignore_masks, frame_mask)" in inspect.getsource(vars(analysis)["subcompute"])
    ]
    for analysis in broken:
        analysis.subcompute = _ignoring_nothing(analysis.subcompute)
    return bool(broken)


def _ignoring_nothing(original: Any) -> Any:
    def subcompute(self: Any, experiment: Any, tracker: Any, sequence: Sequence, dependencies: Any) -> Any:
        if self.filter_tag is not None and sequence.object(self.ignore_masks) is None:
            sequence = _IgnoringNothing(sequence, self.ignore_masks)
        return original(self, experiment, tracker, sequence, dependencies)

    return subcompute


class _IgnoringNothing(ProxySequence):  # type: ignore[misc]
    """A sequence whose object of ignored places is there, and empty."""

    def __init__(self, source: Sequence, ignored: str) -> None:
        super().__init__(source)
        self._ignored = ignored

    def object(self, id: str, index: int | None = None) -> Region | list[Region] | None:
        """Return the regions of an object, or its region in a frame."""
        if id != self._ignored:
            return self._source.object(id, index)
        nothing = Special(Sequence.UNKNOWN)
        return [nothing] * len(self) if index is None else nothing
