"""NumPy files: masks, a label image, or probabilities."""

from __future__ import annotations

import io
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from hqtrack.errors import DataError, InputError
from hqtrack.masks import MAX_OBJECTS, Mask
from hqtrack.video.prompts.formats.annotation import Annotation, AnnotationFile, PromptFormat, TargetVideo

THRESHOLD = 0.5
"""Probability from which on a pixel is the object's."""

_EXPECTED = "a label image (H, W), masks (N, H, W) or (H, W, N), or label images of all frames"


def _fits(file: AnnotationFile) -> bool:
    return True


def _read(file: AnnotationFile, video: TargetVideo) -> list[Annotation]:
    values = _array(file, video)
    if values.dtype.kind not in "buif":
        raise InputError(f"annotations {file.path}: hold {values.dtype}; save bool or whole numbers")
    while values.ndim > 2 and 1 in values.shape:  # axes of one channel or batch
        values = values.squeeze(values.shape.index(1))
    if values.shape == (*video.size, 3) and bool((values == values[..., :1]).all()):
        values = values[..., 0]  # a picture whose colours are grey
    if values.ndim == 3 and values.shape[1:] != video.size and values.shape[:2] == video.size:
        values = np.moveaxis(values, -1, 0)
    if values.ndim not in (2, 3) or values.shape[-2:] != video.size:
        raise InputError(
            f"annotations {file.path}: have the shape {values.shape}, but the frame is {video.size[0]} x "
            f"{video.size[1]} (H x W); save {_EXPECTED}"
        )
    if values.dtype.kind == "f":
        values = _hard(file, values, video)
    if values.ndim == 2:
        return _labels(file, values, video.start)
    if values.size and values.max() > 1 and set(np.unique(values)) != {0, 255}:
        if len(values) != video.frames.count:
            raise InputError(
                f"annotations {file.path}: have the shape {values.shape} and values above 1, as label "
                f"images of frames, but the video has {video.frames.count} frames; save {_EXPECTED}"
            )
        video.report(file.path, "is read as a label image of each frame")
        return [each for frame, labels in enumerate(values) for each in _labels(file, labels, frame)]
    if len(values) > MAX_OBJECTS:
        raise InputError(
            f"annotations {file.path}: {len(values)} masks are too many; give at most {MAX_OBJECTS}"
        )
    return [
        Annotation(video.start, mask=partial(_mask, values, k), origin=f"{file.path.name} at {k}")
        for k in range(len(values))
    ]


def _array(file: AnnotationFile, video: TargetVideo) -> npt.NDArray[Any]:
    try:
        loaded = np.load(io.BytesIO(file.content), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        names = [name for name in ("masks", "mask", "labels") if name in loaded.files] or loaded.files
        if (
            names == loaded.files
            and len(names) > 1
            and all(loaded[name].shape == video.size for name in names)
        ):
            video.report(file.path, f"each of its {len(names)} arrays is read as the mask of an object")
            return np.stack([loaded[name] != 0 for name in names])
        if len(loaded.files) > 1:
            video.report(file.path, f"of its {len(loaded.files)} arrays {names[0]} is read")
        return np.asarray(loaded[names[0]])
    except Exception as error:  # NumPy raises many kinds for damaged files
        reason = "it holds Python objects, which are not read" if "pickle" in str(error) else "it is damaged"
        raise DataError(f"annotations {file.path}: not readable as a NumPy file: {reason}") from error


def _hard(file: AnnotationFile, values: npt.NDArray[Any], video: TargetVideo) -> npt.NDArray[Any]:
    """Return whole numbers for floats, probabilities or logits by a threshold."""
    finite = np.nan_to_num(values.astype(np.float64))
    if (
        np.array_equal(finite, np.round(finite))
        and finite.size
        and finite.min() >= 0
        and finite.max() < 2**53
    ):
        return finite.astype(np.int64)
    if finite.min() < 0 or finite.max() > 1:
        video.report(file.path, "values beyond 0 to 1 are read as logits: above 0 is the object")
        return finite > 0
    video.report(file.path, f"probabilities of {THRESHOLD} and more are read as the object")
    return finite >= THRESHOLD


def _labels(file: AnnotationFile, labels: npt.NDArray[Any], frame: int) -> list[Annotation]:
    """Return the objects of a label image, whose values are ids."""
    values = [int(value) for value in np.unique(labels) if value]
    if len(values) > MAX_OBJECTS or min(values, default=1) < 0:
        raise InputError(
            f"annotations {file.path}: have {len(values)} values from {values[0]} to {values[-1]}; 0 is "
            f"background, and every other value is an object; there may be at most {MAX_OBJECTS}"
        )
    white = labels.dtype == bool or values == [255]
    return [
        Annotation(
            frame,
            mask=partial(_equal, labels, value),
            track="white" if white else value,
            origin=file.path.name,
        )
        for value, track in zip(values, ["white"] if white else values, strict=True)
    ]


def _mask(values: npt.NDArray[Any], place: int) -> Mask:
    return np.asarray(values[place] != 0, dtype=bool)


def _equal(labels: npt.NDArray[Any], value: int) -> Mask:
    return np.asarray(labels == value, dtype=bool)


ARRAYS = PromptFormat(".npy and .npz", "masks, a label image, probabilities", (".npy", ".npz"), _fits, _read)
