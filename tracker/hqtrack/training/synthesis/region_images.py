"""Photographs with region labels, and the regions in them that can serve as objects."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from hqtrack.errors import DataError
from hqtrack.images import IMAGE_SUFFIXES, read_image
from hqtrack.masks import LabelMap, Mask
from hqtrack.training.datasets.video import read_png

logger = logging.getLogger(__name__)

LEAST_INSTANCE_PIXELS = 100
"""Pixels of an object that a photograph shows, before it is reduced."""
MOST_REGIONS = 256
"""Regions of an index map of 8 bits; an image with more values is no index map."""


@dataclass(frozen=True)
class RegionImage:
    """A photograph, its region labels, and the regions that can serve as objects."""

    name: str
    image: Tensor
    """(3, H, W) uint8 RGB."""
    labels: LabelMap
    """(H, W) region numbers."""
    objects: list[tuple[int, ...]]
    """Sets of region numbers that together look like one object."""
    instances: tuple[int, ...] = ()
    """Numbers that are each an object of their own, of any outline; none where numbers are mere regions."""


@dataclass(frozen=True)
class RegionImages:
    """The photographs that sequences are made of."""

    items: list[RegionImage]
    skipped: list[str]
    """What could not be used, and why."""

    @property
    def with_objects(self) -> list[RegionImage]:
        """The photographs in which something can serve as an object."""
        return [item for item in self.items if item.objects]

    @classmethod
    def from_folder(cls, root: Path, list_file: str | None = None) -> RegionImages:
        """Read `root/images` and `root/labels` (PNG index maps of the same names).

        What cannot be used is named in a warning and skipped.

        Args:
            root: The dataset's folder.
            list_file: A text file under `root` with one image name per line; None takes all images.

        Raises:
            DataError: There is no usable image.
        """
        return cls.from_lists(root, None if list_file is None else [list_file])

    @classmethod
    def from_lists(cls, root: Path, list_files: Sequence[str] | None) -> RegionImages:
        """Read the images that any of several lists names; see `from_folder`.

        Args:
            root: Where a list is that is not named with its whole path.
            list_files: Each next to the folders `images` and `labels` of what it names.

        Raises:
            DataError: A list cannot be read, or there is no usable image.
        """
        lists = [root / file for file in list_files] if list_files else [None]
        items, skipped = [], []
        for path in lists:
            folder = root if path is None else path.parent
            files = images_by_stem(folder)
            for name in files if path is None else listed(path):
                item = _read(files.get(name), folder / "labels" / f"{name}.png")
                if isinstance(item, str):
                    skipped.append(f"{name}: {item}")
                else:
                    items.append(item)
        for line in skipped:
            logger.warning("skipped %s", line)
        if skipped:
            logger.warning("%d of %d images were skipped", len(skipped), len(items) + len(skipped))
        if not any(item.objects for item in items):
            raise DataError(
                f"{root} holds no usable image: images are expected in {root / 'images'} and label PNGs of "
                f"the same names in {root / 'labels'}"
            )
        return cls(items, skipped)


def images_by_stem(folder: Path) -> dict[str, Path]:
    """Find the files in `folder/images`, by their names without suffix; the last of equals."""
    files = sorted((folder / "images").glob("*"))
    return {file.stem: file for file in files if file.suffix.lower() in IMAGE_SUFFIXES}


def listed(path: Path) -> list[str]:
    """Return the stems that a list of images names.

    Raises:
        DataError: The list cannot be read, or is no text.
    """
    try:
        return [Path(line).stem for line in path.read_text(encoding="utf-8").split()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: no readable list of images: {error}") from error


def _read(image_file: Path | None, label_file: Path) -> str | RegionImage:
    """Return an image with its labels, or the reason why they cannot be used."""
    if image_file is None:
        return "no such image"
    if not label_file.exists():
        return f"no label file {label_file.name}"
    try:
        image, values = read_image(image_file), read_png(label_file)
    except DataError as error:
        return str(error)
    if values.shape != image.shape[:2]:
        height, width = values.shape
        return f"labels are {width}x{height}, the image {image.shape[1]}x{image.shape[0]}"
    numbers, places = np.unique(values, return_inverse=True)
    if len(numbers) > MOST_REGIONS:
        return f"{label_file.name} has {len(numbers)} regions; is it an index map?"
    labels = places.reshape(values.shape).astype(np.uint8)
    planes = torch.from_numpy(image.transpose(2, 0, 1).copy())
    if numbers[0] != 0:
        return RegionImage(image_file.stem, planes, labels, _object_regions(labels))
    areas = np.bincount(labels.ravel())
    instances = tuple(n for n in range(1, len(areas)) if areas[n] >= LEAST_INSTANCE_PIXELS)
    objects: list[tuple[int, ...]] = [(n,) for n in instances if looks_like_object(labels == n)]
    return RegionImage(image_file.stem, planes, labels, objects, instances)


def largest_component(mask: Mask) -> tuple[Mask, tuple[int, int, int, int]]:
    """Return the largest connected part of a mask and its box (x, y, width, height)."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    best = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    x, y, w, h = (int(v) for v in stats[best, :4])
    return parts == best, (x, y, w, h)


def looks_like_object(mask: Mask) -> bool:
    """Return whether a region (H, W) is compact, of a middling size, and not cut by more than one border."""
    area = int(mask.sum())
    height, width = mask.shape
    if not 500 <= area <= 0.4 * mask.size:
        return False
    part, (x, y, w, h) = largest_component(mask)
    touched = (x == 0) + (y == 0) + (x + w == width) + (y + h == height)
    return bool(part.sum() >= 0.8 * area and area >= 0.28 * w * h and touched <= 1)


def _object_regions(labels: LabelMap) -> list[tuple[int, ...]]:
    """Find single regions and pairs of neighbouring regions that look like objects."""
    numbers = [int(v) for v in np.unique(labels)]
    neighbours: set[tuple[int, int]] = set()
    for a, b in ((labels[:, 1:], labels[:, :-1]), (labels[1:], labels[:-1])):
        pairs = np.stack([a[a != b], b[a != b]], axis=1)
        neighbours |= {(min(p), max(p)) for p in map(tuple, np.unique(pairs, axis=0).tolist())}
    candidates = [(n,) for n in numbers] + sorted(neighbours)
    return [c for c in candidates if looks_like_object(np.isin(labels, c))]
