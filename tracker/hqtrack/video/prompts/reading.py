"""From a user's prompts for objects (masks, annotations, boxes, points) to prompts.

All of it is read and checked before tracking starts. Boxes and points become masks when their frame comes
(`hqtrack.video.mask_maker`).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from hqtrack.errors import InputError
from hqtrack.images import Size
from hqtrack.masks import MAX_OBJECTS, label_map
from hqtrack.video.prompts.annotations import read_folder
from hqtrack.video.prompts.formats import (
    TargetVideo,
    annotation_files,
    is_annotation_file,
    read_annotations,
)
from hqtrack.video.prompts.frame_names import FrameNames
from hqtrack.video.prompts.label_images import read_label_image
from hqtrack.video.prompts.prompt import Prompt, numbered
from hqtrack.video.prompts.texts import read_box, read_object, read_point

logger = logging.getLogger(__name__)

REPORTED_PAIRS = 4
"""Pairs of objects whose overlap is reported in lines of their own."""


def read_prompts(
    *,
    masks: Sequence[str | Path] = (),
    boxes: Sequence[str] = (),
    points: Sequence[str] = (),
    objects: Sequence[str] = (),
    start: int,
    size: Size,
    ignore: Sequence[int] = (),
    frames: FrameNames | None = None,
) -> list[Prompt]:
    """Read what a user wrote.

    Args:
        masks: Label images, files of one of `FORMATS`, or folders of either.
        boxes: "x,y,width,height" each.
        points: "x,y" each.
        objects: See `read_object`.
        start: The first frame.
        size: Height and width of the frames.
        ignore: Values of label images that are background.
        frames: Names of the frames, to which the names of masks in a folder belong.

    Returns:
        In the order in which objects join: by frame, then as given, masks before boxes before points. Those
        of boxes, points and colours have no ids yet (see `numbered`).

    Raises:
        InputError: A text cannot be understood, or its values do not fit into the frame.
        DataError: A mask file cannot be read.
    """
    names = frames or FrameNames()
    read_file = partial(read_mask_file, ignore=ignore, frames=names)
    prompts = [prompt for name in masks for prompt in read_file(Path(name), size, start)]
    prompts += [Prompt(start, box=read_box(text, size), origin=f"box {text}") for text in boxes]
    prompts += [Prompt(start, points=(read_point(text, size),), origin=f"point {text}") for text in points]
    prompts += [
        prompt for text in objects for prompt in read_object(text, start, size, read_file, names.number_of)
    ]
    if len(prompts) > MAX_OBJECTS:
        raise InputError(f"{len(prompts)} objects are too many; track at most {MAX_OBJECTS} in one video")
    prompts = sorted(_apart(prompts), key=lambda prompt: prompt.frame)
    _report_overlaps(prompts)
    return prompts


def read_mask_file(
    path: Path, size: Size, frame: int, *, ignore: Sequence[int] = (), frames: FrameNames | None = None
) -> list[Prompt]:
    """Read the objects of a label image, of a file of one of `FORMATS`, or of a folder of either.

    Args:
        path: The file or folder.
        size: Height and width of the frames.
        frame: The frame in which objects begin for which the file names none.
        ignore: Values of label images that are background.
        frames: Names of the frames, and which are read.

    Raises:
        InputError: What it says does not fit, or there is no object.
        DataError: It cannot be read.
    """
    names = frames or FrameNames()
    found = _read_counted(path, size, frame - names.first, ignore, names)
    return [replace(each, frame=each.frame + names.first) for each in found] if names.first else found


def _read_counted(
    path: Path, size: Size, frame: int, ignore: Sequence[int], names: FrameNames
) -> list[Prompt]:
    """Read a file or folder, with frames counted from 0, as it counts them."""
    if path.is_dir():
        files = annotation_files(path)
        if not files:
            return read_folder(path, size, frame, ignore, names)
    elif is_annotation_file(path):
        files = [path]
    else:
        return read_label_image(path, size, frame, ignore)
    return read_annotations(path, files, TargetVideo(size, frame, names))


def _apart(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Take the ids away from objects of several files that have the same."""
    uses = Counter(prompt.id for prompt in prompts if prompt.id is not None and prompt.mask is not None)
    several = [number for number, count in uses.items() if count > 1]
    if several:
        values = ", ".join(map(str, sorted(several)[:8]))
        logger.warning("several mask files have the value %s: their objects get new ids", values)
    return [replace(each, id=None) if each.id in several else each for each in prompts]


