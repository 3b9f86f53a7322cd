"""Short training sequences out of annotated videos (paper section 3, AOT's sampling)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from hqtrack.errors import DataError
from hqtrack.images import Image
from hqtrack.masks import LabelMap
from hqtrack.training.datasets.video import Objects, Video

logger = logging.getLogger(__name__)

LEAST_FOREGROUND_PIXELS = 200
"""Foreground that the first frame of a sequence must show."""
MOST_DRAWS = 10
"""Draws of a frame or a crop before what there is is taken."""
MOST_UNREADABLE_DRAWS = 100
"""Draws of a sequence before a dataset counts as unusable."""


@dataclass(frozen=True)
class Source:
    """A dataset in the mix."""

    videos: Sequence[Video]
    weight: float
    """Share of the sequences, relative to the other sources."""
    max_gap: int
    """Most frames between two samples."""


@dataclass(frozen=True)
class Clip:
    """A training sequence."""

    frames: npt.NDArray[np.uint8]
    """(T, 3, size, size) RGB."""
    labels: npt.NDArray[np.uint8]
    """(T, size, size); 0 background, 1 to n the objects of the first frame."""
    skipped: tuple[str, ...]
    """What could not be read while looking for this one."""


@dataclass(frozen=True)
class ClipSampler:
    """Draws sequences; everything random comes from the generator that a call is given."""

    sources: Sequence[Source]
    size: int
    """Side of the square crop, in pixels."""
    length: int = 5
    max_objects: int = 10
    short_edge: int = 480
    """Frames are scaled to this shorter side, times a random factor."""
    scales: tuple[float, float] = (0.7, 1.3)
    merge: float = 0.3
    """Share of sequences onto which the objects of a second one are pasted."""

    def sample(self, rng: np.random.Generator) -> Clip:
        """Draw a sequence.

        Unreadable frames are named in a warning, and another sequence is drawn instead.

        Raises:
            DataError: Draw after draw is unreadable.
        """
        skipped: list[str] = []
        images, objects = self._readable(rng, skipped)
        if rng.random() < self.merge or not objects[0].any():
            images, objects = merged((images, objects), self._readable(rng, skipped))
        labels = known_objects(objects, self.max_objects, rng)
        return Clip(
            np.stack([image.transpose(2, 0, 1) for image in images]), np.stack(labels), tuple(skipped)
        )

    def _readable(self, rng: np.random.Generator, skipped: list[str]) -> tuple[list[Image], list[Objects]]:
        """Draw and crop frames of one video until all of them can be read."""
        weights = np.array([source.weight for source in self.sources], float)
        for _ in range(MOST_UNREADABLE_DRAWS):
            source = self.sources[int(rng.choice(len(self.sources), p=weights / weights.sum()))]
            video = source.videos[int(rng.integers(len(source.videos)))]
            try:
                frames = [video.frame(i) for i in self._indices(video, source.max_gap, rng)]
                return self._crop(frames, rng)
            except DataError as error:
                skipped.append(str(error))
                logger.warning("skipped %s: %s", video.name, error)
        raise DataError(f"{MOST_UNREADABLE_DRAWS} sequences in a row cannot be read; the last: {skipped[-1]}")

    def _indices(self, video: Video, max_gap: int, rng: np.random.Generator) -> list[int]:
        """Draw the frames of a sequence: random gaps, forwards or backwards, a first frame with objects."""
        gaps = rng.integers(1, max_gap + 1, self.length - 1)
        steps = np.concatenate([[0], np.cumsum(gaps)])
        backwards = rng.random() < 0.5
        indices: list[int] = []
        for _ in range(MOST_DRAWS):
            start = int(rng.integers(max(1, len(video) - int(steps[-1]))))
            indices = [reflected(start + int(step), len(video)) for step in steps]
            if backwards:
                indices = [len(video) - 1 - index for index in indices]
            if np.count_nonzero(video.objects(indices[0])) >= LEAST_FOREGROUND_PIXELS:
                break
        return indices

    def _crop(
        self, frames: list[tuple[Image, Objects]], rng: np.random.Generator
    ) -> tuple[list[Image], list[Objects]]:
        """Scale, crop and flip all frames alike, so that the first one shows some object if it can."""
        height, width = frames[0][0].shape[:2]
        scale = self.short_edge / min(height, width) * rng.uniform(*self.scales)
        # A crop never reaches beyond the frame.
        scale = max(scale, self.size / min(height, width))
        wide, high = max(self.size, round(width * scale)), max(self.size, round(height * scale))
        objects = [cv2.resize(o, (wide, high), interpolation=cv2.INTER_NEAREST) for _, o in frames]
        top = left = 0
        for _ in range(MOST_DRAWS):
            top, left = int(rng.integers(high - self.size + 1)), int(rng.integers(wide - self.size + 1))
            shown = objects[0][top : top + self.size, left : left + self.size]
            if np.count_nonzero(shown) >= LEAST_FOREGROUND_PIXELS:
                break
        window = np.s_[top : top + self.size, left : left + self.size]
        flip = -1 if rng.random() < 0.5 else 1
        images = [
            cv2.resize(i, (wide, high), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)[
                window
            ]
            for i, _ in frames
        ]
        return (
            [np.asarray(image[:, ::flip], np.uint8) for image in images],
            [np.asarray(o[window][:, ::flip], np.int32) for o in objects],
        )


def reflected(index: int, length: int) -> int:
    """Send an index that runs past the end of a video back into it.

    Example:
        >>> [reflected(i, 3) for i in range(6)]
        [0, 1, 2, 1, 0, 1]
    """
    period = max(1, 2 * (length - 1))
    index %= period
    return min(index, period - index) if length > 1 else 0


def merged(
    below: tuple[list[Image], list[Objects]], above: tuple[list[Image], list[Objects]]
) -> tuple[list[Image], list[Objects]]:
    """Paste the objects of one sequence onto another of the same size."""
    offset = 1 + max(int(objects.max()) for objects in below[1])
    images, labels = [], []
    for image, objects, other, pasted in zip(*below, *above, strict=True):
        front = pasted > 0
        images.append(np.where(front[..., None], other, image))
        labels.append(np.where(front, pasted + offset, objects))
    return images, labels


def known_objects(objects: list[Objects], most: int, rng: np.random.Generator) -> list[LabelMap]:
    """Number the objects of the first frame 1 to n; all others become background.

    Of more objects than there are identities, a random choice is kept.
    """
    numbers = [int(n) for n in np.unique(objects[0]) if n > 0]
    kept = sorted(rng.permutation(numbers)[:most].tolist())
    table = np.zeros(1 + max(int(o.max()) for o in objects), np.uint8)
    table[kept] = np.arange(1, len(kept) + 1)
    return [table[o] for o in objects]
