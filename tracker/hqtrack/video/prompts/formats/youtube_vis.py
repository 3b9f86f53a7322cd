"""YouTube-VIS: a list of run lengths or polygons over a video's frames for each object."""

from __future__ import annotations

from functools import partial
from typing import Any

from hqtrack.errors import InputError
from hqtrack.video.prompts.formats.annotation import Annotation, AnnotationFile, PromptFormat, TargetVideo
from hqtrack.video.prompts.formats.coco import mask_of
from hqtrack.video.prompts.formats.shapes import box


def _fits(file: AnnotationFile) -> bool:
    data = file.json
    return isinstance(data, dict) and isinstance(data.get("videos"), list) and "annotations" in data


def _read(file: AnnotationFile, video: TargetVideo) -> list[Annotation]:
    data = file.json
    shown, frames = _video(file, data["videos"], video)
    names = {each["id"]: str(each.get("name", "")) for each in data.get("categories") or []}
    found = []
    for entry in data["annotations"] or []:
        if entry["video_id"] != shown["id"]:
            continue
        masks, boxes = entry.get("segmentations"), entry.get("bboxes")
        marks = {
            "track": entry["id"],
            "name": names.get(entry.get("category_id"), ""),
            "origin": file.path.name,
        }
        for frame, shape in zip(frames, masks or boxes or [], strict=False):
            if frame is None or not shape:
                continue
            if masks:
                found.append(Annotation(frame, mask=partial(mask_of, shape, video), **marks))
            else:
                found.append(Annotation(frame, box=box(*shape), **marks))
    return found


def _video(
    file: AnnotationFile, videos: list[dict[str, Any]], video: TargetVideo
) -> tuple[dict[str, Any], list[int | None]]:
    """Return the entry of the video that is read, and the frames of its pictures."""
    if len(videos) == 1:
        video.check_size(file.path, videos[0].get("width"), videos[0].get("height"))
        return videos[0], video.frames_of(file.path, videos[0]["file_names"])
    raise InputError(
        f"annotations {file.path}: are of {len(videos)} videos; keep one and its annotations in the file"
    )


YOUTUBE_VIS = PromptFormat("YouTube-VIS", "masks or boxes of one video", (".json",), _fits, _read)
