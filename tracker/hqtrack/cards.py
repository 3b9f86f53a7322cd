"""Settings of a tracking system, as frozen dataclasses that a model card fills.

A card is the whole description of a system (see `models/*.toml`). It may build on another one (`base`).
Unknown keys and values out of range are errors that name the key, the value and what is allowed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, cast, get_args, get_type_hints

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.dataclasses import dataclass

from hqtrack.errors import CardError
from hqtrack.installed import models_folder

if sys.version_info >= (3, 12):
    from typing import TypedDict, is_typeddict
else:
    from typing_extensions import TypedDict, is_typeddict

OFF = "off"
"""Switches a setting off, in a card and in place of a card's value."""

NO_FILE = "none"
"""In place of a weight file's name: the engine needs no weights."""

_STRICT = ConfigDict(extra="forbid")

Paradigm = Literal["joint", "separate"]
Overlap = Literal["lower-index", "as-propagated"]
Backend = Literal["auto", "torch", "onnx", "openvino"]
RefinerKind = Literal[
    "light",
    "hq-sam-vit-h",
    "hq-sam-vit-l",
    "hq-sam-vit-b",
    "hq-sam-vit-tiny",
    "sam-vit-h",
    "sam-vit-l",
    "sam-vit-b",
    "sam2.1-hiera-tiny",
    "sam2.1-hiera-small",
    "sam2.1-hiera-base-plus",
    "sam2.1-hiera-large",
]
RefinerLibrary = Literal["segment-anything-hq", "transformers"]


LONGEST_EDGE = 16_384
"""Of what a network may see: larger numbers are mistakes, and no memory holds their features."""

LONGEST_NAME = 200
"""Bytes of a weight file's name: file systems take 255, and a download adds to it while it is unfinished."""


LARGEST_CARD = 1 << 20
"""Bytes of a card: people write some thousand."""

_WORD = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_DEEP_KEY = re.compile(rf"""(?<![\w"'-])(?:{_WORD}[ \t]*+\.[ \t]*+){{50}}""")
"""A key of many parts: TOML's parser takes memory by the square of their number."""


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


def _number_or_none(value: Any) -> Any:
    """Read "off" as None."""
    if value is True:  # which would be taken for 1.0
        raise ValueError(f"must be a number, or {OFF}")
    return None if value is False or value == OFF else value


def _none_if_off(value: Any) -> Any:
    return None if value == OFF else value


def _all_is_none(value: Any) -> Any:
    """Read "all" as None: TOML has no null."""
    return None if value == "all" else value


@dataclass(frozen=True, config=_STRICT)
class Weights:
    """Where a network's weights are found, and how they are checked."""

    file: FileName
    """Its name in `models/weights`, in the user's cache or next to a card of one's own; or its full path."""
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
    gated: bool = False
    """True where their page asks people to sign in and to accept a licence."""

    @property
    def label(self) -> str:
        """Name on the command line and in tables."""
        return self.name or Path(self.file).stem


@dataclass(frozen=True, config=_STRICT)
class MemorySettings:
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
class RefinerSettings:
    """What refines the masks (the light refiner or a SAM), and when its result is kept."""

    kind: RefinerKind
    weights: Weights
    iou_threshold: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Threshold tau: a refined mask is kept only where its IoU with VMOS's exceeds this."""
    overlap: Overlap = "lower-index"
    """Who owns a pixel that two kept masks claim."""
    mask_prompt: bool = False
    """True: the refiner is shown VMOS's mask besides its box; the light one and SAM 2.1 take masks."""
    remembered: bool = False
    """True: propagation continues from the selected masks; as published they are for output alone."""
    library: RefinerLibrary = "segment-anything-hq"
    """Whose code runs a SAM; the masks are equal. transformers has no TinyViT."""

    def __post_init__(self) -> None:
        if self.library == "transformers" and self.kind in ("light", "hq-sam-vit-tiny"):
            raise ValueError(f'library = "transformers" has no {self.kind}; leave library out')
        if self.mask_prompt and not self.kind.startswith(("light", "sam2.1-")):
            raise ValueError(f"mask_prompt is for the light refiner and SAM 2.1; {self.kind} takes none")


@dataclass(frozen=True, config=_STRICT)
class About:
    """What a person wants to know who chooses a system."""

    parameters: Annotated[float, Field(gt=0)]
    """Of all its networks, in millions."""
    good_for: Text = ""
    """When to take it, in a few words."""
    quality: Text = ""
    """A published figure, with the name of the data and the measure."""
    source: Text = ""
    """Who published it."""

    def __post_init__(self) -> None:
        if bool(self.quality) != bool(self.source):
            raise ValueError("quality and source go together: name both, or neither")


_Measure = Annotated[Annotated[float, Field(ge=0, le=1000)] | None, BeforeValidator(_number_or_none)]


