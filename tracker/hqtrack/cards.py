"""Settings of a tracking system, as frozen dataclasses that a model card fills.

A card is the whole description of a system (see `models/*.toml`). Unknown keys and values out of
range are errors that name the key, the value and what is allowed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from hqtrack.errors import CardError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_STRICT = ConfigDict(extra="forbid")

Paradigm = Literal["joint", "separate"]
Overlap = Literal["lower-index", "higher-quality", "as-propagated"]
RefinerKind = Literal[
    "light",
    "hq-sam-vit-h",
    "hq-sam-vit-l",
    "hq-sam-vit-b",
    "hq-sam-vit-tiny",
    "sam-vit-h",
    "sam-vit-l",
    "sam-vit-b",
]


LONGEST_EDGE = 16_384
"""Of what a network may see: larger numbers are mistakes, and no memory holds their features."""

LONGEST_NAME = 200
"""Bytes of a weight file's name: file systems take 255, and a download adds to it while it is unfinished."""


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line without control characters")
    return text


def _file_name(text: str) -> str:
    path = Path(text)
    if len(path.name.encode()) > LONGEST_NAME:
        raise ValueError(f"must have at most {LONGEST_NAME} bytes")
    if path.name in ("", "..") or "\\" in path.name or (path.name != text and not path.is_absolute()):
        raise ValueError("must be the name of a file, without folders, or an absolute path")
    return text


Text = Annotated[str, AfterValidator(_printable)]
FileName = Annotated[Text, AfterValidator(_file_name)]
Slots = Annotated[int, Field(ge=0, le=100_000)]


def _all_is_none(value: Any) -> Any:
    """Read "all" as None: TOML has no null."""
    return None if value == "all" else value


@dataclass(frozen=True, config=_STRICT)
class Weights:
    """Where a network's weights are found, and how they are checked."""

    file: FileName
    """Its name in `models/weights`, in the user's cache or beside a card of one's own; or its full path."""
    origin: Literal["embedded", "published", "to-be-trained"]
    licence: Text = ""
    url: Text | None = None
    """Direct download, or a shared drive folder that holds the file."""
    page: Text | None = None
    """Page on which a person finds the file."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """Checked when known; recorded at the first download where the authors publish none."""
    name: Text = ""
    """What `hqtrack weights pull` calls them; the file's stem if empty."""

    @property
    def label(self) -> str:
        """Name on the command line and in tables."""
        return self.name or Path(self.file).stem


@dataclass(frozen=True, config=_STRICT)
class Memory:
    """What propagation remembers (paper section 3.2)."""

    long_term_slots: Annotated[
        Annotated[int, Field(ge=0, le=100_000)] | None, BeforeValidator(_all_is_none)
    ] = 8
    """Long-term entries besides the reference; None ("all" in a card) keeps every one of them."""
    long_term_gap: Annotated[int, Field(ge=1, le=10**9)] = 50
    """Frames between two long-term writes."""
    short_term_distance: Annotated[int, Field(ge=1, le=10_000)] = 4
    """The short-term memory is the entry of this many frames ago."""


@dataclass(frozen=True, config=_STRICT)
class Refiner:
    """What refines the masks (the light refiner or a SAM), and when its result is kept."""

    kind: RefinerKind
    weights: Weights
    iou_threshold: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Threshold tau: a refined mask is kept only where its IoU with VMOS's exceeds this."""
    overlap: Overlap = "lower-index"
    """Who owns a pixel that two kept masks claim."""
    mask_prompt: bool = False
    """Whether the refiner is shown VMOS's mask besides its box; only the light one takes masks."""
    remembered: bool = False
    """Whether propagation goes on from the selected masks; as published they are for output alone."""

    def __post_init__(self) -> None:
        if self.mask_prompt and self.kind != "light":
            raise ValueError(f"mask_prompt is for the light refiner; {self.kind} takes boxes alone")


@dataclass(frozen=True, config=_STRICT)
class Card:
    """A tracking system: network, memory, input size, refiner, paradigm and weights."""

    name: Annotated[Text, Field(min_length=1)]
    title: Text
    """One line for tables: what the system is, in the paper's words."""
    network: Text
    """A name that `hqtrack.nets.build` knows."""
    weights: Weights
    memory: Memory = Field(default_factory=Memory)
    max_long_edge: Annotated[int, Field(ge=64, le=LONGEST_EDGE)] = 1040
    """Frames are resized so that their longer side is at most this many pixels."""
    min_short_edge: Annotated[int, Field(ge=0, le=LONGEST_EDGE)] = 0
    """Smaller frames are enlarged to this shorter side, within the limit above; 0 enlarges none."""
    search_margin: Annotated[float, Field(ge=0, le=1000)] | None = None
    """While an object is seen within its last box, grown on each side by this part of it, it is nowhere
    else; None searches the whole frame, as published."""
    largest_gap: Annotated[float, Field(ge=0, le=1000)] | None = None
    """While an object is seen where it was, its pieces are no farther from its main body than this times the
    root of its area, unless it was given in pieces; None lets them be anywhere, as published."""
    motion_prior: bool = False
    """Whether each of several objects that are nearly as likely goes where it is expected from how it moved,
    and what went behind another one may come out again; published systems know nothing of motion."""
    guided_outlines: bool = False
    """Whether what is shown unrefined has outlines that follow the frame's edges, by a guided filter;
    published systems resize logits."""
    paradigm: Paradigm = "joint"
    refiner: Refiner | None = None

    @property
    def all_weights(self) -> tuple[Weights, ...]:
        """Every weight file that the system needs: the network's and its refiner's."""
        return (self.weights,) if self.refiner is None else (self.weights, self.refiner.weights)


