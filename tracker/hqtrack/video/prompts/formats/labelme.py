"""LabelMe: shapes of one picture; a group id joins shapes of one object."""

from __future__ import annotations

import base64
import io
from functools import partial
from typing import Any

import numpy as np
from PIL import Image as Pillow

from hqtrack.errors import InputError
from hqtrack.masks import Mask
from hqtrack.video.prompts.formats.annotation import (
    Annotation,
    AnnotationFile,
    Point,
    PromptFormat,
    TargetVideo,
)
from hqtrack.video.prompts.formats.shapes import box_around, ellipse, placed, points_of, polygon_mask


def _fits(file: AnnotationFile) -> bool:
    return isinstance(file.json, dict) and isinstance(file.json.get("shapes"), list)


def _read(file: AnnotationFile, video: TargetVideo) -> list[Annotation]:
    data = file.json
    video.check_size(file.path, data.get("imageWidth"), data.get("imageHeight"))
    frame = video.frame_of(file.path, str(data.get("imagePath") or ""))
    found = []
    for shape in data["shapes"]:
        place = _place(file, shape, video)
        if place is None:
            continue
        label, group = str(shape.get("label") or ""), shape.get("group_id")
        track = None if group is None else f"{label} {group}"
        found.append(Annotation(frame, track=track, kind=label, name=label, origin=file.path.name, **place))
    return found


def _place(file: AnnotationFile, shape: dict[str, Any], video: TargetVideo) -> dict[str, Any] | None:
    """Return the mask, box or points of a shape; None if it has none."""
    kind = shape.get("shape_type") or "polygon"
    points = points_of([value for x, y in shape["points"] for value in (x, y)])
    if kind == "rectangle":
        return {"box": box_around(points)}
    if kind in ("polygon", "oriented_rectangle", "rotation"):
        if len(points) > 2:
            return {"mask": partial(polygon_mask, [points], video.size)}
        video.report(file.path, f"a polygon of {len(points)} points is left out")
        return None
    if kind == "circle":
        (x, y), (beyond, below) = points
        radius = float(np.hypot(beyond - x, below - y))
        return {"mask": partial(polygon_mask, [ellipse(x, y, radius, radius)], video.size, contours=False)}
    if kind == "mask":
        return {"mask": partial(_mask, shape["mask"], points[0], video)}
    if kind in ("point", "points"):
        return {"points": tuple(points)}
    video.report(file.path, f"a shape of the kind {kind} is left out, it has no area")
    return None


def _mask(text: str, corner: Point, video: TargetVideo) -> Mask:
    """Return the mask of a PNG, in base64, whose corner is given."""
    try:
        with Pillow.open(io.BytesIO(base64.b64decode(text))) as image:
            part: Mask = np.asarray(image.convert("L")) > 0
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise InputError("a mask within the file is not a readable PNG") from error
    return placed(part, round(corner[0]), round(corner[1]), video.size)


LABELME = PromptFormat("LabelMe", "polygons, rectangles, circles, masks, points", (".json",), _fits, _read)
