"""SA-V: masklets, run lengths of every fourth frame of a video."""

from __future__ import annotations

from functools import partial

from hqtrack.video.prompts.formats.annotation import Annotation, AnnotationFile, PromptFormat, TargetVideo
from hqtrack.video.prompts.formats.coco import mask_of

STEP = 4
"""Frames between annotations: videos have 24 in a second, annotations 6."""


def _fits(file: AnnotationFile) -> bool:
    return isinstance(file.json, dict) and isinstance(file.json.get("masklet"), list)


def _read(file: AnnotationFile, video: TargetVideo) -> list[Annotation]:
    data = file.json
    rows = data["masklet"]
    tracks = data.get("masklet_id")
    step = 1 if len(rows) in (1, video.frames.count) else STEP
    if step > 1:
        video.report(file.path, f"masklets are read as those of every {step}th frame")
    return [
        Annotation(
            index * step,
            mask=partial(mask_of, shape, video),
            track=tracks[place] if tracks else place,
            origin=file.path.name,
        )
        for index, row in enumerate(rows)
        for place, shape in enumerate(row)
        if shape
    ]


SA_V = PromptFormat("SA-V", "masklets", (".json",), _fits, _read)
