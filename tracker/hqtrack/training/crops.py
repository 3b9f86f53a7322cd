"""Training crops of the light refiner: an object of a photograph or a video's frame, with prompts for it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from hqtrack.errors import DataError
from hqtrack.images import Image, read_image
from hqtrack.masks import Mask
from hqtrack.refinement.light import PADDING_COLOUR
from hqtrack.refinement.windows import Window, box_map, cut, point_map, window_around
from hqtrack.training.coarse_masks import worsen
from hqtrack.training.datasets import Source
from hqtrack.training.datasets.video import read_png
from hqtrack.training.synthesis.region_images import images_by_stem, listed, looks_like_object

logger = logging.getLogger(__name__)

Labels = npt.NDArray[np.int32]

LEAST_CROPPED_PIXELS = 60
"""Pixels that an object must have to be trained on."""


@dataclass(frozen=True)
class Photograph:
    """An image file and its index map."""

    image: Path
    labels: Path
    objects: tuple[int, ...]
    """Numbers that are objects of their own."""
    together: bool
    """Whether the numbers are regions that fill the picture, rather than objects before a background."""


class Photographs:
    """Photographs with masks of regions or objects, read when they are needed."""

    def __init__(self, items: Sequence[Photograph]) -> None:
        self.items = list(items)

    @classmethod
    def from_lists(cls, root: Path, lists: Sequence[str]) -> Photographs:
        """Find the photographs that lists name, in the folders `images` and `labels` next to each list.

        Args:
            root: Where a list is that is not named with its whole path.
            lists: Files.

        Raises:
            DataError: A list cannot be read, or there is no usable photograph.
        """
        items, skipped = [], 0
        for path in (root / file for file in lists):
            files = images_by_stem(path.parent)
            for name in listed(path):
                labels = path.parent / "labels" / f"{name}.png"
                if name not in files or not labels.exists():
                    skipped += 1
                    continue
                values = read_png(labels)
                numbers = [int(v) for v in np.unique(values)]
                filled = 0 not in numbers
                objects = tuple(n for n in numbers if n and _usable(values == n, filled))
                if objects:
                    items.append(Photograph(files[name], labels, objects, filled))
        if skipped:
            logger.warning("%d photographs of the lists are missing", skipped)
        if not items:
            raise DataError(f"{root} holds no usable photograph of {', '.join(lists)}")
        return cls(items)

    def split(self) -> tuple[Photographs, Photographs]:
        """Return nine tenths for training and one, at least one photograph, for validation."""
        held = self.items[5::10] or self.items[-1:]
        return Photographs([item for item in self.items if item not in held]), Photographs(held)

    def read(self, index: int) -> tuple[Image, Labels]:
        """Read a photograph and its labels; where numbers are regions, those that are no object are 0."""
        item = self.items[index]
        image, labels = read_image(item.image), read_png(item.labels)
        if item.together:
            labels = np.where(np.isin(labels, item.objects), labels, 0)
        return image, labels


def _usable(mask: Mask, region: bool) -> bool:
    return looks_like_object(mask) if region else int(mask.sum()) >= LEAST_CROPPED_PIXELS


class Crop(NamedTuple):
    """What the refiner trains on."""

    image: Image
    """(S, S, 3) uint8 RGB."""
    prompts: npt.NDArray[np.int8]
    """(4, S, S), 127 is 1; see `hqtrack.nets.light_segmenter.PROMPTS`."""
    truth: npt.NDArray[np.uint8]
    """(S, S), 255 where the object fills a pixel."""
    kind: str
    """Which prompts: "mask", "box" or "point"."""


class CropSampler:
    """Draws crops from photographs and videos.

    Args:
        photographs: Sets of photographs and their shares.
        videos: Videos and their shares.
        side: Of a crop, in pixels.
        video_share: Share of crops that come out of videos, where there are any.
    """

    def __init__(
        self,
        photographs: Sequence[tuple[Photographs, float]],
        videos: Sequence[Source],
        *,
        side: int,
        video_share: float = 0.25,
    ) -> None:
        self.photographs, self.videos = photographs, videos
        self.side = side
        self.video_share = video_share if videos else 0.0

    def sample(self, rng: np.random.Generator, *, plain: bool = False, kind: str | None = None) -> Crop:
        """Draw a crop.

        Args:
            rng: Source of randomness.
            plain: As it is, without colours changed or objects pasted, and in the way the refiner crops.
            kind: Which prompts; random if None.
        """
        if kind is None:
            kind = str(rng.choice(["mask", "box", "point"], p=[0.38, 0.34, 0.28]))
        while True:
            image, labels, target = self._scene(rng, kind)
            crop = self._crop(image, labels, target, kind, rng, plain)
            if crop is not None:
                return crop

    def _scene(self, rng: np.random.Generator, kind: str) -> tuple[Image, Labels, Mask]:
        """Draw an image, its labels, and the mask of one of its objects."""
        while True:
            if rng.random() < self.video_share:
                weights = np.array([s.weight * len(s.videos) ** 0.5 for s in self.videos])
                source = self.videos[int(rng.choice(len(weights), p=weights / weights.sum()))]
                video = source.videos[int(rng.integers(len(source.videos)))]
                image, labels = video.frame(int(rng.integers(len(video))))
                all_together = rng.random() < (0.15 if kind == "point" else 0.35)
            else:
                shares = np.array([share for _, share in self.photographs])
                photographs = self.photographs[int(rng.choice(len(shares), p=shares / shares.sum()))][0]
                image, labels = photographs.read(int(rng.integers(len(photographs.items))))
                all_together = False
            numbers = [int(v) for v in np.unique(labels) if v]
            if not numbers:
                continue
            target = labels > 0 if all_together else labels == int(rng.choice(numbers))
            if int(target.sum()) >= LEAST_CROPPED_PIXELS and target.mean() < 0.8:
                return image, labels, target

    def _crop(
        self, image: Image, labels: Labels, target: Mask, kind: str, rng: np.random.Generator, plain: bool
    ) -> Crop | None:
        size = (image.shape[0], image.shape[1])
        box = _box(target)
        if kind == "point":
            window = _wide_window(box, size, rng)
        else:
            margin = 0.2 if plain else float(np.exp(rng.uniform(np.log(0.08), np.log(0.6))))
            window = window_around(box if plain else jittered(box, 0.08, rng), size, margin)
        side = self.side
        seen = cut(image, window, side, PADDING_COLOUR)
        truth = cut(target.astype(np.uint8) * 255, window, side)
        others = cut(((labels > 0) & ~target).astype(np.uint8) * 255, window, side) > 127
        if not plain:
            if rng.random() < 0.25:
                seen, truth, others = self._pasted(seen, truth, others, rng)
            seen = recoloured(seen, rng)
        mask = truth > 127
        if int(mask.sum()) < 20:
            return None
        if not plain and rng.random() < 0.5:
            seen, truth = np.ascontiguousarray(seen[:, ::-1]), np.ascontiguousarray(truth[:, ::-1])
            others, mask = np.ascontiguousarray(others[:, ::-1]), np.ascontiguousarray(mask[:, ::-1])
        prompts = self._prompts(mask, others, kind, rng, plain)
        return Crop(seen, np.round(prompts * 127).astype(np.int8), truth, kind)

    def _pasted(
        self, image: Image, truth: npt.NDArray[np.uint8], others: Mask, rng: np.random.Generator
    ) -> tuple[Image, npt.NDArray[np.uint8], Mask]:
        """Paste an object of another scene behind or before the object."""
        second, _, shape = self._scene(rng, "box")
        side = self.side
        box = _box(shape)
        window = window_around(box, (second.shape[0], second.shape[1]), 0.05)
        height = int(side * rng.uniform(0.25, 0.8))
        patch, alpha = (
            cut(second, window, height, PADDING_COLOUR),
            cut(shape.astype(np.uint8) * 255, window, height),
        )
        x, y = (int(rng.integers(-height // 3, side - 2 * height // 3)) for _ in range(2))
        layer, cover = np.zeros_like(image), np.zeros_like(truth)
        ys, xs = slice(max(y, 0), min(y + height, side)), slice(max(x, 0), min(x + height, side))
        layer[ys, xs] = patch[ys.start - y : ys.stop - y, xs.start - x : xs.stop - x]
        cover[ys, xs] = alpha[ys.start - y : ys.stop - y, xs.start - x : xs.stop - x]
        share = cover.astype(np.float32) / 255
        own = truth.astype(np.float32) / 255
        if rng.random() < 0.5:  # behind the object
            share = share * (1 - own)
        left = own * (1 - share)
        if left.sum() < 0.5 * own.sum():
            return image, truth, others
        mixed = image + (layer.astype(np.float32) - image) * share[..., None]
        return (
            mixed.astype(np.uint8),
            np.round(left * 255).astype(np.uint8),
            (others | (share > 0.5)) & (left < 0.5),
        )

    def _prompts(
        self, mask: Mask, others: Mask, kind: str, rng: np.random.Generator, plain: bool
    ) -> npt.NDArray[np.float32]:
        side = self.side
        window = Window(0, 0, side, side)
        prompts = np.zeros((4, side, side), np.float32)
        coarse: Mask | None = None
        box = _box(mask)
        if kind == "mask":
            coarse = worsen(mask, others, rng)
            prompts[0] = np.where(coarse, 1, -1)
            prompts[1] = box_map(_box(coarse), window, side)
        elif kind == "box":
            amount = 0.0 if plain else float(rng.choice([0.0, 0.03, 0.08]))
            prompts[1] = box_map(jittered(box, amount, rng), window, side)
        if kind == "point":
            count = 1 if plain or rng.random() < 0.7 else int(rng.integers(2, 4))
            points = [middle(mask)] if plain or rng.random() < 0.5 else []
            points += [anywhere(mask, rng) for _ in range(count - len(points))]
            prompts[2] = point_map(points, window, side)
        elif not plain and rng.random() < 0.15:
            missed = mask & ~coarse if coarse is not None else mask
            if missed.any():
                prompts[2] = point_map([anywhere(missed, rng)], window, side)
        if not plain and rng.random() < (0.25 if kind == "point" else 0.12):
            wrong = coarse & ~mask if coarse is not None and rng.random() < 0.7 else others
            off = (
                wrong
                if wrong.sum() > 20
                else ~cv2.dilate(mask.view(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
            )
            if off.any():
                prompts[3] = point_map(
                    [anywhere(off, rng) for _ in range(int(rng.integers(1, 3)))], window, side
                )
        return prompts


def _box(mask: Mask) -> tuple[int, int, int, int]:
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


def jittered(box: Sequence[float], amount: float, rng: np.random.Generator) -> tuple[float, ...]:
    """Move each side of a box by a normal fraction of its width or height; it stays a box."""
    x0, y0, x1, y1 = box
    moves = rng.normal(0, amount, 4) if amount else np.zeros(4)
    width, height = x1 - x0 + 1, y1 - y0 + 1
    left, right = x0 + moves[0] * width, x1 + moves[1] * width
    top, bottom = y0 + moves[2] * height, y1 + moves[3] * height
    return (left, top, max(right, left + 1), max(bottom, top + 1))


def _wide_window(box: Sequence[float], size: tuple[int, int], rng: np.random.Generator) -> Window:
    """Draw a window that holds an object, from a tight one to the whole frame."""
    x0, y0, x1, y1 = box
    height, width = size
    if rng.random() < 0.3:
        return Window(0, 0, width, height)
    largest = max(width, height)
    side = max(x1 - x0, y1 - y0) + 1
    length = float(np.exp(rng.uniform(np.log(side * 1.05), np.log(max(largest, side * 1.1)))))
    across = min(length * float(np.exp(rng.uniform(-0.35, 0.35))), width)
    down = min(length * float(np.exp(rng.uniform(-0.35, 0.35))), height)
    across, down = max(across, x1 - x0 + 3), max(down, y1 - y0 + 3)
    centre = (
        (x0 + x1) / 2 + rng.uniform(-0.5, 0.5) * (across - (x1 - x0)),
        (y0 + y1) / 2 + rng.uniform(-0.5, 0.5) * (down - (y1 - y0)),
    )
    left = min(max(centre[0] - across / 2, 0), max(width - across, 0))
    top = min(max(centre[1] - down / 2, 0), max(height - down, 0))
    return Window(int(left), int(top), int(left + across) + 1, int(top + down) + 1)


def middle(mask: Mask) -> tuple[float, float]:
    """Return the pixel of a mask that is farthest from its border."""
    padded = cv2.copyMakeBorder(mask.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(x), float(y)


def anywhere(mask: Mask, rng: np.random.Generator) -> tuple[float, float]:
    """Draw a pixel of a mask, rather not at its border."""
    inner = cv2.erode(mask.view(np.uint8), np.ones((5, 5), np.uint8)) > 0
    ys, xs = np.nonzero(inner if inner.any() else mask)
    index = int(rng.integers(len(xs)))
    return float(xs[index]), float(ys[index])


def recoloured(image: Image, rng: np.random.Generator) -> Image:
    """Change colours, blur, and compress as cameras and films do."""
    changed: Any = image.astype(np.float32)
    if rng.random() < 0.7:
        gain = rng.uniform(0.75, 1.25) * np.exp(rng.normal(0, 0.06, 3))
        grey = changed.mean(2, keepdims=True)
        changed = grey + (changed - grey) * rng.uniform(0.5, 1.4)
        changed = (changed - 128) * rng.uniform(0.75, 1.25) + 128 + rng.normal(0, 12)
        changed = changed * gain.astype(np.float32)
    if rng.random() < 0.2:
        changed = cv2.GaussianBlur(changed, (0, 0), float(rng.uniform(0.5, 2.0)))
    elif rng.random() < 0.1:
        length = int(rng.integers(3, 12))
        changed = cv2.blur(changed, (length, 1) if rng.random() < 0.5 else (1, length))
    if rng.random() < 0.15:
        changed = changed + rng.normal(0, rng.uniform(2, 10), changed.shape).astype(np.float32)
    done: Image = np.clip(changed, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        data: Any
        _, data = cv2.imencode(".jpg", done[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))])
        decoded: Any = cv2.imdecode(data, cv2.IMREAD_COLOR)
        done = np.ascontiguousarray(decoded[..., ::-1])
    return done
