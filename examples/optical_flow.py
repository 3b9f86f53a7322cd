"""An engine of one's own: masks that move with OpenCV's optical flow. It needs no weights and learns nothing.

Name `load` as an entry point of the group `hqtrack.engines`: `optical-flow = "optical_flow:load"`. Then a
card with `engine = "optical-flow"` tracks with it.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import cv2
import numpy as np
import torch

from hqtrack.cards import Card
from hqtrack.engines import Start
from hqtrack.images import Image
from hqtrack.masks import LabelMap, without_objects
from hqtrack.propagation import Found


class OpticalFlow:
    """Moves labels (H, W) from each frame to the next; see `hqtrack.engines.Engine`."""

    def __init__(self) -> None:
        self.count = 0
        self._flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def is_at(self, image: Image) -> bool:
        return np.array_equal(image, self._frame)

    def add(self, image: Image, labels: LabelMap, count: int) -> None:
        earlier = self._labels if self.count else np.zeros_like(labels)
        self.add_reference(image, np.where(labels > 0, labels + np.uint8(self.count), earlier))
        self.count += count

    def add_reference(self, image: Image, labels: LabelMap) -> None:
        self._frame, self._labels = image, labels

    def remove(self, objects: Collection[int]) -> None:
        self._labels = without_objects(self._labels, objects)
        self.count -= len(objects)

    def find(self, image: Image) -> Found:
        now, before = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in (image, self._frame))
        y, x = np.indices(now.shape, np.float32)
        moved = self._flow.calc(now, before, None)  # where each pixel of the new frame was
        labels = cv2.remap(self._labels, x + moved[..., 0], y + moved[..., 1], cv2.INTER_NEAREST)
        self._frame = image
        return Found(torch.from_numpy(labels), torch.from_numpy(labels))

    def remember(self, labels: torch.Tensor) -> None:
        self._labels = labels.numpy()


def load(card: Card, weights: Path | None, *, device: torch.device, dtype: torch.dtype) -> Start:
    return OpticalFlow
