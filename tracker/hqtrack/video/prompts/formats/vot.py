"""VOT: a region for each frame of one object, as ground truth and trajectories; our trajectories, too."""

from __future__ import annotations

import math
import re
from functools import partial
from typing import Any

from hqtrack.video.prompts.formats.annotation import Annotation, AnnotationFile, PromptFormat, TargetVideo
from hqtrack.video.prompts.formats.shapes import box_around, mask_within, points_of, polygon_mask

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan"
_LINE = re.compile(rf"(?:m\s*)?(?:{_NUMBER})(?:[,;\s]+(?:{_NUMBER}))*", re.IGNORECASE)


def _fits(file: AnnotationFile) -> bool:
    lines = [line for line in file.lines if line]
    counts = [1 + len(re.findall(r"[,;\s]+", line)) for line in lines if line[0] not in "mM"]
    sides = (4, 6, 8, *(counts if file.path.stem.startswith("groundtruth") else ()))
    regions = any(line[0] in "mM" for line in lines) or any(count > 1 and count in sides for count in counts)
    return (
        regions
        and all(_LINE.fullmatch(line) for line in lines)
        and all(count in (1, 4) or (count >= 6 and count % 2 == 0) for count in counts)
    )


def _read(file: AnnotationFile, video: TargetVideo) -> list[Annotation]:
    numbered = re.search(r"(\d{1,9})$", file.path.stem)
    track = int(numbered[1]) if numbered else file.path.stem
    found: list[Annotation] = []
    given = None
    for frame, line in enumerate(file.lines):
        if line == "1" and not found:
            given = frame
        place = _region(file, line, video)
        if place is not None:
            found.append(Annotation(frame, track=track, origin=file.path.name, **place))
    if given is not None and found:
        first = found[0].frame
        video.report(
            file.path,
            f"the object begins in frame {first}: frame {given}, in which it was given, has no region",
        )
    return found


def _region(file: AnnotationFile, line: str, video: TargetVideo) -> dict[str, Any] | None:
    """Return the mask or box of a line; None where the object is not there, or nothing is known."""
    if not line:
        return None
    if line[0] in "mM":
        left, top, width, height, *runs = (int(value) for value in re.split(r"[,;\s]+", line[1:].strip()))
        return {"mask": partial(mask_within, runs, left, top, width, height, video.size)} if runs else None
    values = [float(value) for value in re.split(r"[,;\s]+", line)]
    if len(values) == 1 or any(math.isnan(value) for value in values):
        return None
    if len(values) == 4:
        return {"box": tuple(values)} if min(values[2:]) > 0 else None
    points = points_of(values)
    if len(points) == 4:
        video.report(file.path, "turned rectangles are read as the boxes around them")
        return {"box": box_around(points)} if len(set(points)) > 1 else None
    return {"mask": partial(polygon_mask, [points], video.size)}


VOT = PromptFormat("VOT text", "ground truth, trajectories: boxes, polygons, masks", (".txt",), _fits, _read)
