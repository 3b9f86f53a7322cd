"""COCO: run lengths, polygons or boxes. Our own masks.json, results of detectors and SAM's masks are such."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from hqtrack.errors import InputError
from hqtrack.masks import Mask, rle_decode
from hqtrack.video.objects import Colour
from hqtrack.video.prompts.formats.annotation import Annotation, AnnotationFile, PromptFormat, TargetVideo
from hqtrack.video.prompts.formats.shapes import box, points_of, polygon_mask

_TRACKS = ("track_id", "instance_id", "object_id")
"""Keys by which tools link the annotations of one object."""


def _entries(data: Any) -> list[dict[str, Any]] | None:
    """Return the annotations of a data set, or of a list of results; None in other files."""
    entries = data.get("annotations") if isinstance(data, dict) else data
    if not isinstance(entries, list):
        return None
    if isinstance(data, dict) and "videos" in data and "images" not in data:
        return None
    shapes = ("segmentation", "bbox", "image_id")
    if entries and not any(isinstance(each, dict) and any(key in each for key in shapes) for each in entries):
        return None
    return None if not entries and not isinstance(data, dict) else entries


def _fits(file: AnnotationFile) -> bool:
    return _entries(file.json) is not None


def _read(file: AnnotationFile, video: TargetVideo) -> list[Annotation]:
    data = file.json
    entries = [each for each in _entries(data) or [] if isinstance(each, dict)]
    categories: dict[Any, dict[str, Any]] = {}
    if isinstance(data, dict):
        categories = {each["id"]: each for each in data.get("categories") or []}
    frames = _frames(file, data, entries, video)
    # Some tools write an empty list where an annotation is a box; beside others it is one without an outline.
    outlined = any(each.get("segmentation") for each in entries)
    found = []
    for entry in entries:
        frame = frames.get(entry.get("image_id"))
        if frame is None:
            continue
        shape = entry.get("segmentation")
        if outlined and not shape:
            video.report(file.path, "an annotation with an empty segmentation is left out")
            continue
        category = categories.get(entry.get("category_id"), {})
        kind, track = entry.get("category_id"), _track(entry)
        name = str(entry.get("name") or category.get("name") or "")
        place = {"mask": partial(mask_of, shape, video)} if outlined else {"box": box(*entry["bbox"])}
        found.append(
            Annotation(
                frame,
                track=track,
                kind="" if kind is None else f"category {kind}",
                kind_id=kind if isinstance(kind, int) else None,
                name=name,
                colour=_colour(category.get("color")),
                origin=file.path.name,
                **place,
            )
        )
    return found


def _frames(
    file: AnnotationFile, data: Any, entries: Sequence[dict[str, Any]], video: TargetVideo
) -> dict[Any, int]:
    """Return the frames of images by their ids."""
    images: list[dict[str, Any]] = []
    if isinstance(data, dict):
        images = data.get("images") or ([data["image"]] if isinstance(data.get("image"), dict) else [])
    used = {entry.get("image_id") for entry in entries}
    if len(images) == 1 and used == {None}:  # as in SAM's data set
        used = {None, images[0].get("id")}
        images = [images[0] | {"id": None}]
    if not images:
        return {each: _frame(file, each, video) for each in used}
    images = [each for each in images if each.get("id") in used]
    for image in images:
        video.check_size(file.path, image.get("width"), image.get("height"))
    names = [str(image.get("file_name") or image.get("name") or image["id"]) for image in images]
    found = zip(images, video.frames_of(file.path, names), strict=True)
    return {image["id"]: frame for image, frame in found if frame is not None}


def _frame(file: AnnotationFile, image: Any, video: TargetVideo) -> int:
    """Return the frame of an image that no list describes: its number or name, or that of the file."""
    if isinstance(image, int):
        video.report(file.path, "images are not listed; their ids are read as frames, which count from 0")
        return image
    return video.frame_of(file.path, str(image or ""))


def _track(entry: Mapping[str, Any]) -> int | str | None:
    marks = entry.get("attributes")
    for place in (entry, marks if isinstance(marks, dict) else {}):
        for key in _TRACKS:
            if isinstance(place.get(key), int | str):
                return place[key]
    return None


def _colour(value: Any) -> Colour | None:
    if not isinstance(value, list) or len(value) != 3 or not all(isinstance(each, int) for each in value):
        return None
    red, green, blue = (min(max(each, 0), 255) for each in value)
    return red, green, blue


def mask_of(shape: Any, video: TargetVideo) -> Mask:
    """Return the mask (H, W) of a segmentation: run lengths, polygons, or one polygon.

    Raises:
        InputError: It is none, or has another size than the frames.
    """
    try:
        if isinstance(shape, dict):
            if [int(side) for side in shape["size"]] != [*video.size]:
                height, width = shape["size"]
                raise InputError(
                    f"a mask has {width} x {height} pixels, but the frame {video.size[1]} x {video.size[0]}"
                )
            return rle_decode(shape)
        polygons = shape if isinstance(shape[0], list) else [shape]
        return polygon_mask([points_of(each) for each in polygons], video.size)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{reprlib.repr(shape)[:60]} is no segmentation of COCO: {str(error)[:80]}"
        ) from error


COCO = PromptFormat("COCO", "run lengths, polygons or boxes; our `masks.json`; SAM", (".json",), _fits, _read)
