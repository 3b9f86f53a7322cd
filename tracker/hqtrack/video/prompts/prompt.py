"""What is known of one object where it begins, and the ids of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import ConfigDict, Field, FiniteFloat, SkipValidation
from pydantic.dataclasses import dataclass

from hqtrack.errors import InputError
from hqtrack.masks import MAX_ID, Mask, free_ids, rle_decode, rle_encode
from hqtrack.video.objects import Colour, TrackedObject


@dataclass(frozen=True, eq=False, config=ConfigDict(strict=True, arbitrary_types_allowed=True))
class Prompt:
    """One object where it begins: its mask, or a box, points, or both; or a picture that shows it."""

    frame: Annotated[int, Field(ge=0)]
    """Index in the whole source."""
    mask: SkipValidation[Mask | None] = None
    """(H, W) bool."""
    box: tuple[FiniteFloat, ...] | None = None
    """x, y, width, height in pixels."""
    points: tuple[tuple[FiniteFloat, ...], ...] = ()
    """x, y each: pixels on the object."""
    beside: tuple[tuple[FiniteFloat, ...], ...] = ()
    """x, y each: pixels that are not of the object."""
    id: Annotated[int, Field(ge=1, le=MAX_ID)] | None = None
    """None: `numbered` makes one."""
    name: str = ""
    """As a person named it."""
    colour: Colour | None = None
    """RGB, as a person chose it."""
    origin: str = ""
    """Where it is from, for messages: a file, a box."""
    until: Annotated[int, Field(ge=0)] | None = None
    """The last frame with the object, on the side to which it is tracked; None: the end of the video."""
    picture: str | None = None
    """File of another picture, of which `mask` is; the object is looked for from the first frame on."""

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        mask = None if self.mask is None else rle_encode(self.mask)
        places = {"box": self.box, "points": self.points, "beside": self.beside}
        marks = {"id": self.id, "name": self.name, "colour": self.colour, "until": self.until}
        marks["picture"] = self.picture
        return {"frame": self.frame, "mask": mask, **places, **marks}

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> Prompt:
        """Read what `as_json` gave."""
        return cls(
            entry["frame"],
            None if entry["mask"] is None else rle_decode(entry["mask"]),
            entry["box"] and tuple(entry["box"]),
            tuple(tuple(point) for point in entry["points"]),
            tuple(tuple(point) for point in entry["beside"]),
            entry["id"],
            entry["name"],
            entry["colour"] and tuple(entry["colour"]),
            until=entry.get("until"),
            picture=entry.get("picture"),
        )


def _place(prompt: Prompt) -> tuple[int, bool, str]:
    """Return by what objects are sorted."""
    return prompt.frame, prompt.picture is None, prompt.picture or ""


def numbered(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Sort objects by the frame in which they begin, and give an id to those without one: the lowest free.

    In one frame those of other pictures come first.

    Raises:
        InputError: Two objects have the same id.

    Example:
        >>> [each.id for each in numbered([Prompt(3, id=1), Prompt(0), Prompt(0)])]
        [2, 3, 1]
    """
    ordered = sorted(prompts, key=_place)
    known = [prompt.id for prompt in ordered if prompt.id is not None]
    twice = sorted({number for number in known if known.count(number) > 1})
    if twice:
        raise InputError(f"id {twice[0]} is used for {known.count(twice[0])} objects; give each its own id")
    made = iter(free_ids(known, len(ordered) - len(known)))
    return [replace(prompt, id=next(made)) if prompt.id is None else prompt for prompt in ordered]


def objects_of(prompts: Sequence[Prompt]) -> tuple[TrackedObject, ...]:
    """Return id, name and colour of each object, in the order in which they join."""
    return tuple(TrackedObject(each.id or 0, each.name, each.colour) for each in numbered(prompts))


def made_ids(prompts: Sequence[Prompt]) -> str:
    """Return which ids `numbered` makes, in a line; empty where all objects have their own.

    Example:
        >>> made_ids([Prompt(0, id=1), Prompt(0, box=(3, 4, 9, 9), origin="box 3,4,9,9")])
        'ids: 2 is box 3,4,9,9'
    """
    ordered = sorted(prompts, key=_place)
    pairs = zip(ordered, numbered(prompts), strict=True)
    said = [f"{after.id} is {after.origin}" for before, after in pairs if before.id is None and before.origin]
    return f"ids: {'; '.join(said)}" if said else ""
