"""An annotated video, whatever dataset it comes from."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import UnidentifiedImageError
from vot.region import Region, RegionException, Special
from vot.region.io import read_trajectory

from hqtrack.errors import DataError, InputError
from hqtrack.images import Image, read_image
from hqtrack.masks import rle_decode

Objects = npt.NDArray[np.int32]
"""A label map (H, W) with the dataset's own object numbers, the same through a video; 0 is none."""


@dataclass(frozen=True)
class Video(ABC):
    """A video of which every frame listed here is annotated."""

    name: str
    images: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.images)

    def frame(self, index: int) -> tuple[Image, Objects]:
        """Read a frame, (H, W, 3) uint8 RGB, and its objects, (H, W).

        Raises:
            DataError: A file is missing or damaged, or image and annotation differ in size.
        """
        image, objects = read_image(self.images[index]), self.objects(index)
        if objects.shape != image.shape[:2]:
            raise DataError(
                f"{self.images[index]}: its annotation is {objects.shape[1]}x{objects.shape[0]}, "
                f"the image {image.shape[1]}x{image.shape[0]}"
            )
        return image, objects

    @abstractmethod
    def objects(self, index: int) -> Objects:
        """Read the annotation of a frame."""


@dataclass(frozen=True)
class PngVideo(Video):
    """Annotated with PNG files whose pixel values are object numbers (palette, 8 or 16 bits)."""

    labels: tuple[Path, ...]
    smallest: int = 1
    """Values below this are no object."""
    ignored: frozenset[int] = frozenset()
    """Values that are no object."""

    def objects(self, index: int) -> Objects:
        """See `Video.objects`."""
        values = read_png(self.labels[index])
        excluded = values < self.smallest
        if self.ignored:
            excluded |= np.isin(values, list(self.ignored))
        values[excluded] = 0
        return values


@dataclass(frozen=True)
class RleVideo(Video):
    """Annotated with run lengths."""

    runs: tuple[Mapping[int, Mapping[str, Any]], ...]
    """For each frame, COCO's run-length encoding of each object by its number, which is above 0."""

    def objects(self, index: int) -> Objects:
        """See `Video.objects`; of objects that overlap, the one with the highest number owns the pixel."""
        objects: Objects | None = None
        for number, run in sorted(self.runs[index].items()):
            try:
                mask = rle_decode(dict(run))
            except InputError as error:
                raise DataError(f"{self.images[index]}: object {number}: {error}") from error
            if objects is None:
                objects = np.zeros(mask.shape, np.int32)
            if mask.shape != objects.shape:
                raise DataError(f"{self.images[index]}: its masks differ in size")
            objects[mask] = number
        return np.zeros(read_image(self.images[index]).shape[:2], np.int32) if objects is None else objects


@dataclass(frozen=True)
class TrajectoryVideo(Video):
    """Annotated with the VOT toolkit's trajectories, one file an object, one region a frame."""

    size: tuple[int, int]
    """Height and width."""
    trajectories: tuple[Path, ...]

    def objects(self, index: int) -> Objects:
        """See `Video.objects`; of objects that overlap, the later file's owns the pixel."""
        height, width = self.size
        objects: Objects = np.zeros(self.size, np.int32)
        for number, path in enumerate(self.trajectories, 1):
            regions = _trajectory(path)
            if len(regions) != len(self):
                raise DataError(f"{path}: {len(regions)} regions for {len(self)} frames")
            if not isinstance(regions[index], Special):
                objects[regions[index].rasterize((0, 0, width - 1, height - 1)) > 0] = number
        return objects


@lru_cache(maxsize=512)
def _trajectory(path: Path) -> list[Region]:
    """Read a trajectory; kept, for a sequence is drawn from many times."""
    try:
        regions: list[Region] = read_trajectory(str(path))
    except (OSError, ValueError, MemoryError, RegionException) as error:
        raise DataError(f"{path}: no readable trajectory: {error}") from error
    return regions


def read_png(path: Path) -> Objects:
    """Read the pixel values of a PNG with one channel, palette indices included.

    Raises:
        DataError: The file is missing, damaged, or has several channels.
    """
    try:
        with Pillow.open(path) as file:
            values = np.array(file)
    except (OSError, SyntaxError, UnidentifiedImageError) as error:
        raise DataError(f"{path}: no readable annotation: {error}") from error
    if values.ndim != 2:
        raise DataError(f"{path}: an annotation has one channel, this file has {values.shape[-1]}")
    return values.astype(np.int32)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: The file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: no readable annotation file: {error}") from error


def read_names(path: Path) -> list[str]:
    """Read a list of names, one a line.

    Raises:
        DataError: The file is missing.
    """
    try:
        return path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: no readable list of videos: {error}") from error


def folder(*candidates: Path) -> Path:
    """Return the first folder that exists.

    Raises:
        DataError: None does.
    """
    found = next((path for path in candidates if path.is_dir()), None)
    if found is None:
        raise DataError(f"no folder {' or '.join(map(str, candidates))}")
    return found


def paired(name: str, images: Path, labels: Path, **settings: Any) -> PngVideo:
    """Make a video of the images in a folder that have a PNG of the same stem in another one."""
    annotated = {path.stem: path for path in labels.glob("*.png")}
    frames = sorted(path for path in images.glob("*") if path.stem in annotated)
    return PngVideo(name, tuple(frames), tuple(annotated[path.stem] for path in frames), **settings)
