"""Prompts as people type them: boxes, points, and objects that begin later."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hqtrack.errors import InputError
from hqtrack.images import Size
from hqtrack.masks import MAX_ID
from hqtrack.video.objects import Colour
from hqtrack.video.prompts.boxes import within
from hqtrack.video.prompts.frame_names import NumberOf, plain_number
from hqtrack.video.prompts.label_images import read_label_image
from hqtrack.video.prompts.prompt import Prompt

ReadFile = Callable[[Path, Size, int], list[Prompt]]
"""Reads the objects of a file for frames of a size that begin in a frame."""

OBJECT_KEYS = ("frame", "box", "point", "not", "mask", "until", "id", "name", "colour")

EXPECTED_FORM = (
    "write it as frame=120,box=x,y,w,h or with point=x,y or mask=FILE; a box and points may be of one "
    "object, not=x,y is a background point; until=, id=, name= and colour= are optional"
)


def read_object(
    text: str,
    start: int,
    size: Size,
    read_file: ReadFile = read_label_image,
    number_of: NumberOf = plain_number,
) -> list[Prompt]:
    """Read "frame=N,mask=FILE", or "frame=N" with "box=x,y,width,height", "point=x,y" and "not=x,y".

    Points may be repeated; those of "not" are background. Without a frame it begins in the first. "until=N"
    ends it after frame N. The keys "id", "name" and "colour" (as #ff8000) are for one object.

    Args:
        text: What a person wrote.
        start: The first frame.
        size: Height and width of the frames.
        read_file: Reads the objects of a mask file.
        number_of: Returns the number of the frame that a text names.

    Example:
        >>> (prompt,) = read_object("frame=120,point=4,5,point=9,9,not=30,5", 0, (480, 854))
        >>> prompt.frame, prompt.points, prompt.beside
        (120, ((4.0, 5.0), (9.0, 9.0)), ((30.0, 5.0),))
    """
    found = list(re.finditer(rf"(?:^|,)\s*({'|'.join(OBJECT_KEYS)})=", text))
    ends = [match.start() for match in found[1:]] + [None]
    parts: dict[str, list[str]] = {}
    for match, end in zip(found, ends, strict=False):
        parts.setdefault(match[1], []).append(text[match.end() : end])
    unknown = re.search(rf"(?:^|,)\s*(?!(?:{'|'.join(OBJECT_KEYS)})=)([a-z_]+)=", text)
    if unknown is not None and not any(os.path.exists(name) for name in parts.get("mask", [])):
        raise InputError(
            f"object {text[:80]!r}: {unknown[1]}= is not known; known are {', '.join(OBJECT_KEYS)}"
        )
    repeated = [key for key, values in parts.items() if len(values) > 1 and key not in ("point", "not")]
    described = "box" in parts or "point" in parts
    if (
        not found
        or found[0].start()
        or repeated
        or ("mask" in parts) == described
        or {"mask", "not"} <= {*parts}
    ):
        raise InputError(f"object {text!r}: {EXPECTED_FORM}")
    frame = _named_frame(text, parts, "frame", number_of)
    frame = start if frame is None else frame
    if "mask" in parts:
        prompts = read_file(Path(parts["mask"][0]), size, frame)
    else:
        points, beside = (
            tuple(read_point(value, size) for value in parts.get(key, [])) for key in ("point", "not")
        )
        box = read_box(parts["box"][0], size) if "box" in parts else None
        prompts = [Prompt(frame, box=box, points=points, beside=beside, origin=text)]
    until = _named_frame(text, parts, "until", number_of)
    if until is not None:
        prompts = [replace(prompt, until=until) for prompt in prompts]
    return _marked(prompts, text, parts)


def _named_frame(text: str, parts: dict[str, list[str]], key: str, number_of: NumberOf) -> int | None:
    """Return the frame that a part of a text names; None where there is no such part."""
    if key not in parts:
        return None
    try:
        return number_of(parts[key][0].strip())
    except InputError as error:
        raise InputError(f"object {text[:80]!r}: {key}={str(error).removeprefix('frame ')}") from None


def _marked(prompts: list[Prompt], text: str, parts: dict[str, list[str]]) -> list[Prompt]:
    """Set an object's id, name and colour that a text has for it."""
    if not parts.keys() & {"id", "name", "colour"}:
        return prompts
    if len(prompts) != 1:
        raise InputError(
            f"object {text!r}: id, name and colour are for one object, but it has {len(prompts)}"
        )
    (prompt,) = prompts
    number = prompt.id
    if "id" in parts:
        given = parts["id"][0].strip()
        if not given.isdecimal() or not 1 <= int(given[:12]) <= MAX_ID:
            raise InputError(f"object {text!r}: id={given[:20]} is not a number from 1 to {MAX_ID}")
        number = int(given)
    name = parts.get("name", [prompt.name])[0].strip()
    colour = _colour(text, parts["colour"][0]) if "colour" in parts else prompt.colour
    return [replace(prompt, id=number, name=name, colour=colour)]


def _colour(text: str, given: str) -> Colour:
    found = re.fullmatch(r"\s*#?([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})\s*", given)
    if found is None:
        raise InputError(f"object {text!r}: colour={given[:20]} is no colour; write it as #ff8000")
    return int(found[1], 16), int(found[2], 16), int(found[3], 16)


def read_box(text: str, size: Size) -> tuple[float, ...]:
    """Read "x,y,width,height" in pixels, and cut it to a frame of the size (height, width)."""
    return within(_numbers(text, "box", "x,y,w,h"), size, f"box {text}")


def read_point(text: str, size: Size) -> tuple[float, ...]:
    """Read "x,y" in pixels; the point must be within a frame of the size (height, width)."""
    x, y = _numbers(text, "point", "x,y")
    if not (0 <= x < size[1] and 0 <= y < size[0]):
        raise InputError(
            f"point {text}: not within the frame of {size[1]} x {size[0]} pixels (counted from 0)"
        )
    return x, y


def _numbers(text: str, what: str, form: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != len(form.split(",")) or not all(math.isfinite(value) for value in values):
        raise InputError(f"{what} {text}: write {form}, numbers of pixels with commas between them")
    return values
