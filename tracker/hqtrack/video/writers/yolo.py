"""A data set for YOLO's segmentation: a text file of outlines for each frame."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hqtrack import files
from hqtrack.masks import Mask
from hqtrack.video.objects import TrackedObject
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers.writer import VideoFacts, Writer, frame_stem

OutlinePoints = npt.NDArray[np.int64]
"""(N, 2): x, y."""


class YoloOutlines(Writer):
    """A text file for each frame with a line for each visible object: its class and its outline.

    The class is the object's place among all, from 0; `data.yaml` has their names. Coordinates are shares of
    width and height. An object of several parts, or with holes, is one outline with seams of no width.
    """

    def __init__(self, path: Path, facts: VideoFacts) -> None:
        super().__init__(path, facts)
        self._objects: Sequence[TrackedObject] = ()
        self._open: Path | None = None

    def write(self, tracked: TrackedFrame) -> None:
        """Write the frame's outlines."""
        self._objects = tracked.objects
        height, width = tracked.frame.image.shape[:2]
        lines = []
        for place, mask in enumerate(tracked.masks):
            points = outline(mask)
            if len(points):
                shares = (points + 0.5) / (width, height)
                lines.append(f"{place} {' '.join(f'{value:.6f}' for value in shares.ravel())}\n")
        self._write(f"labels/{frame_stem(tracked.frame)}.txt", "".join(lines))

    def _write(self, name: str, text: str) -> None:
        path = self.path / name
        for folder in (self.path, path.parent):
            files.make_folder(folder)
        self._open = path.with_name(f"{path.name}.part")
        with files.create_text(self._open) as file:
            file.write(text)
        self._name(self._open, path, sync=False)

    def finish(self) -> None:
        """Write the names of the classes."""
        names = [f"  {place}: {json.dumps(each.title)}" for place, each in enumerate(self._objects)]
        self._write("data.yaml", "\n".join(["path: .", "train: images", "val: images", "names:", *names, ""]))

    def discard(self) -> None:
        """Remove an unfinished file."""
        if self._open is not None:
            files.remove(self._open)


def outline(mask: Mask) -> OutlinePoints:
    """Return one outline (N, 2) of a mask's pixels, x and y; empty for an empty mask.

    Further parts and holes hang on the nearest point before them by a seam that goes there and back.

    Example:
        >>> outline(np.array([[1, 1, 0], [1, 1, 0]], bool)).tolist()
        [[0, 0], [0, 1], [1, 1], [1, 0]]
    """
    import cv2

    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    parts: list[OutlinePoints] = [np.asarray(each, np.int64)[:, 0] for each in found]
    parts = sorted((part for part in parts if len(part)), key=len, reverse=True)
    if not parts:
        return np.zeros((0, 2), np.int64)
    joined = parts[0]
    for part in parts[1:]:
        apart = np.abs(joined[:, None] - part[None]).sum(-1)
        here, there = np.unravel_index(int(apart.argmin()), apart.shape)
        walk = np.roll(part, -int(there), axis=0)
        seam = [joined[: here + 1], walk, walk[:1], joined[here : here + 1], joined[here + 1 :]]
        joined = np.concatenate(seam)
    return joined
