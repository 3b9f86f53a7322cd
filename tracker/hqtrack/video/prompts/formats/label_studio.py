"""Label Studio: rectangles, polygons, ellipses, brushes, in per cent of a picture; and boxes of videos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from hqtrack.errors import InputError
from hqtrack.masks import Mask
from hqtrack.video.prompts.formats.annotation import Annotation, AnnotationFile, PromptFormat, TargetVideo
from hqtrack.video.prompts.formats.shapes import box, corners, ellipse, number, polygon_mask, turned


def _tasks(data: Any) -> list[dict[str, Any]]:
    tasks = data if isinstance(data, list) else [data]
    return [
        each
        for each in tasks
        if isinstance(each, dict)
        and isinstance(each.get("data"), dict)
        and isinstance(each.get("annotations"), list)
    ]


def _fits(file: AnnotationFile) -> bool:
    return bool(_tasks(file.json))


def _read(file: AnnotationFile, video: TargetVideo) -> list[Annotation]:
    tasks = _tasks(file.json)
    pictures = [task for task in tasks if not _is_of_video(task)]
    names = [next((v for v in task["data"].values() if isinstance(v, str)), "") for task in pictures]
    found = iter(video.frames_of(file.path, names))
    frames = [video.start if _is_of_video(task) else next(found) for task in tasks]
    return [
        annotation
        for task, frame in zip(tasks, frames, strict=True)
        if frame is not None and task["annotations"]
        for result in task["annotations"][0]["result"]  # further ones are other people's of the same
        for annotation in _annotations(file, result, frame, video)
    ]


def _is_of_video(task: dict[str, Any]) -> bool:
    """Return whether a task is a video, whose results name their frames themselves."""
    results = task["annotations"][0]["result"] if task["annotations"] else []
    return any(each["type"] == "videorectangle" for each in results)


def _annotations(
    file: AnnotationFile, result: dict[str, Any], frame: int, video: TargetVideo
) -> Iterator[Annotation]:
    kind, value = result["type"], result["value"]
    labels = value.get(kind) or value.get("labels") or [""]
    marks: dict[str, Any] = {"kind": str(labels[0]), "name": str(labels[0]), "origin": file.path.name}
    if kind == "videorectangle":
        for each in value["sequence"]:
            if each.get("enabled", True):
                rectangle = box(*_pixels(video, each["x"], each["y"], each["width"], each["height"]))
                yield Annotation(int(each["frame"]) - 1, box=rectangle, track=str(result["id"]), **marks)
        return
    if kind.startswith("rectangle"):
        x, y, width, height = _pixels(video, value["x"], value["y"], value["width"], value["height"])
        turn = number(value.get("rotation") or 0)
        if not turn:
            yield Annotation(frame, box=(x, y, width, height), **marks)
            return
        polygon = turned(corners((x, y, width, height)), (x, y), turn)
    elif kind.startswith("polygon"):
        values = _pixels(video, *(side for point in value["points"] for side in point))
        polygon = list(zip(values[::2], values[1::2], strict=True))
        if len(polygon) < 3:
            video.report(file.path, f"a polygon of {len(polygon)} points is left out")
            return
    elif kind.startswith("ellipse"):
        x, y, x_radius, y_radius = _pixels(video, value["x"], value["y"], value["radiusX"], value["radiusY"])
        polygon = ellipse(x, y, x_radius, y_radius, number(value.get("rotation") or 0))
    elif kind.startswith("keypoint"):
        x, y = _pixels(video, value["x"], value["y"])
        yield Annotation(frame, points=((x, y),), **marks)
        return
    elif kind.startswith("brush"):
        video.check_size(file.path, result.get("original_width"), result.get("original_height"))
        yield Annotation(frame, mask=partial(_brush, value["rle"], video), **marks)
        return
    else:
        video.report(file.path, f"results of the kind {kind} are left out")
        return
    contours = kind.startswith("polygon")
    yield Annotation(frame, mask=partial(polygon_mask, [polygon], video.size, contours=contours), **marks)


def _pixels(video: TargetVideo, *percents: Any) -> list[float]:
    """Return pixels of per cents of the width and the height by turns."""
    sides = (video.size[1], video.size[0])
    return [number(value) * sides[place % 2] / 100 for place, value in enumerate(percents)]


def _brush(stored: Sequence[int], video: TargetVideo) -> Mask:
    """Decode a brush: runs of the bytes of an RGBA picture, of which alpha is the mask."""
    height, width = video.size
    try:
        bits = "".join(f"{value:08b}" for value in bytes(stored))
        place = 0

        def take(count: int) -> int:
            nonlocal place
            place += count
            return int(bits[place - count : place], 2)

        total, word = take(32), take(5) + 1
        lengths = [take(4) + 1 for _ in range(4)]
        if total != 4 * height * width:
            raise InputError(f"a brush is of {total // 4} pixels, but the frame has {width} x {height}")
        values = np.zeros(total, np.uint8)
        filled = 0
        while filled < total:
            repeats = take(1)
            end = min(filled + 1 + take(lengths[take(2)]), total)
            if repeats:
                values[filled:end] = take(word)
            else:
                values[filled:end] = [take(word) for _ in range(end - filled)]
            filled = end
    except InputError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError("a brush is cut short, or not as Label Studio stores it") from error
    mask: Mask = values.reshape(height, width, 4)[..., 3] > 0
    return mask


LABEL_STUDIO = PromptFormat(
    "Label Studio",
    "rectangles, polygons, ellipses, brushes, points; boxes of videos",
    (".json",),
    _fits,
    _read,
)