def _is_in_frame(prompt: Prompt) -> bool:
    """Return whether the mask of a prompt is of a frame of the video."""
    return prompt.mask is not None and prompt.picture is None


def _report_overlaps(prompts: Sequence[Prompt]) -> None:
    """Log which masks of one frame overlap, and whose the pixels are (see `hqtrack.masks.label_map`)."""
    for frame in dict.fromkeys(each.frame for each in prompts):
        given = [each for each in numbered(prompts) if each.frame == frame and _is_in_frame(each)]
        if not given:
            continue
        masks = np.stack([each.mask for each in given if each.mask is not None])
        contested = masks.sum(0) > 1
        claims = masks[:, contested].astype(np.float32)
        shared = np.triu(claims @ claims.T, k=1).astype(np.int64)
        owners = label_map(masks)[contested] if contested.any() else np.zeros(0, np.uint8)
        pairs = np.argwhere(shared)
        for first, second in pairs[:REPORTED_PAIRS].tolist():
            both = (claims[first] > 0) & (claims[second] > 0)
            ids = [str(given[place - 1].id) for place in np.unique(owners[both]).tolist()]
            logger.warning(
                "objects %s and %s overlap in %d pixels of frame %d, which are given to object %s",
                *(given[first].id, given[second].id, shared[first, second], frame, " and ".join(ids)),
            )
        if len(pairs) > REPORTED_PAIRS:
            logger.warning("%d more pairs of objects overlap in frame %d", len(pairs) - REPORTED_PAIRS, frame)


def check_frames(
    prompts: Sequence[Prompt], start: int, end: int | None, stride: int, direction: str = "forward"
) -> None:
    """Check that there are objects, and that the frames in which they begin are among those that are read.

    Args:
        prompts: The objects.
        start: The first frame that is read.
        end: The first frame that is not read any more.
        stride: Every how many frames one is read.
        direction: "forward", "backward" or "both": where objects are tracked to from where they are given.

    Raises:
        InputError: They are not.
    """
    if not prompts:
        raise InputError("no object: name what to track with --mask, --box, --point, --object or --select")
    for prompt in prompts:
        frame = prompt.frame
        if prompt.picture is not None and (frame != start or direction != "forward"):
            raise InputError(
                f"reference {prompt.picture}: is for the first frame and for tracking forward; leave out "
                "--direction, or give the object in a frame of the video"
            )
        if frame < start or (end is not None and frame >= end):
            last = "the end" if end is None else f"{start + (end - 1 - start) // stride * stride}"
            raise InputError(f"an object begins in frame {frame}, but frames {start} to {last} are read")
        if (frame - start) % stride:
            before = frame - (frame - start) % stride
            raise InputError(
                f"an object begins in frame {frame}, which is left out: with start {start} and "
                f"stride {stride} the nearest are {before} and {before + stride}"
            )
        _check_until(prompt, start, end, direction)


def _check_until(prompt: Prompt, start: int, end: int | None, direction: str) -> None:
    """Check that an object leaves on the side to which it is tracked, in a frame that is read."""
    frame, until = prompt.frame, prompt.until
    if until is None:
        return
    if until < start or (end is not None and until >= end):
        last = "the end" if end is None else end - 1
        raise InputError(
            f"until={until}: frames {start} to {last} are read; leave it out, or name one of them"
        )
    side = {"forward": until >= frame, "backward": until <= frame, "both": True}[direction]
    if not side:
        raise InputError(
            f"until={until}: the object begins in frame {frame} and is tracked {direction}, so that it would "
            "never be there; name a frame on that side, or choose another --direction"
        )
