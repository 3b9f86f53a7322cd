"""From annotations of frames to objects: each begins in the first frame that shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hqtrack.errors import InputError
from hqtrack.masks import MAX_ID, MAX_OBJECTS
from hqtrack.video.prompts.boxes import within
from hqtrack.video.prompts.formats.annotation import Annotation, TargetVideo
from hqtrack.video.prompts.formats.shapes import box_around, corners
from hqtrack.video.prompts.prompt import Prompt

_Object = list[Annotation]
"""What files show of one object, by frames."""


def objects_of_annotations(annotations: Sequence[Annotation], video: TargetVideo, path: Path) -> list[Prompt]:
    """Return the objects that files show in the frames that are read.

    What has a track is one object in all frames. Without tracks the only one of a kind in each frame is; if a
    frame shows several of a kind, those of the first frame are the objects.

    Raises:
        InputError: There is no object, too many, or one is beyond the frame.
    """
    if not annotations:
        raise InputError(f"annotations {path}: there is no object in them")
    read = sorted((each for each in annotations if video.frames.reads(each.frame)), key=lambda a: a.frame)
    if not read:
        shown = sorted({each.frame for each in annotations})
        raise InputError(
            f"annotations {path}: show objects in frames {shown[0]} to {shown[-1]} alone, and none in "
            f"{video.frames.read_ones}"
        )
    groups = _grouped(read, video, path)
    if len(groups) > MAX_OBJECTS:
        raise InputError(
            f"annotations {path}: {len(groups)} objects are too many; track at most {MAX_OBJECTS}"
        )
    prompts = [prompt for group in groups if (prompt := _first_shown(group, video, path))]
    if not prompts:
        raise InputError(f"annotations {path}: all masks are empty, there is no object in them")
    if len(prompts) < len(groups):
        video.report(path, f"{len(groups) - len(prompts)} empty objects are left out")
    return prompts


def _grouped(read: Sequence[Annotation], video: TargetVideo, path: Path) -> list[tuple[int | None, _Object]]:
    """Return what is shown of each object, and its id if it has one."""
    tracks: dict[int | str, _Object] = {}
    single: _Object = []
    for each in read:
        (single if each.track is None else tracks.setdefault(each.track, [])).append(each)
    # Trackers and tools may count from 0, which is background here: then nobody's number is an id.
    numbers = {track: _id(track) for track in tracks}
    if 0 in (_number(track) for track in tracks):
        numbers = dict.fromkeys(tracks)
    groups = [(numbers[track], parts) for track, parts in tracks.items()]
    if not single:
        return groups
    uses = Counter((each.frame, each.kind) for each in single)
    if max(uses.values()) == 1 and all(each.kind for each in single):
        kinds: dict[str, _Object] = {}
        for each in single:
            kinds.setdefault(each.kind, []).append(each)
        ids = [parts[0].kind_id for parts in kinds.values()]
        known = len({*ids}) == len(ids) and all(number is None or 0 < number <= MAX_ID for number in ids)
        found = [
            (number if known else None, parts) for number, parts in zip(ids, kinds.values(), strict=True)
        ]
        if any(len(parts) > 1 for parts in kinds.values()):
            video.report(path, "there are no track ids; the only one of a label is one object in all frames")
        return groups + found
    first = single[0].frame
    if single[-1].frame > first:
        video.report(
            path,
            f"there are no track ids that link objects; those of frame {first} are used, "
            "and later ones are left out",
        )
    return groups + [(None, [each]) for each in single if each.frame == first]


def _number(track: int | str) -> int | None:
    if isinstance(track, str):
        return int(track) if track.isdecimal() and track.isascii() and len(track) <= 12 else None
    return track


def _id(track: int | str) -> int | None:
    number = _number(track)
    return number if number is not None and 0 < number <= MAX_ID else None


def _first_shown(group: tuple[int | None, _Object], video: TargetVideo, path: Path) -> Prompt | None:
    """Return an object as the first frame shows it that does; None if none does."""
    number, parts = group
    refusal: InputError | None = None
    for frame in dict.fromkeys(each.frame for each in parts):
        try:
            prompt = _prompt([each for each in parts if each.frame == frame], number, video, path)
        except InputError as error:
            refusal = refusal or error
        else:
            if prompt is not None:
                return prompt
    if refusal is not None:
        raise refusal
    return None


def _prompt(parts: Sequence[Annotation], number: int | None, video: TargetVideo, path: Path) -> Prompt | None:
    """Return what the parts of an object in one frame are together; None if they have no pixel."""
    first = parts[0]
    title = first.name or first.kind or (f"object {first.track}" if first.track is not None else "an object")
    name = "" if number is not None and first.name in (str(number), f"object {number}") else first.name
    origin = f"{title} in {first.origin or path.name}"
    whole = Prompt(first.frame, id=number, name=name, colour=first.colour, origin=origin)
    try:
        masks = [each.mask() for each in parts if each.mask is not None]
    except InputError as error:
        raise InputError(f"annotations {path}: {title}: {error}") from error
    if masks:
        mask = np.logical_or.reduce(masks)
        return replace(whole, mask=mask) if mask.any() else None
    boxes = [each.box for each in parts if each.box is not None]
    if boxes:
        around = box_around(corner for each in boxes for corner in corners(each))
        text = ",".join(f"{side:g}" for side in around)
        return replace(whole, box=within(around, video.size, f"annotations {path}: {title}: box {text}"))
    points = tuple(point for each in parts for point in each.points)
    if any(not (0 <= x < video.size[1] and 0 <= y < video.size[0]) for x, y in points):
        raise InputError(f"annotations {path}: {title}: a point is not within the frame")
    return replace(whole, points=points) if points else None
