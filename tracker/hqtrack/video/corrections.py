"""Corrections of a frame in mid-video: the mask of an object that was tracked wrongly there."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from hqtrack.errors import InputError
from hqtrack.images import Size
from hqtrack.masks import MAX_ID, Mask, Masks
from hqtrack.video.prompts import FrameNames, Prompt, numbered, read_mask_file, read_object

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, config=ConfigDict(strict=True, arbitrary_types_allowed=True))
class Correction:
    """A frame that becomes a reference, with the mask of one object corrected."""

    frame: Annotated[int, Field(ge=0)]
    """Index in the whole source."""
    object: Annotated[int, Field(ge=1)] | None = None
    """Its id; None if all masks are right as they were tracked."""
    prompt: Prompt | None = None
    """The object's mask, box or point; a mask without pixels: it is not seen."""

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        prompt = None if self.prompt is None else self.prompt.as_json()
        return {"frame": self.frame, "object": self.object, "prompt": prompt}

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> Correction:
        """Read what `as_json` gave."""
        prompt = entry["prompt"]
        return cls(entry["frame"], entry["object"], None if prompt is None else Prompt.from_json(prompt))


def read_correction(
    text: str, size: Size, *, ignore: Sequence[int] = (), frames: FrameNames | None = None
) -> Correction:
    """Read "frame=30,object=1,mask=FILE", the same with other prompts, or "frame=30" alone.

    A mask of "none" means that the object is not seen in the frame. A file of many frames is read at it.

    Args:
        text: What a person wrote.
        size: Height and width of the frames.
        ignore: Values of label images that are background.
        frames: Names of the frames, to which those in a file belong, and how a text names a frame.

    Raises:
        InputError: The text cannot be understood, or its values do not fit into a frame of the size.
        DataError: A mask file cannot be read.

    Example:
        >>> read_correction("frame=30", (480, 854))
        Correction(frame=30, object=None, prompt=None)
    """
    form = f"correction {text!r}: write it as frame=30,object=1,mask=FILE, or with box=x,y,w,h or point=x,y"
    names = frames or FrameNames()
    number_of = names.number_of
    alone = re.fullmatch(r"\s*frame=([^,=]+)", text)
    if alone is not None:
        return Correction(number_of(alone[1].strip()))
    number = re.search(r"(?:^|,)\s*object=\s*([^,]*)", text)
    if number is None or not re.search(r"(?:^|,)\s*frame=", text):
        raise InputError(form)
    if not re.fullmatch(r"[1-9]\d{0,9}", number[1]) or int(number[1]) > MAX_ID:
        raise InputError(
            f"correction {text!r}: object={number[1]} is not an object's id; ids are numbers from 1"
        )
    rest = (text[: number.start()] + text[number.end() :]).lstrip(",")
    absent = re.fullmatch(r"\s*frame=([^,=]+),\s*mask=none", rest)
    if absent is not None:
        frame = number_of(absent[1].strip())
        return Correction(frame, int(number[1]), Prompt(frame, mask=np.zeros(size, bool)))

    def read_file(path: Path, size: Size, frame: int) -> list[Prompt]:
        place = frame - names.first
        here = replace(names, indices=range(place, place + 1))
        return read_mask_file(path, size, frame, ignore=ignore, frames=here)

    try:
        prompts = read_object(rest, 0, size, read_file, number_of)
    except InputError as error:
        raise InputError(str(error).replace(f"object {rest!r}", f"correction {text!r}")) from None
    if len(prompts) > 1:
        prompts = [prompt for prompt in prompts if prompt.id == int(number[1])]
    if len(prompts) != 1:
        raise InputError(f"correction {text!r}: its mask must show one object, or have its id as a value")
    (prompt,) = prompts
    if prompt.until is not None:
        raise InputError(f"correction {text!r}: until= is for objects (--object); leave it out")
    if prompt.id not in (None, int(number[1])):
        logger.warning(
            "correction %s: what it shows has the id %d, and is read as object %s", text, prompt.id, number[1]
        )
    return Correction(prompt.frame, int(number[1]), prompt)


def check_corrections(
    corrections: Sequence[Correction],
    prompts: Sequence[Prompt],
    start: int,
    end: int | None,
    stride: int,
    direction: str = "forward",
) -> None:
    """Check that corrections name objects that are there, in frames that are read.

    Args:
        corrections: Corrections of later frames.
        prompts: The objects.
        start: The first frame that is read.
        end: The first frame that is not read any more.
        stride: Every how many frames one is read.
        direction: "forward", "backward" or "both": where objects are tracked to from where they are given.

    Raises:
        InputError: They do not.
    """
    begins = {prompt.id: prompt.frame for prompt in numbered(prompts)}
    ends = {prompt.id: prompt.until for prompt in numbered(prompts)}
    for correction in corrections:
        frame, number = correction.frame, correction.object
        if frame < start or (end is not None and frame >= end) or (frame - start) % stride:
            raise InputError(
                f"a correction is for frame {frame}, which is not among the frames that are read"
            )
        if number is not None and number not in begins:
            known = ", ".join(map(str, begins))
            raise InputError(f"a correction is for object {number}, but the ids of the objects are {known}")
        begin = min(begins.values()) if number is None else begins[number]
        if number is None and direction != "forward":
            begin = max(begins.values()) if direction == "backward" else frame
        where = {"forward": frame >= begin, "backward": frame <= begin, "both": True}[direction]
        if not where or (number is not None and frame == begin):
            other = {"forward": "a later", "backward": "an earlier", "both": "another"}[direction]
            raise InputError(
                f"a correction of frame {frame} is for object {number or 1}, which begins in frame {begin}: "
                f"correct it in {other} frame, or begin it with another mask"
            )
        until = ends.get(number)
        if until is not None and (frame > until >= begin or frame < until <= begin):
            raise InputError(
                f"a correction of frame {frame} is for object {number}, which leaves after frame {until}"
            )
    twice = Counter((each.frame, each.object) for each in corrections if each.object is not None)
    for (frame, number), uses in twice.items():
        if uses > 1:
            raise InputError(
                f"{uses} corrections are for object {number} in frame {frame}, and only one can hold; give "
                "one, with all its points"
            )


def later_corrections(corrections: Sequence[Correction], prompts: Sequence[Prompt]) -> list[Correction]:
    """Return the corrections of frames after those in which objects are given: others are for backward."""
    begins = {prompt.id: prompt.frame for prompt in numbered(prompts)}
    first = min(begins.values(), default=0)
    return [
        each
        for each in corrections
        if (each.frame >= first if each.object is None else each.frame > begins.get(each.object, each.frame))
    ]


def corrected(masks: Masks, given: Sequence[tuple[int, Mask]]) -> Masks:
    """Put given masks in the place of tracked ones.

    A given mask owns its pixels; where two overlap, the one that comes later does.

    Args:
        masks: (N, H, W) bool, disjoint; not changed.
        given: Places of objects among the masks, from 1, with their masks (H, W) bool.

    Returns:
        (N, H, W) bool, disjoint.

    Example:
        >>> tracked, given = np.array([[[1, 1, 0]], [[0, 0, 1]]], bool), np.array([[0, 1, 1]], bool)
        >>> corrected(tracked, [(1, given)]).astype(int).tolist()
        [[[0, 1, 1]], [[0, 0, 0]]]
    """
    result = masks.copy()
    for number, _ in given:
        result[number - 1] = False
    for number, mask in given:
        result[:, mask] = False
        result[number - 1] = mask
    return result
