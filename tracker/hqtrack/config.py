"""Settings of a tracking system, as frozen dataclasses that a model card fills.

A card is the whole description of a system (see `models/*.toml`). Unknown keys and values out of
range are errors.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

_STRICT = ConfigDict(extra="forbid")

Paradigm = Literal["joint", "separate"]
RefinerKind = Literal[
    "hq-sam-vit-h", "hq-sam-vit-l", "hq-sam-vit-b", "hq-sam-vit-tiny", "sam-vit-h", "sam-vit-l", "sam-vit-b"
]


@dataclass(frozen=True, config=_STRICT)
class Weights:
    """Where a network's weights are found, and how they are checked."""

    file: str
    """File name under `models/weights` or in the user's cache."""
    origin: Literal["embedded", "published", "to-be-trained"]
    licence: str = ""
    url: str | None = None
    """Direct download, when there is one."""
    page: str | None = None
    """Page on which a person finds the file when there is no direct download."""
    sha256: str | None = None
    """Checked when known; recorded at the first download where the authors publish none."""


@dataclass(frozen=True, config=_STRICT)
class Memory:
    """What propagation remembers (paper section 3.2)."""

    long_term_slots: Annotated[int, Field(ge=0)] | None = 8
    """Long-term entries besides the reference; None keeps all of them."""
    long_term_gap: Annotated[int, Field(ge=1)] = 50
    """Frames between two long-term writes."""
    short_term_distance: Annotated[int, Field(ge=1)] = 4
    """The short-term memory is the entry of this many frames ago."""


@dataclass(frozen=True, config=_STRICT)
class Refiner:
    """Which SAM refines the masks, and when its result is kept."""

    kind: RefinerKind
    weights: Weights
    iou_threshold: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Threshold tau: a refined mask is kept only where its IoU with VMOS's exceeds this."""
    overlap: Literal["lower-index", "higher-quality"] = "lower-index"
    """Who owns a pixel that two kept masks claim."""


@dataclass(frozen=True, config=_STRICT)
class Card:
    """A tracking system: network, memory, input size, refiner, paradigm and weights."""

    name: str
    title: str
    """One line for tables: what the system is, in the paper's words."""
    network: str
    """A name that `hqtrack.nets.build` knows."""
    weights: Weights
    memory: Memory = Field(default_factory=Memory)
    max_long_edge: Annotated[int, Field(ge=64)] = 1040
    """Frames are resized so that their longer side is at most this many pixels."""
    paradigm: Paradigm = "joint"
    refiner: Refiner | None = None
