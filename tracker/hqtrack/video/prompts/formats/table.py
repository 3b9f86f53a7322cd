"""Tables of boxes with a line of names: our boxes.csv, and those of spreadsheets and scripts."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping

from hqtrack.errors import InputError
from hqtrack.video.objects import Colour
from hqtrack.video.prompts.formats.annotation import (
    Annotation,
    AnnotationFile,
    Box,
    PromptFormat,
    TargetVideo,
)
from hqtrack.video.prompts.formats.shapes import box, box_of_corners

_NAMES: Mapping[str, tuple[str, ...]] = {
    "frame": (
        "frame",
        "frameid",
        "frameindex",
        "framenumber",
        "frameno",
        "filename",
        "image",
        "imageid",
        "file",
    ),
    "object": ("object", "objectid", "trackid", "track", "instanceid", "objid", "id"),
    "x": ("x", "left", "xmin", "x1", "xtl", "bbleft", "bboxx", "minx"),
    "y": ("y", "top", "ymin", "y1", "ytl", "bbtop", "bboxy", "miny"),
    "width": ("width", "w", "bbwidth", "bboxwidth", "bboxw", "boxwidth"),
    "height": ("height", "h", "bbheight", "bboxheight", "bboxh", "boxheight"),
    "right": ("right", "x2", "xmax", "xbr", "maxx"),
    "bottom": ("bottom", "y2", "ymax", "ybr", "maxy"),
    "name": ("name", "label", "class", "category", "classname"),
    "colour": ("colour", "color"),
}
"""What columns are called, in small letters, without anything between them."""

_NOTHING = frozenset({"", "nan", "na", "none", "null"})
"""What programs write where there is no number."""


def _fits(file: AnnotationFile) -> bool:
    return file.suffix in (".csv", ".tsv") or bool(re.match(r"[a-z_ ]+[,;\t]", file.text, re.IGNORECASE))


def _read(file: AnnotationFile, video: TargetVideo) -> list[Annotation]:
    head = file.text.split("\n", 1)[0]
    mark = max(",;\t|", key=head.count)
    rows = list(csv.reader(file.text.splitlines(), delimiter=mark))
    names = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in rows[0]]
    columns = {
        what: names.index(known[0])
        for what, synonyms in _NAMES.items()
        if (known := [name for name in synonyms if name in names])
    }
    sides = ("right", "bottom") if {"right", "bottom"} <= columns.keys() else ("width", "height")
    missing = [what for what in ("x", "y", *sides) if what not in columns]
    if missing:
        raise InputError(
            f"annotations {file.path}: a table of boxes needs columns x, y, width, height, or x1, y1, x2, "
            f"y2, and may have frame, object and name; there are {', '.join(rows[0])[:120]}"
        )
    found = []
    for row in rows[1:]:
        values = {what: row[place].strip() if place < len(row) else "" for what, place in columns.items()}
        if mark != ",":
            values = {k: re.sub(r"^(-?\d+),(\d+)$", r"\1.\2", value) for k, value in values.items()}
        if any(values[what].lower() in _NOTHING for what in ("x", "y", *sides)):  # not seen in this frame
            continue
        track = values.get("object") or None
        found.append(
            Annotation(
                _frame(file, values.get("frame", ""), video),
                box=_box(values, sides),
                track=int(float(track)) if track and re.fullmatch(r"\d+(\.0+)?", track) else track,
                kind=values.get("name", ""),
                name=values.get("name", ""),
                colour=_colour(values.get("colour", "")),
                origin=file.path.name,
            )
        )
    return found


def _box(values: Mapping[str, str], sides: tuple[str, str]) -> Box:
    make = box_of_corners if sides[0] == "right" else box
    return make(values["x"], values["y"], values[sides[0]], values[sides[1]])


def _frame(file: AnnotationFile, value: str, video: TargetVideo) -> int:
    """Return the frame of a row: its number, counted from 0, or its name."""
    if not value:
        return video.start
    if re.fullmatch(r"\d{1,9}(\.0+)?", value) and value not in video.frames.stems:
        return int(float(value)) - video.frames.first
    return video.frame_of(file.path, value)


def _colour(value: str) -> Colour | None:
    found = re.fullmatch(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", value)
    return (int(found[1], 16), int(found[2], 16), int(found[3], 16)) if found else None


TABLE = PromptFormat(
    "a CSV table of boxes", "our `boxes.csv`; columns by many names", (".csv", ".tsv", ".txt"), _fits, _read
)
