"""YOLO: a line for each object, its class and a box or polygon in parts of the frame's sides."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

from hqtrack.video.prompts.formats.annotation import Annotation, AnnotationFile, PromptFormat, TargetVideo
from hqtrack.video.prompts.formats.shapes import number, points_of, polygon_mask

_NAME_FILES = ("classes.txt", "obj.names")
"""Files with a line for each class."""

_VISIBILITY = (0, 1, 2)
"""Of a key point: not labelled, hidden, visible."""

_BEYOND = 0.1
"""Part of the frame by which detectors put boxes beyond it."""


def _rows(file: AnnotationFile) -> list[list[str]]:
    return [line.split() for line in file.lines if line]


def _fits(file: AnnotationFile) -> bool:
    try:
        rows = [[number(value) for value in row] for row in _rows(file)]
    except ValueError:
        return False
    return all(
        len(row) >= 5
        and row[0] == int(row[0])
        and row[0] >= 0
        and all(-_BEYOND <= value <= 1 + _BEYOND for value in (row[1:5] if _is_pose(row[1:]) else row[1:-1]))
        for row in rows
    )


def _is_pose(values: list[float]) -> bool:
    """Return whether a row has a box and key points: x, y and visibility of each."""
    visible = values[6::3]
    return len(values) % 3 == 1 and len(values) >= 10 and all(value in _VISIBILITY for value in visible)


def _read(file: AnnotationFile, video: TargetVideo) -> list[Annotation]:
    frame = video.frame_of(file.path)
    names = _names(file.path)
    height, width = video.size
    found = []
    for row in _rows(file):
        label = int(number(row[0]))
        values, track = _without_scores([number(value) for value in row[1:]], row[-1])
        name = names[label] if label < len(names) else ""
        if names and not name:
            video.report(
                file.path, f"class {label} has no name in the list of classes, which has {len(names)}"
            )
        if _is_pose([number(value) for value in row[1:]]):
            video.report(file.path, "key points behind a box are left out")
            values, track = values[:4], None
        place: dict[str, Any]
        if len(values) == 4:
            x, y, box_width, box_height = values
            corner = (x - box_width / 2) * width, (y - box_height / 2) * height
            place = {"box": (*corner, box_width * width, box_height * height)}
        else:
            points = points_of([value * side for value, side in zip(values, cycle((width, height)))])
            place = {"mask": partial(polygon_mask, [points], video.size)}
        found.append(
            Annotation(frame, track=track, kind=f"class {label}", name=name, origin=file.path.name, **place)
        )
    return found


def _without_scores(values: list[float], last: str) -> tuple[list[float], int | None]:
    """Return a box or polygon without the score and the track's number that may follow, and the track."""
    number_of_track = int(last) if last.isdecimal() and int(last) > 0 else None
    if len(values) in (5, 6) and (len(values) == 5 or number_of_track is not None):
        return values[:4], number_of_track
    if len(values) % 2:
        return values[:-1], number_of_track
    if number_of_track is not None and number_of_track > 1 and len(values) > 6:
        return values[:-2], number_of_track
    return values, None


def _names(path: Path) -> list[str]:
    """Return the names of classes in a file that tools save next to the annotations, or above them."""
    for folder in (path.parent, path.parent.parent):
        for name in _NAME_FILES:
            with suppress(OSError, ValueError):
                return (folder / name).read_text("utf-8").splitlines()
    return []


YOLO = PromptFormat("YOLO text", "boxes or polygons, with or without tracks", (".txt",), _fits, _read)
