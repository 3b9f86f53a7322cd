"""VGG Image Annotator: regions of pictures, as its projects and exports have them."""

from __future__ import annotations

from functools import partial
from typing import Any

from hqtrack.video.prompts.formats.annotation import Annotation, AnnotationFile, PromptFormat, TargetVideo
from hqtrack.video.prompts.formats.shapes import box, ellipse, number, polygon_mask


def _pictures(data: Any) -> list[dict[str, Any]]:
    """Return the entries of pictures; none in other files."""
    if not isinstance(data, dict):
        return []
    table = data.get("_via_img_metadata", data)
    entries = list(table.values()) if isinstance(table, dict) else []
    fit = all(isinstance(each, dict) and "filename" in each and "regions" in each for each in entries)
    return entries if fit else []


def _fits(file: AnnotationFile) -> bool:
    return bool(_pictures(file.json))


def _read(file: AnnotationFile, video: TargetVideo) -> list[Annotation]:
    pictures = [each for each in _pictures(file.json) if each["regions"]]
    frames = video.frames_of(file.path, [str(each["filename"]) for each in pictures])
    found = []
    for picture, frame in zip(pictures, frames, strict=True):
        regions = picture["regions"]
        for region in regions.values() if isinstance(regions, dict) else regions:
            place = _place(file, region["shape_attributes"], video)
            if frame is not None and place is not None:
                marks = region.get("region_attributes") or {}
                label = next((value for value in marks.values() if isinstance(value, str)), "")
                found.append(Annotation(frame, kind=label, name=label, origin=file.path.name, **place))
    return found


def _place(file: AnnotationFile, shape: dict[str, Any], video: TargetVideo) -> dict[str, Any] | None:
    """Return the mask, box or point of a region; None if it has none."""
    kind = shape["name"]
    if kind == "rect":
        return {"box": box(shape["x"], shape["y"], shape["width"], shape["height"])}
    if kind == "polygon":
        pairs = zip(shape["all_points_x"], shape["all_points_y"], strict=True)
        polygon = [(number(x), number(y)) for x, y in pairs]
        if len(polygon) < 3:
            video.report(file.path, f"a polygon of {len(polygon)} points is left out")
            return None
    elif kind in ("circle", "ellipse"):
        radii = [number(shape.get(key, shape.get("r"))) for key in ("rx", "ry")]
        turn = number(shape.get("theta") or 0) * 57.29577951
        polygon = ellipse(number(shape["cx"]), number(shape["cy"]), radii[0], radii[1], turn)
    elif kind == "point":
        return {"points": ((number(shape["cx"]), number(shape["cy"])),)}
    else:
        video.report(file.path, f"a region of the kind {kind} is left out, it has no area")
        return None
    return {"mask": partial(polygon_mask, [polygon], video.size, contours=kind == "polygon")}


VIA = PromptFormat(
    "VGG Image Annotator", "polygons, rectangles, circles, ellipses, points", (".json",), _fits, _read
)
