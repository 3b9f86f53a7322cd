"""MOTChallenge: a line for each box, with its frame, counted from 1, and its track."""

from __future__ import annotations

import re

from hqtrack.video.prompts.formats.annotation import Annotation, AnnotationFile, PromptFormat, TargetVideo
from hqtrack.video.prompts.formats.shapes import box, number

_COLUMNS = (6, 7, 9, 10)
"""frame, track, x, y, width, height, and what may follow: score, class and visibility, or places in space."""


def _rows(file: AnnotationFile) -> list[list[str]]:
    return [re.split(r"[,;\s]+", line) for line in file.lines if line]


def _fits(file: AnnotationFile) -> bool:
    if file.path.stem.startswith("groundtruth"):  # of VOT, whose polygons may have as many values
        return False
    try:
        rows = [[number(value) for value in row] for row in _rows(file)]
    except ValueError:
        return False
    counts = {len(row) for row in rows}
    whole = all(row[0] == int(row[0]) >= 1 and row[1] == int(row[1]) >= -1 for row in rows if len(row) > 1)
    return len(counts) == 1 and min(counts) in _COLUMNS and whole


def _read(file: AnnotationFile, video: TargetVideo) -> list[Annotation]:
    video.report(file.path, "frames count from 1, as MOTChallenge has them: frame 1 is the first")
    found = []
    for row in _rows(file):
        frame, track = int(number(row[0])) - 1, int(number(row[1]))
        found.append(
            Annotation(frame, box=box(*row[2:6]), track=track if track >= 0 else None, origin=file.path.name)
        )
    return found


MOT = PromptFormat("MOTChallenge text", "boxes of tracks", (".txt", ".csv"), _fits, _read)
