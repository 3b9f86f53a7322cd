"""What all rendered clips of a data set share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FIRST_RENDERED_SEED = 1000
"""Clips of seeds from this one on are for training; those below are for measuring alone."""

CLIP_NAME = "physics-{:06d}"
"""Of a clip, by its seed."""


@dataclass(frozen=True)
class ClipSettings:
    """A clip depends on its seed and on these alone."""

    photographs: tuple[Path, ...]
    """Files that textures are cut from."""
    size: tuple[int, int] = (384, 216)
    """Width and height, in pixels."""
    frames: tuple[int, int] = (16, 24)
    """Least and most frames of a clip."""


def seed_of(name: str) -> int | None:
    """Return the seed of a rendered clip by its name; None for other videos.

    Example:
        >>> seed_of("physics-000211"), seed_of("bear")
        (211, None)
    """
    head, _, digits = name.rpartition("-")
    return int(digits) if head == "physics" and digits.isdecimal() else None