OVERRIDES: Mapping[str, tuple[str, ...]] = {
    "long_term_slots": ("memory", "long_term_slots"),
    "long_term_gap": ("memory", "long_term_gap"),
    "short_term_distance": ("memory", "short_term_distance"),
    "iou_threshold": ("refiner", "iou_threshold"),
    "max_long_edge": ("max_long_edge",),
    "search_margin": ("search_margin",),
    "largest_gap": ("largest_gap",),
    "motion_prior": ("motion_prior",),
    "guided_outlines": ("guided_outlines",),
    "paradigm": ("paradigm",),
}
"""Settings that a caller may override, and where a card keeps them."""


def read_card(path: Path, **overrides: Any) -> Card:
    """Read a card from a TOML file.

    Args:
        path: The card.
        **overrides: New values of settings named in `OVERRIDES`; None leaves the card's value, and
            `long_term_slots="all"` keeps every long-term entry.

    Raises:
        CardError: The file is unreadable, or a key or a value is not allowed.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors write a mark first
    except (OSError, ValueError, RecursionError) as error:
        raise CardError(f"{path}: not a readable model card: {error}") from error
    card = card_from_table(table, source=str(path))
    if not overrides:
        return card
    for name, value in overrides.items():
        if name not in OVERRIDES:
            raise CardError(f"{name} = {value!r}: no such setting; allowed are {_listed(OVERRIDES)}")
        if value is not None:
            _put(table, OVERRIDES[name], value, name, path)
    return card_from_table(table, source=str(path))


def card_from_table(table: Mapping[str, Any], source: str) -> Card:
    """Validate the content of a card.

    Args:
        table: The card as nested tables, as TOML gives them.
        source: Where the table comes from, for messages.

    Raises:
        CardError: A key or a value is not allowed.
    """
    try:
        return _CARDS.validate_python(table)
    except ValidationError as error:
        problems = [
            _problem(detail["loc"], detail["type"], detail["input"], detail["msg"])
            for detail in error.errors()
        ]
        raise CardError(f"{source}: " + "; ".join(problems)) from error


def _put(table: dict[str, Any], keys: tuple[str, ...], value: Any, name: str, path: Path) -> None:
    """Set a value in nested tables; only `memory` may be absent from a card."""
    *sections, key = keys
    for section in sections:
        if section == "refiner" and section not in table:
            raise CardError(f"{name} = {value!r}: the card {path.stem} has no refiner; choose one that has")
        table = table.setdefault(section, {})
    table[key] = value


def _problem(location: tuple[int | str, ...], kind: str, value: Any, message: str) -> str:
    """Say in one clause which key of a card is wrong, its value, and what is allowed."""
    *sections, last = location
    names = [str(part) for part in sections if isinstance(part, str) and part.isidentifier()]
    names.append(str(last) if str(last).isprintable() else repr(last))
    key = ".".join(names)
    if kind == "unexpected_keyword_argument":
        return f"unknown key {key} = {_shown(value)}; allowed are {_listed(_keys_beside(names))}"
    if kind in ("missing", "missing_argument"):
        return f"key {key} is missing"
    message = message.removeprefix("Value error, ")
    return f"{key} = {_shown(value)}: {message[0].lower()}{message[1:]}"


def _shown(value: Any) -> str:
    """Write a value for a message, which must stay readable whatever somebody put into a card."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Python writes no number of thousands of digits
        return f"a {type(value).__name__} too long to show"
    return text if len(text) <= 100 else f"{text[:99]}…"


def _keys_beside(names: list[str]) -> list[str]:
    """Keys that the section holding the last of `names` may have."""
    section: Any = Card
    for name in names[:-1]:
        hint = get_type_hints(section)[name]
        section = next(kind for kind in (hint, *get_args(hint)) if is_dataclass(kind))
    return [field.name for field in fields(section)]


def _listed(names: Mapping[str, Any] | list[str]) -> str:
    return ", ".join(sorted(names))


_CARDS = TypeAdapter(Card)
