"""PASCAL VOC's XML: boxes of one picture, whose pixels count from 1."""

from __future__ import annotations

from hqtrack.video.prompts.formats.annotation import Annotation, AnnotationFile, PromptFormat, TargetVideo
from hqtrack.video.prompts.formats.shapes import box_of_corners, number


def _fits(file: AnnotationFile) -> bool:
    root = file.xml
    return root is not None and root.tag == "annotation"


def _read(file: AnnotationFile, video: TargetVideo) -> list[Annotation]:
    root = file.xml
    assert root is not None
    video.check_size(file.path, root.findtext("size/width"), root.findtext("size/height"))
    frame = video.frame_of(file.path, root.findtext("filename") or "")
    found = []
    for each in root.findall("object"):
        place = each.find("bndbox")
        if place is None:
            video.report(file.path, "an object without a box is left out")
            continue
        left, top, right, bottom = (number(place.findtext(key)) for key in ("xmin", "ymin", "xmax", "ymax"))
        label = each.findtext("name") or ""
        corners = box_of_corners(left - 1, top - 1, right, bottom)
        found.append(Annotation(frame, box=corners, kind=label, name=label, origin=file.path.name))
    return found


VOC = PromptFormat("PASCAL VOC XML", "boxes", (".xml",), _fits, _read)