class RuleSettings(TypedDict, total=False):
    """What a system knows of its objects besides what its network sees: the rules that it has."""

    search_margin: _Measure
    """While an object is seen within its last box, grown on each side by this part, it is only there."""
    motion_prior: bool
    """Each of several objects that are nearly as likely goes where it is expected from how it moved, and what
    went behind another one may come out again."""
    largest_gap: _Measure
    """While an object is seen where it was, its pieces are no farther from its main body than this times the
    root of its area, unless it was given in pieces."""


def _rules_that_are_on(value: Any, check: ValidatorFunctionWrapHandler) -> RuleSettings:
    """Return a card's rules in the card's own order, without those that are off."""
    given = {} if value == OFF else value
    checked = check(given)
    on = {name: checked[name] for name in given if checked[name] not in (None, False)}
    return cast(RuleSettings, on)


@dataclass(frozen=True, config=_STRICT)
class Card:
    """A tracking system: network, memory, input size, refiner, paradigm and weights."""

    name: Annotated[Text, Field(min_length=1)]
    title: Text
    """One line for tables: what the system is, in the paper's words."""
    network: Text
    """A network that the engine knows; for "vmos" a name that `hqtrack.nets.build` knows."""
    weights: Weights
    base: Text = ""
    """The card that this one builds on; `read_card` has filled in what is taken from there."""
    memory: MemorySettings = Field(default_factory=MemorySettings)
    max_long_edge: Annotated[int, Field(ge=64, le=LONGEST_EDGE)] = 1040
    """Frames are resized so that their longer side is at most this many pixels."""
    min_short_edge: Annotated[int, Field(ge=0, le=LONGEST_EDGE)] = 0
    """Smaller frames are enlarged to this shorter side, within the limit above; 0 enlarges none."""
    rules: Annotated[RuleSettings, WrapValidator(_rules_that_are_on)] = Field(
        default_factory=lambda: RuleSettings()
    )
    """In the order in which they judge; published systems have none."""
    guided_outlines: bool = False
    """Whether what is shown unrefined has outlines that follow the frame's edges, by a guided filter;
    published systems resize logits."""
    paradigm: Paradigm = "joint"
    refiner: Annotated[RefinerSettings | None, BeforeValidator(_none_if_off)] = None
    backend: Backend = "auto"
    """What runs the encoder; see `hqtrack.runtimes.encoders.choose`. Masks are equal up to rounding."""
    compile: bool = False
    """True: `torch.compile` compiles the image encoder of an engine from another library; see
    `hqtrack.engines.compiling`. Masks are equal up to rounding."""
    engine: Text = "vmos"
    """What propagates: a name of `hqtrack.engines.engine_names`."""
    about: About | None = None
    """For people who choose; a card that builds on another one does not take it from there."""

    @property
    def all_weights(self) -> tuple[Weights, ...]:
        """Every weight file that the system needs: the network's and its refiner's."""
        every = (self.weights,) if self.refiner is None else (self.weights, self.refiner.weights)
        return tuple(weights for weights in every if weights.file != NO_FILE)


class Override(NamedTuple):
    """A setting that a caller may give another value."""

    keys: tuple[str, ...]
    """Where a card keeps it: its sections, then its key."""
    meaning: str
    """What it is, and its values, in a line."""


OVERRIDES: Mapping[str, Override] = {
    "long_term_slots": Override(
        ("memory", "long_term_slots"), "long-term entries besides the reference; `all` keeps every one"
    ),
    "long_term_gap": Override(("memory", "long_term_gap"), "frames between two long-term entries"),
    "short_term_distance": Override(
        ("memory", "short_term_distance"), "frames back to the short-term memory"
    ),
    "max_long_edge": Override(("max_long_edge",), "larger frames are reduced to this longer side, in pixels"),
    "paradigm": Override(("paradigm",), "`joint` or `separate` propagation of objects"),
    "rules": Override(("rules",), "`off`: no rule judges what the network finds"),
    "search_margin": Override(
        ("rules", "search_margin"), "growth of an object's box to where it may be next; or `off`"
    ),
    "motion_prior": Override(
        ("rules", "motion_prior"), "objects are expected where they were going: `true` or `off`"
    ),
    "largest_gap": Override(
        ("rules", "largest_gap"),
        "distance of a piece from its object's main body, in roots of its area; or `off`",
    ),
    "guided_outlines": Override(("guided_outlines",), "outlines follow the frame's edges: `true` or `off`"),
    "backend": Override(
        ("backend",), "what runs the encoder: `torch`, `onnx` or `openvino`; `auto` takes the fastest"
    ),
    "compile": Override(
        ("compile",), "`true`: `torch.compile` compiles the image encoder; not for VMOS and its kind"
    ),
    "refiner": Override(("refiner",), "`off`: masks stay as they were propagated"),
    "iou_threshold": Override(("refiner", "iou_threshold"), "tau, from which a refined mask is kept: 0 to 1"),
}
"""Settings that a caller may override; commands and pages list them from here."""


