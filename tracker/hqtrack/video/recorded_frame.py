"""A tracked frame as a line of JSON, of which both records are made: the journal's, and the page's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from hqtrack.images import Image
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
    scores: list[float] | None = None
    """How sure the tracker was of each mask."""
    pixels: str | None = None
    """A digest of the frame's pixels."""
    ids: list[int] | None = None
    """The object of each mask."""
    parts: list[tuple[int, int]] | None = None
    """Ids (whole, part) of objects whose masks outputs have whole."""
    cut: bool = False
    """True: another shot begins with the frame."""

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


def line_of(
    frame: str,
    size: tuple[int, ...],
    run_lengths: Sequence[Rle],
    *,
    scores: Sequence[float] | None = None,
    pixels: str | None = None,
    ids: Sequence[int] | None = None,
    parts: Sequence[tuple[int, int]] = (),
    cut: bool = False,
) -> bytes:
    """Write the masks of a frame (height, width) as a line; see `RecordedFrame`."""
    counts = [coded["counts"] for coded in run_lengths]
    entry: dict[str, Any] = {"frame": frame, "size": size, "masks": counts}
    entry |= {} if scores is None else {"scores": [*scores]}
    entry |= {} if pixels is None else {"pixels": pixels}
    entry |= {} if ids is None else {"ids": [*ids]}
    entry |= {"parts": [*parts]} if parts else {}
    entry |= {"cut": True} if cut else {}
    return json.dumps(entry).encode("ascii") + b"\n"


def digest(image: Image) -> str:
    """Return a digest of one pixel in eight in each direction, which costs next to nothing."""
    return hashlib.blake2b(np.ascontiguousarray(image[::8, ::8]).data, digest_size=8).hexdigest()


def parsed(line: bytes) -> RecordedFrame:
    """Read a line.

    Raises:
        ValueError: It is damaged.
    """
    read = _LINES.validate_json(line)
    for coded in read.run_lengths:
        runs_of(coded)
    return read
