"""CVAT's XML: for images, and tracks for videos."""

from __future__ import annotations

import re
from functools import partial
from typing import Any
from xml.etree.ElementTree import Element

from hqtrack.video.prompts.formats.annotation import Annotation, AnnotationFile, PromptFormat, TargetVideo
from hqtrack.video.prompts.formats.shapes import (
    box_of_corners,
    corners,
    ellipse,
    mask_within,
    number,
    points_of,
    polygon_mask,
    turned,
)

_SHAPES = frozenset({"box", "polygon", "mask", "ellipse", "points", "polyline", "cuboid", "skeleton"})


def _fits(file: AnnotationFile) -> bool:
    root = file.xml
    return root is not None and root.tag == "annotations"


def _read(file: AnnotationFile, video: TargetVideo) -> list[Annotation]:
    root = file.xml
    assert root is not None
    size = root.find(".//original_size")
    if size is not None:
        video.check_size(file.path, size.findtext("width"), size.findtext("height"))
    return _of_images(file, root, video) + _of_tracks(file, root, video)


def _of_images(file: AnnotationFile, root: Element, video: TargetVideo) -> list[Annotation]:
    images = [image for image in root.findall("image") if any(shape.tag in _SHAPES for shape in image)]
    for image in images:
        video.check_size(file.path, image.get("width"), image.get("height"))
    frames = video.frames_of(file.path, [image.attrib["name"] for image in images])
    found = []
    for image, frame in zip(images, frames, strict=True):
        for shape in image:
            place = _place(file, shape, video)
            if frame is not None and place is not None:
                label, group = shape.get("label", ""), shape.get("group_id")
                track = f"{label} {group}" if group else None
                found.append(
                    Annotation(frame, track=track, kind=label, name=label, origin=file.path.name, **place)
                )
    return found


def _of_tracks(file: AnnotationFile, root: Element, video: TargetVideo) -> list[Annotation]:
    shapes = [
        (track, shape)
        for track in root.findall("track")
        for shape in track
        if shape.tag in _SHAPES and shape.get("outside") != "1"
    ]
    numbers = sorted({int(shape.attrib["frame"]) for _, shape in shapes})
    places = dict(zip(numbers, _frames_of_task(file, root, numbers, video), strict=True))
    found = []
    for track, shape in shapes:
        place = _place(file, shape, video)
        if place is not None:
            label = track.get("label", "")
            marks: dict[str, Any] = {
                "track": int(track.attrib["id"]),
                "name": label,
                "origin": file.path.name,
            }
            found.append(Annotation(places[int(shape.attrib["frame"])], **marks, **place))
    return found


def _frames_of_task(file: AnnotationFile, root: Element, numbers: list[int], video: TargetVideo) -> list[int]:
    """Return the frames of the video that a task's frames are, of which it may leave out most."""
    first = int(root.findtext(".//start_frame") or 0)
    step = re.search(r"step\s*=\s*(\d+)", root.findtext(".//frame_filter") or "")
    stride = int(step[1]) if step else 1
    last = root.findtext(".//stop_frame")
    if (first == 0 and stride == 1) or last is None or stride < 1:
        return numbers
    size = (int(last) - first) // stride + 1
    whole = max(numbers, default=0) >= size and all((each - first) % stride == 0 for each in numbers)
    own = [(each - first) // stride if whole else each for each in numbers]
    if video.frames.count is not None and video.frames.count <= size:
        what = "the frames are read as those of the task, one after the other"
    else:
        own, what = [first + each * stride for each in own], "the frames are read as those of the whole video"
    video.report(file.path, f"the task begins at frame {first} and has every {stride}th frame; {what}")
    return own


def _place(file: AnnotationFile, shape: Element, video: TargetVideo) -> dict[str, Any] | None:
    """Return the mask, box or points of a shape; None if it has none."""
    kind, values = shape.tag, shape.attrib
    if kind not in _SHAPES:
        return None
    turn = number(values.get("rotation", 0))
    if kind == "box":
        rectangle = box_of_corners(*(values[key] for key in ("xtl", "ytl", "xbr", "ybr")))
        if not turn:
            return {"box": rectangle}
        x, y, width, height = rectangle
        polygon = turned(corners(rectangle), (x + width / 2, y + height / 2), turn)
    elif kind == "ellipse":
        x, y, x_radius, y_radius = (number(values[key]) for key in ("cx", "cy", "rx", "ry"))
        polygon = ellipse(x, y, x_radius, y_radius, turn)
    elif kind == "mask":
        left, top, width, height = (int(number(values[key])) for key in ("left", "top", "width", "height"))
        runs = [int(run) for run in values["rle"].split(",")]
        return {"mask": partial(mask_within, runs, left, top, width, height, video.size)}
    elif kind in ("polygon", "points"):
        polygon = points_of(values["points"].replace(";", ",").split(","))
        if kind == "points":
            return {"points": tuple(polygon)}
        if len(polygon) < 3:
            video.report(file.path, f"a polygon of {len(polygon)} points is left out")
            return None
    else:
        video.report(file.path, f"a shape of the kind {kind} is left out, it has no area")
        return None
    return {"mask": partial(polygon_mask, [polygon], video.size, contours=kind == "polygon")}


CVAT = PromptFormat(
    "CVAT XML", "boxes, polygons, masks, ellipses, points, of images and of tracks", (".xml",), _fits, _read
)