def read_card(path: Path, **overrides: Any) -> Card:
    """Read a card from a TOML file.

    Args:
        path: The card.
        **overrides: New values of settings named in `OVERRIDES`. None leaves the card's value, "off" switches
            a setting off, and `long_term_slots="all"` keeps every long-term entry.

    Raises:
        CardError: The file is unreadable, or a key or a value is not allowed.
    """
    table = _read_table(path, ())
    card = card_from_table(table, source=str(path))
    if not overrides:
        return card
    for name, value in overrides.items():
        if name not in OVERRIDES:
            raise CardError(f"{name} = {value!r}: no such setting; allowed are {_listed(OVERRIDES)}")
        if value is not None:
            _put(table, OVERRIDES[name].keys, value, name, path)
    return card_from_table(table, source=str(path))


def card_files(path: Path) -> list[Path]:
    """Return the file of a valid card, and those of the cards that it builds on, the nearest first."""
    table = _parsed(path)
    return [path, *(card_files(_base_path(table["base"], path)) if "base" in table else [])]


def card_naming(path: Path, section: str) -> Path:
    """Return the file that holds a section of a card: its own, or that of the card it builds on.

    Args:
        path: A valid card.
        section: Keys of nested tables with dots between, such as "refiner.weights".
    """
    table = found = _parsed(path)
    for key in section.split("."):
        found = found.get(key, {})
    return path if found or "base" not in table else card_naming(_base_path(table["base"], path), section)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is no file")
        with path.open("rb") as file:
            content = file.read(LARGEST_CARD + 1)
        text = content.decode("utf-8-sig")  # some editors write a mark first
        if len(content) > LARGEST_CARD or _DEEP_KEY.search(text):
            raise ValueError("it is too large, or a key has too many parts")
        return tomllib.loads(text.replace("\r\n", "\n"))
    except (OSError, ValueError, RecursionError) as error:
        raise CardError(f"{path}: not a readable model card: {error}") from error


def _base_path(base: str, path: Path) -> Path:
    """Return the file of the card that the card at `path` builds on."""
    return path.parent / base if base.endswith(".toml") else models_folder() / f"{base}.toml"


def _read_table(path: Path, builders: tuple[Path, ...]) -> dict[str, Any]:
    """Return a card's content with what it takes from the card it builds on.

    Args:
        path: The card.
        builders: Cards that build on it, the nearest last.
    """
    table = _parsed(path)
    base = table.get("base")
    if not isinstance(base, str) or not base:
        return table
    file = _base_path(base, path)
    if path.resolve() in builders:
        raise CardError(f"{path}: base = {base!r}: the card builds on itself; name another one")
    if not file.is_file():
        raise CardError(
            f"{path}: base = {base!r}: there is no such card; name one that `hqtrack cards` lists, or a "
            ".toml file by its path from this card"
        )
    inherited = _read_table(file, (*builders, path.resolve()))
    return _built(inherited, table)


def _built(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return a card's own content upon its base's: sections are joined, weights are replaced as a whole."""
    table = {key: value for key, value in base.items() if key not in ("name", "title", "base", "about")}
    for key, value in own.items():
        earlier = table.get(key)
        if key != "weights" and isinstance(earlier, dict) and isinstance(value, dict):
            value = {**earlier, **value}
        table[key] = value
    return table


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
    """Set a value in nested tables; of sections that are absent or off, only the refiner's must be there."""
    *sections, key = keys
    for section in sections:
        if table.get(section, OFF) == OFF:
            if section == "refiner":
                raise CardError(
                    f"{name} = {value!r}: the card {path.stem} has no refiner; choose one that has"
                )
            table[section] = {}
        table = table[section]
    table[key] = value


def _problem(location: tuple[int | str, ...], kind: str, value: Any, message: str) -> str:
    """Return in one clause which key of a card is wrong, its value, and what is allowed."""
    *sections, last = location
    names = [str(part) for part in sections if isinstance(part, str) and part.isidentifier()]
    names.append(str(last) if str(last).isprintable() else repr(last))
    key = ".".join(names)
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
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
        section = next(kind for kind in (hint, *get_args(hint)) if is_dataclass(kind) or is_typeddict(kind))
    return (
        list(get_type_hints(section)) if is_typeddict(section) else [field.name for field in fields(section)]
    )


def _listed(names: Mapping[str, Any] | list[str]) -> str:
    return ", ".join(sorted(names))


_CARDS = TypeAdapter(Card)
