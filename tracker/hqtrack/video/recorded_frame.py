"""A tracked frame as a line of JSON, of which both records are made: the journal's, and the page's."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from hqtrack.masks import Masks, Rle, rle_decode, runs_of


@dataclass(frozen=True, config=ConfigDict(strict=True))
class RecordedFrame:
    """What a line holds."""

    frame: str
    """The frame's name."""
    size: tuple[int, int]
    """Height, width."""
    masks: list[str]
    """Run lengths of each object's mask."""

    @property
    def run_lengths(self) -> list[Rle]:
        """The masks as COCO stores them."""
        return [{"size": [*self.size], "counts": counts} for counts in self.masks]

    def decoded(self) -> Masks:
        """Return the masks, (N, H, W) bool."""
        masks = np.zeros((len(self.masks), *self.size), bool)
        for mask, coded in zip(masks, self.run_lengths, strict=True):
            mask[:] = rle_decode(coded)
        return masks


_LINES = TypeAdapter(RecordedFrame)


def line_of(frame: str, size: tuple[int, ...], run_lengths: Sequence[Rle]) -> bytes:
    """Write the masks of a frame (height, width) as a line."""
    counts = [coded["counts"] for coded in run_lengths]
    return json.dumps({"frame": frame, "size": size, "masks": counts}).encode("ascii") + b"\n"


def parsed(line: bytes) -> RecordedFrame:
    """Read a line.

    Raises:
        ValueError: It is damaged.
    """
    read = _LINES.validate_json(line)
    for coded in read.run_lengths:
        runs_of(coded)
    return read
