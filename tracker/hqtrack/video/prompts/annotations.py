"""Folders of masks: annotations of frames, as data sets have them, or a file for each object.

Where names of masks are names of frames, an object begins in the first frame that shows it, and later masks
of it are no new objects.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

from hqtrack.errors import InputError
from hqtrack.images import Size, images_in
from hqtrack.video.prompts.frame_names import FrameNames
from hqtrack.video.prompts.label_images import objects_in
from hqtrack.video.prompts.prompt import Prompt

logger = logging.getLogger(__name__)


def frames_of_masks(folder: Path, files: Sequence[Path], frames: FrameNames) -> list[int] | None:
    """Return the frame that each mask of a folder belongs to; None if their names are not of frames.

    Raises:
        InputError: Some of the names are of frames, others are not.
    """
    stems = [file.stem for file in files]
    if not frames.stems:
        numbers = _numbers(stems)
        if numbers is None:
            return None
        logger.warning(
            "masks %s: their names are read as numbers of frames, which count from %d", folder, frames.first
        )
        return [number - frames.first for number in numbers]
    places = {stem: index for index, stem in enumerate(frames.stems)}
    tail = _common_tail(stems, places)
    matched = [places.get(stem.removesuffix(tail)) for stem in stems]
    by_number = not any(place is not None for place in matched)
    if by_number:
        matched = _by_numbers(stems, frames)
    found = [place for place in matched if place is not None]
    if not found:
        return None
    if len(found) < len(stems):
        odd = files[matched.index(None)]
        raise InputError(
            f"mask {odd}: no frame has this name; frames are named {frames.stems[0]} to {frames.stems[-1]}. "
            "Give masks the names of their frames, or name single files with --mask"
        )
    if by_number:
        first = frames.stems[found[0]]
        logger.warning("masks %s: belong to the frames of their numbers, %s to %s", folder, stems[0], first)
    elif tail:
        logger.warning("masks %s: belong to the frames of their names without %s", folder, tail)
    return found


def _numbers(stems: Sequence[str], fewest_digits: int = 3) -> list[int] | None:
    """Return the numbers of frames in names such as 007 or frame_0007; None if not all are such.

    Numbers of fewer digits, or of three behind a word, may as well count objects.
    """
    found = [re.fullmatch(r"(.*?)(\d{1,9})", stem) for stem in stems]
    matches = [each for each in found if each is not None]
    if len(matches) < len(stems) or len({each[1] for each in matches}) > 1:
        return None
    shortest = min(len(each[2]) for each in matches)
    return [int(each[2]) for each in matches] if shortest >= fewest_digits + bool(matches[0][1]) else None


def _by_numbers(stems: Sequence[str], frames: FrameNames) -> list[int | None]:
    """Return the frames of masks whose names have other zeros, or another word, before the same numbers."""
    # Numbers of one or two digits are frames where every frame has a mask, and else perhaps objects.
    numbers = _numbers(stems, 1 if len(stems) == len(frames.stems) else 3)
    own = _numbers(frames.stems, 0)
    if numbers is None or own is None or len({*numbers}) < len(numbers):
        return []
    places = {number: index for index, number in enumerate(own)}
    return [places.get(number) for number in numbers]


def _common_tail(stems: Sequence[str], places: dict[str, int]) -> str:
    """Return what is added to names of frames, such as "_mask"; empty if nothing, or not the same to all."""
    if any(stem in places for stem in stems):
        return ""
    starts = (frame for frame in sorted(places, key=len, reverse=True) if stems[0].startswith(frame))
    tail = stems[0].removeprefix(next(starts, stems[0]))
    return tail if all(stem.endswith(tail) for stem in stems) else ""


def read_folder(
    folder: Path, size: Size, start: int, ignore: Sequence[int], frames: FrameNames
) -> list[Prompt]:
    """Read the masks of a folder.

    Args:
        folder: Holds images.
        size: Height and width that they must have.
        start: The first frame, in which objects of files begin that are not named after frames.
        ignore: Values that are background.
        frames: The frames.

    Raises:
        InputError: A mask cannot be used, or there is no object.
        DataError: The folder or a mask cannot be read.
    """
    files = images_in(folder)
    said: set[str] = set()

    def say_once(path: Path, what: str) -> None:
        if what not in said:
            said.add(what)
            logger.warning("mask %s: %s", path, what)

    belongs = frames_of_masks(folder, files, frames)
    if belongs is None:
        found = [each for file in files for each in objects_in(file, size, start, ignore, say_once).values()]
    else:
        if not any(frames.reads(index) for index in belongs):
            raise InputError(f"masks {folder}: belong to other frames, and none to {frames.read_ones}")
        first: dict[str, Prompt] = {}
        for index, file in sorted(zip(belongs, files, strict=True)):
            if frames.reads(index):
                first = objects_in(file, size, index, ignore, say_once) | first
        found = list(first.values())
    if not found:
        raise InputError(f"masks {folder}: are all empty, there is no object in them")
    return found
