"""XML of one picture: boxes of PASCAL VOC, whose pixels count from 1, and polygons of LabelMe's web tool."""

from __future__ import annotations

from functools import partial
from typing import Any
from xml.etree.ElementTree import Element

from hqtrack.video.prompts.formats.annotation import Annotation, AnnotationFile, PromptFormat, TargetVideo
from hqtrack.video.prompts.formats.shapes import box_of_corners, number, points_of, polygon_mask


def _fits(file: AnnotationFile) -> bool:
    root = file.xml
    return root is not None and root.tag == "annotation"


def _read(file: AnnotationFile, video: TargetVideo) -> list[Annotation]:
    root = file.xml
    assert root is not None
    video.check_size(file.path, root.findtext("size/width"), root.findtext("size/height"))
    video.check_size(file.path, root.findtext("imagesize/ncols"), root.findtext("imagesize/nrows"))
    frame = video.frame_of(file.path, root.findtext("filename") or "")
    found = []
    for each in root.findall("object"):
        place = _place(each, video)
        if place is None:
            video.report(file.path, "an object without a box or polygon is left out")
            continue
        label = each.findtext("name") or ""
        found.append(Annotation(frame, kind=label, name=label, origin=file.path.name, **place))
    return found


def _place(entry: Element, video: TargetVideo) -> dict[str, Any] | None:
    """Return the box of an object, or the mask of its polygon; None if it has neither."""
    box = entry.find("bndbox")
    if box is not None:
        left, top, right, bottom = (number(box.findtext(key)) for key in ("xmin", "ymin", "xmax", "ymax"))
        return {"box": box_of_corners(left - 1, top - 1, right, bottom)}
    points = points_of([point.findtext(key) for point in entry.findall("polygon/pt") for key in "xy"])
    if len(points) < 3 or entry.findtext("deleted") == "1":
        return None
    return {"mask": partial(polygon_mask, [points], video.size)}


VOC = PromptFormat("PASCAL VOC XML", "boxes; polygons of LabelMe's web tool", (".xml",), _fits, _read)
