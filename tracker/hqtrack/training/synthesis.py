"""Stage-1 data: sequences synthesised from static images with region labels (paper section 3).

A sequence is a photograph seen by a moving camera, with objects cut out of other photographs (or built of
several textured parts) moving, turning, deforming and hiding one another in front of it. Every random
choice comes from one seed.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hqtrack.errors import DataError
from hqtrack.images import IMAGE_SUFFIXES, read_image
from hqtrack.masks import LabelMap, Mask
from hqtrack.training.datasets.video import read_png

logger = logging.getLogger(__name__)

TEXTURE_SIDE = 128
"""Side of the square texture that an object is drawn from, in pixels."""
MOST_REGIONS = 256
LEAST_SYNTHETIC_PIXELS = 40
"""Pixels that an object must show in the first frame to be labelled."""


@dataclass(frozen=True)
class RegionImage:
    """A photograph, its region labels, and the regions that can serve as objects."""

    image: Tensor
    """(3, H, W) uint8 RGB."""
    labels: LabelMap
    """(H, W) region numbers."""
    objects: list[tuple[int, ...]]
    """Sets of region numbers that together look like one object."""


@dataclass(frozen=True)
class RegionImages:
    """The photographs that sequences are made of."""

    items: list[RegionImage]
    skipped: list[str]
    """What could not be used, and why."""

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
            list_files: Each beside the folders `images` and `labels` of what it names.

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
    """Read an image and its labels, or say why they cannot be used."""
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
    return RegionImage(torch.from_numpy(image.transpose(2, 0, 1).copy()), labels, _object_regions(labels))


def _largest_component(mask: Mask) -> tuple[Mask, tuple[int, int, int, int]]:
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
    part, (x, y, w, h) = _largest_component(mask)
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


@dataclass(frozen=True)
class SequenceBatch:
    """Synthetic sequences."""

    frames: Tensor
    """(B, T, 3, H, W) uint8 RGB."""
    labels: Tensor
    """(B, T, H, W) uint8; 0 background, 1 to n the objects that the first frame shows."""


@dataclass
class _Layer:
    """One drawn thing: a texture with its outline and its motion, in frame pixels."""

    tiles: Tensor
    """(T or 1, 4, TEXTURE_SIDE, TEXTURE_SIDE) float RGBA, colours 0 to 255, alpha 0 to 1."""
    label: int
    centre: NDArray[np.float64]
    """(T, 2) x, y."""
    angle: NDArray[np.float64]
    """(T,) radians."""
    half: NDArray[np.float64]
    """(T, 2) half width and half height."""
    shear: NDArray[np.float64]
    """(T, 2) perspective coefficients."""
    bend: Tensor
    """(T, 2, 4, 4) displacement in tile units."""
    gain: NDArray[np.float64]
    """(T,) brightness."""
    shade: NDArray[np.float64]
    """(T, 3) direction of the light across the object and its strength."""
    shadow: float


class SequenceSynthesizer:
    """Makes batches of sequences."""

    def __init__(
        self,
        images: RegionImages,
        *,
        size: int,
        frames: int,
        max_objects: int = 7,
        device: str | torch.device = "cpu",
        seed: int = 0,
        difficulty: float = 1.0,
    ) -> None:
        self.images = images
        self.with_objects = [item for item in images.items if item.objects]
        self.size = size
        self.frames = frames
        self.max_objects = max_objects
        self.device = torch.device(device)
        self.difficulty = difficulty
        self.rng = np.random.default_rng(seed)

    def batch(self, batch_size: int, *, times: list[float] | None = None) -> SequenceBatch:
        """Make sequences whose frames lie at the given times (default 0, 1, 2, …)."""
        t = np.arange(self.frames, dtype=float) if times is None else np.asarray(times, dtype=float)
        sequences = [self._sequence(t) for _ in range(batch_size)]
        return SequenceBatch(torch.stack([s[0] for s in sequences]), torch.stack([s[1] for s in sequences]))

    # Randomness

    def _uniform(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def _chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def _path(self, t: NDArray[np.float64], wobble: float = 0.15) -> NDArray[np.float64]:
        """A smooth scalar motion that starts at 0: velocity, acceleration, jitter."""
        velocity, acceleration = self.rng.normal(), 0.35 * self.rng.normal()
        path = velocity * t + 0.5 * acceleration * np.minimum(t, 3) * t + self.rng.normal(0, wobble, len(t))
        return np.asarray(path - path[0])

    def _ease(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """A saturating change from 0 towards 1."""
        return 1 - np.exp(-t / self._uniform(2, 12))

    def _excursion(self, count: int, reach: float) -> NDArray[np.float64]:
        """A way out of the frame, and perhaps back: (count, 2)."""
        angle = self._uniform(0, 2 * math.pi)
        turn = self._uniform(0.5, 1.0) * math.pi
        distance = reach * self._uniform(0.7, 1.4) * np.sin(np.linspace(0, turn, count))
        return distance[:, None] * np.array([math.cos(angle), math.sin(angle)])

    # Textures and outlines

    def _photo_patch(self, side: int = TEXTURE_SIDE) -> Tensor:
        """A square of some photograph, (3, side, side) float."""
        image = self.images.items[self.rng.integers(len(self.images.items))].image
        height, width = image.shape[1:]
        crop = int(min(height, width, side * self._uniform(0.4, 1.8)))
        y, x = int(self.rng.integers(height - crop + 1)), int(self.rng.integers(width - crop + 1))
        patch = image[None, :, y : y + crop, x : x + crop].float()
        return F.interpolate(patch, size=(side, side), mode="bilinear", antialias=crop > side)[0]

    def _texture(self) -> Tensor:
        """A square texture (3, side, side): mostly photographs, sometimes smooth colour or stripes."""
        if self._chance(0.75):
            return self._photo_patch()
        cells = int(self.rng.integers(2, 12))
        noise = torch.from_numpy(
            self.rng.normal(0, self._uniform(0, 45), (1, 3, cells, cells)).astype(np.float32)
        )
        smooth = F.interpolate(noise, size=(TEXTURE_SIDE, TEXTURE_SIDE), mode="bicubic")[0]
        colour = torch.from_numpy(self.rng.uniform(0, 255, (3, 1, 1)).astype(np.float32))
        if self._chance(0.35):
            y, x = np.mgrid[:TEXTURE_SIDE, :TEXTURE_SIDE]
            angle, frequency = self._uniform(0, 6.3), self._uniform(0.1, 1.0)
            wave = np.sin((x * math.cos(angle) + y * math.sin(angle)) * frequency) * self._uniform(10, 60)
            smooth = smooth + torch.from_numpy(wave.astype(np.float32))
        return (colour + smooth).clamp(0, 255)

    def _blob(self) -> Tensor:
        """A smooth closed outline, (TEXTURE_SIDE, TEXTURE_SIDE) alpha."""
        corners = int(self.rng.integers(5, 13))
        angles = np.sort(self.rng.random(corners)) * 2 * np.pi
        radii = 1 - self._uniform(0, 0.65) * self.rng.random(corners)
        around = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        radius = np.interp(around, angles, radii, period=2 * np.pi)
        smooth = int(self.rng.integers(1, 7))
        radius = np.convolve(
            np.r_[radius[-smooth:], radius, radius[:smooth]], np.ones(2 * smooth + 1), "valid"
        )
        radius = radius / radius.max() * 0.48 * TEXTURE_SIDE
        points = TEXTURE_SIDE / 2 + np.stack([radius * np.cos(around), radius * np.sin(around)], axis=1)
        return self._filled(points)

    @staticmethod
    def _filled(points: NDArray[np.float64]) -> Tensor:
        canvas = np.zeros((TEXTURE_SIDE, TEXTURE_SIDE), np.uint8)
        cv2.fillPoly(canvas, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        return torch.from_numpy(canvas).float() / 255

    def _limb(self) -> Tensor:
        """A thin rounded bar along the tile's height, (TEXTURE_SIDE, TEXTURE_SIDE) alpha."""
        canvas = np.zeros((TEXTURE_SIDE, TEXTURE_SIDE), np.uint8)
        width = int(TEXTURE_SIDE * self._uniform(0.5, 0.95))
        margin = width // 2 + 1
        cv2.line(
            canvas,
            (TEXTURE_SIDE // 2, margin),
            (TEXTURE_SIDE // 2, TEXTURE_SIDE - margin),
            255,
            width,
            cv2.LINE_AA,
        )
        return torch.from_numpy(canvas).float() / 255

    def _cutout(self) -> tuple[Tensor, float]:
        """An object cut out of a photograph: RGBA tile and its aspect (width / height)."""
        item = self.with_objects[self.rng.integers(len(self.with_objects))]
        regions = item.objects[self.rng.integers(len(item.objects))]
        mask, (x, y, w, h) = _largest_component(np.isin(item.labels, regions))
        window = np.s_[max(0, y - 2) : y + h + 2, max(0, x - 2) : x + w + 2]
        alpha = mask[window].astype(np.uint8) * 255
        if self._chance(0.5):
            alpha = np.asarray(cv2.erode(alpha, np.ones((3, 3), np.uint8)), np.uint8)
        rgba = torch.cat(
            [item.image[:, window[0], window[1]].float(), torch.from_numpy(alpha)[None].float() / 255]
        )
        tile = F.interpolate(rgba[None], size=(TEXTURE_SIDE, TEXTURE_SIDE), mode="bilinear", antialias=True)[
            0
        ]
        return tile, w / h

    # Sequences

    def _motion(
        self, t: NDArray[np.float64], label: int, tile: Tensor, aspect: float, speed: float
    ) -> _Layer:
        """Return a tile a place, a size and a motion."""
        size = self.size
        area = math.exp(self._uniform(math.log(0.002), math.log(0.25))) * size * size
        half = 0.5 * np.array([math.sqrt(area * aspect), math.sqrt(area / aspect)])
        own = speed * math.exp(self.rng.normal(-0.1, 0.5))
        reach = 0.5 * max(2 * float(half.max()), 20) + 0.02 * size
        start = np.array([self._uniform(0.1, 0.9), self._uniform(0.12, 0.88)]) * size
        centre = start + np.stack([self._path(t) * reach * 0.14, self._path(t) * reach * 0.11], axis=1) * own
        if self._chance(0.15):
            centre = centre + self._excursion(len(t), 0.5 * size + float(half.max()))
        growth = np.exp(self._path(t, 0.05) * 0.05 * own)
        if self._chance(0.35):
            growth = growth * np.exp(self._uniform(-1.0, 1.0) * self._ease(t))
        flip = np.exp(self._path(t, 0.05) * 0.03 * own) if self._chance(0.4) else np.ones(len(t))
        bend = torch.zeros(len(t), 2, 4, 4)
        if self._chance(0.75):
            amount = self._uniform(0, 0.13) * min(1.5, own) ** 0.7
            drift, swing = (
                torch.from_numpy(self.rng.normal(0, 1, (2, 4, 4)).astype(np.float32)) for _ in range(2)
            )
            phase = self._uniform(0, 6.3)
            for i, time in enumerate(t):
                turn = math.sin(phase + 0.8 * time) - math.sin(phase)
                bend[i] = amount * (1.75 * math.tanh(0.2 * time) * drift + turn * swing)
        tiles = tile[None]
        if self._chance(0.3):
            # The object turns: what it shows changes gradually into something else.
            other = 0.5 * self._texture() + 0.5 * tile[:3].flip(-1)
            weight = torch.from_numpy(self._ease(t) * self._uniform(0.3, 0.9)).float().view(-1, 1, 1, 1)
            rgb = (1 - weight) * tile[:3] + weight * other
            tiles = torch.cat([rgb, tile[3:].expand(len(t), -1, -1, -1)], dim=1)
        light = self._uniform(0, 6.3) + self._path(t) * 0.15
        strength = self._uniform(0, 0.5) * self._chance(0.4)
        return _Layer(
            tiles=tiles,
            label=label,
            centre=centre,
            angle=self.rng.normal(0, 0.25) + self._path(t) * 0.07 * own,
            half=half * growth[:, None] * np.stack([flip, np.ones(len(t))], axis=1),
            shear=np.stack([self._path(t), self._path(t)], axis=1) * 0.02 * own,
            bend=bend,
            gain=np.exp(self._path(t) * 0.03 * speed),
            shade=np.stack([np.cos(light), np.sin(light), np.full(len(t), strength)], axis=1),
            shadow=self._uniform(0.25, 0.6) * self._chance(0.25),
        )

    def _figure(self, t: NDArray[np.float64], label: int, speed: float) -> list[_Layer]:
        """An articulated thing: a body, a head and limbs that swing, each with its own texture."""
        shared = self._texture()
        torso = self._motion(
            t, label, torch.cat([shared, self._blob()[None]]), self._uniform(0.4, 0.9), speed
        )
        layers = []
        frequency = self._uniform(0.3, 1.4)
        for place, rest in self._joints():
            texture = shared if self._chance(0.4) else self._texture()
            part = self._motion(t, label, torch.cat([texture, self._limb()[None]]), 1.0, speed)
            length, width = self._uniform(0.5, 1.1), self._uniform(0.1, 0.28)
            part.half = torso.half[:, 1:] * np.array([[width, length * 0.6]])
            swing = self._uniform(0.1, 0.9) * np.sin(frequency * t * speed + self._uniform(0, 6.3))
            part.angle = torso.angle + rest + swing
            cos, sin = np.cos(torso.angle), np.sin(torso.angle)
            x, y = (place * torso.half).T
            anchor = np.stack([cos * x - sin * y, sin * x + cos * y], axis=1)
            direction = np.stack([-np.sin(part.angle), np.cos(part.angle)], axis=1)
            part.centre = torso.centre + anchor + direction * part.half[:, 1:] * 0.8
            part.shear, part.shadow = torso.shear, torso.shadow
            layers.append(part)
        head = self._motion(t, label, torch.cat([self._texture(), self._blob()[None]]), 1.0, speed)
        head.half = np.repeat(torso.half[:, 1:] * 0.35, 2, axis=1)
        head.centre = (
            torso.centre - np.stack([-np.sin(torso.angle), np.cos(torso.angle)], 1) * torso.half[:, 1:] * 1.15
        )
        layers.insert(int(self.rng.integers(len(layers) + 1)), torso)
        return [*layers, head]

    def _joints(self) -> list[tuple[NDArray[np.float64], float]]:
        """Where limbs are fixed to a body, in half sizes from its middle, and which way they hang."""
        if self._chance(0.6):
            arms = [(np.array([side * 0.7, -0.7]), side * self._uniform(-0.9, 0.2)) for side in (-1, 1)]
            legs = [(np.array([side * 0.35, 0.75]), side * self._uniform(-0.4, 0.1)) for side in (-1, 1)]
            return arms + legs
        count = int(self.rng.integers(2, 6))
        return [(self.rng.uniform(-0.75, 0.75, 2), self._uniform(0, 6.3)) for _ in range(count)]

    def _objects(self, t: NDArray[np.float64], speed: float, in_place: int) -> list[list[_Layer]]:
        """Objects and unlabelled things, from back to front."""
        labelled = 1 + int(self.rng.choice(7, p=[0.14, 0.24, 0.24, 0.14, 0.1, 0.08, 0.06]))
        swarm = self._chance(0.15)
        if swarm:  # many small ones
            labelled = int(self.rng.integers(4, 11))
        elif in_place:
            labelled = int(self.rng.choice([0, 1, 2], p=[0.35, 0.4, 0.25]))
        others = int(self.rng.choice([0, 1, 2, 3], p=[0.4, 0.3, 0.2, 0.1]))
        things: list[list[_Layer]] = []
        for k in range(labelled + others):
            label = in_place + k + 1 if k < labelled and in_place + k < self.max_objects else 0
            kind = self._uniform(0, 1)
            if things and len(things[-1]) == 1 and self._chance(0.3):
                # A look-alike, often close by.
                model = things[-1][0]
                tint = torch.from_numpy(self.rng.normal(1, 0.06, (3, 1, 1)).astype(np.float32))
                tile = torch.cat([(model.tiles[0, :3] * tint).clamp(0, 255), model.tiles[0, 3:]])
                if self._chance(0.4):
                    tile = tile.flip(-1)
                layer = self._motion(t, label, tile, float(model.half[0, 0] / model.half[0, 1]), speed)
                scale = self._uniform(0.8, 1.25)
                layer.half = layer.half / layer.half[0] * model.half[0] * scale
                if self._chance(0.6):
                    offset = self.rng.normal(0, 1, 2) * 1.6 * model.half[0]
                    layer.centre = layer.centre - layer.centre[0] + model.centre[0] + offset
                    if self._chance(0.35):
                        # The two pass each other.
                        turn = np.cos(np.linspace(0, self._uniform(0.6, 1.0) * math.pi, len(t)))
                        layer.centre = model.centre + turn[:, None] * offset
                    elif self._chance(0.5):
                        layer.centre = (
                            layer.centre[0]
                            + 0.7 * (model.centre - model.centre[0])
                            + 0.3 * (layer.centre - layer.centre[0])
                        )
                things.append([layer])
            elif kind < 0.55:
                tile, aspect = self._cutout()
                things.append([self._motion(t, label, tile, aspect, speed)])
            elif kind < 0.82:
                things.append(self._figure(t, label, speed))
            elif kind < 0.9:
                tile = torch.cat([self._texture(), self._limb()[None]])
                things.append([self._motion(t, label, tile, self._uniform(0.06, 0.25), speed)])
            else:
                tile = torch.cat([self._texture(), self._blob()[None]])
                things.append([self._motion(t, label, tile, math.exp(self.rng.normal(0, 0.4)), speed)])
        if swarm:
            for layer in (layer for thing in things for layer in thing):
                shrunk = min(1.0, self._uniform(0.02, 0.07) * self.size / float(layer.half[0].max()))
                layer.half = layer.half * shrunk
        order = self.rng.permutation(len(things))
        return [things[i] for i in order]

    def _background(
        self, t: NDArray[np.float64], speed: float
    ) -> tuple[Tensor, Tensor, int, NDArray[np.float64]]:
        """A photograph seen by a moving camera: frames, labels of objects in place, their number, shift."""
        size = self.size
        bank = self.with_objects if self._chance(0.6) else self.images.items
        item = bank[self.rng.integers(len(bank))]
        height, width = item.image.shape[1:]
        moving = speed * self._chance(0.8)
        shake = self._uniform(0.1, 0.8) * self._chance(0.25)
        shift = (
            np.stack([self._path(t, 0.15 + shake) * 0.035, self._path(t, 0.15 + shake) * 0.02], 1)
            * size
            * moving
        )
        zoom = np.exp(self._path(t, 0.05) * 0.025 * moving) * math.exp(self._uniform(-0.6, 0.05))
        angle = self.rng.normal(0, 0.08) + self._path(t, 0.05) * 0.025 * moving
        fit = min(height, width) / size * zoom
        centre = np.array([width / 2, height / 2]) + self.rng.normal(0, 0.08, 2) * [width, height]
        flip = -1.0 if self._chance(0.5) else 1.0

        line = torch.arange(size, dtype=torch.float32) - size / 2 + 0.5
        grids = []
        for i in range(len(t)):
            y, x = torch.meshgrid(line - float(shift[i, 1]), line - float(shift[i, 0]), indexing="ij")
            cos, sin = math.cos(angle[i]) * fit[i], math.sin(angle[i]) * fit[i]
            u = (cos * x + sin * y) * flip + centre[0]
            v = -sin * x + cos * y + centre[1]
            grids.append(torch.stack([u / width * 2 - 1, v / height * 2 - 1], dim=-1))
        grid = torch.stack(grids)
        if self._chance(0.3):
            wave = torch.from_numpy(
                self.rng.normal(0, 0.02 * self._uniform(0, 1), (1, 2, 4, 4)).astype(np.float32)
            )
            bent = F.interpolate(wave, size=(size, size), mode="bicubic").permute(0, 2, 3, 1)
            grid = grid + bent * torch.from_numpy(np.tanh(0.2 * t)).float().view(-1, 1, 1, 1) * speed

        label_image = np.zeros_like(item.labels)
        count = 0
        if item.objects and self._chance(0.4):
            used: set[int] = set()
            for index in self.rng.permutation(len(item.objects))[: int(self.rng.integers(1, 4))]:
                regions = item.objects[index]
                if not used & set(regions):
                    used |= set(regions)
                    count += 1
                    label_image[np.isin(item.labels, regions)] = count
        # All frames in one call: they lie below one another.
        tall = grid.flatten(0, 1)[None].to(self.device)
        picture = item.image[None].to(self.device).float()
        frames = F.grid_sample(picture, tall, padding_mode="reflection", align_corners=False)
        frames = frames[0].unflatten(1, (len(t), size)).transpose(0, 1).contiguous()
        labels = torch.zeros(len(t), size, size, device=self.device)
        if count:
            sampled = F.grid_sample(
                torch.from_numpy(label_image)[None, None].to(self.device).float(),
                tall,
                "nearest",
                "zeros",
                False,
            )
            labels = sampled[0, 0].unflatten(0, (len(t), size)).contiguous()
        return frames, labels, count, shift

    def _draw(self, frames: Tensor, labels: Tensor, layer: _Layer) -> None:
        """Draw a layer onto frames (T, 3, H, W) and labels (T, H, W), in place."""
        size = self.size
        radius = np.hypot(*layer.half.T) * 1.15 + 3
        low = np.floor(layer.centre - radius[:, None]).astype(int)
        high = np.ceil(layer.centre + radius[:, None]).astype(int)
        low, high = np.clip(low, 0, size), np.clip(high, 0, size)
        reduced: dict[tuple[int, int], Tensor] = {}
        for i in range(frames.shape[0]):
            (x0, y0), (x1, y1) = low[i].tolist(), high[i].tolist()
            if x1 - x0 < 2 or y1 - y0 < 2:
                continue
            y = torch.arange(y0, y1, device=self.device)[:, None] + 0.5 - float(layer.centre[i, 1])
            x = torch.arange(x0, x1, device=self.device)[None, :] + 0.5 - float(layer.centre[i, 0])
            cos, sin = math.cos(layer.angle[i]), math.sin(layer.angle[i])
            u = (cos * x + sin * y) / float(layer.half[i, 0])
            v = (-sin * x + cos * y) / float(layer.half[i, 1])
            depth = 1 + float(layer.shear[i, 0]) * u + float(layer.shear[i, 1]) * v
            place = torch.stack([u, v], dim=-1) / depth[..., None].clamp(min=0.3)
            bend = layer.bend[i : i + 1].to(self.device)
            if float(bend.abs().max()) > 0:
                place = place + F.grid_sample(bend, place[None].clamp(-1, 1), align_corners=True)[0].permute(
                    1, 2, 0
                )
            which = i if len(layer.tiles) > 1 else 0
            octaves = round(2 * math.log2(TEXTURE_SIDE / (2 * float(layer.half[i].max()))))
            if (which, octaves) not in reduced:
                tile = layer.tiles[which].to(self.device)
                if octaves > 1:
                    side = max(4, round(TEXTURE_SIDE * 2 ** (-octaves / 2)))
                    tile = F.interpolate(tile[None], size=(side, side), mode="bilinear", antialias=True)[0]
                reduced[which, octaves] = tile
            tile = reduced[which, octaves]
            drawn = F.grid_sample(tile[None], place[None], padding_mode="zeros", align_corners=False)[0]
            alpha = drawn[3]
            region = frames[i, :, y0:y1, x0:x1]
            if layer.shadow:
                soft = F.avg_pool2d(alpha[None, None], 5, 1, 2)[0, 0]
                step = max(1, round(0.08 * min(soft.shape)))
                region *= 1 - layer.shadow * soft.roll((step, step // 2), (0, 1))
            gain = float(layer.gain[i]) * (
                1
                + float(layer.shade[i, 2])
                * (u * float(layer.shade[i, 0]) + v * float(layer.shade[i, 1])).clamp(-1, 1)
            )
            region += alpha * (drawn[:3] * gain - region)
            window = labels[i, y0:y1, x0:x1]
            window.masked_fill_(alpha > 0.5, float(layer.label))

    def _sequence(self, t: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
        """One sequence: frames (T, 3, H, W) uint8 and labels (T, H, W) uint8."""
        while True:
            speed = min(2.5, self.difficulty * math.exp(self.rng.normal(-0.25, 0.75)))
            if t[-1] > len(t) + 2:
                speed *= (3 / t[1]) ** 0.4
            frames, labels, in_place, shift = self._background(t, speed)
            for thing in self._objects(t, speed, in_place):
                follow = shift if self._chance(0.5) else 0
                for layer in thing:
                    layer.centre = layer.centre + follow
                    self._draw(frames, labels, layer)
            area = torch.bincount(labels[0].long().flatten(), minlength=self.max_objects + 2)
            if int((area[1:] >= LEAST_SYNTHETIC_PIXELS).sum()) > 0:
                break
        kept = [k for k in range(1, len(area)) if area[k] >= LEAST_SYNTHETIC_PIXELS][: self.max_objects]
        table = torch.zeros(len(area), dtype=torch.uint8, device=self.device)
        for new, old in enumerate(kept, 1):
            table[old] = new
        return self._camera(frames, t, speed, shift), table[labels.long()]

    def _camera(
        self, frames: Tensor, t: NDArray[np.float64], speed: float, shift: NDArray[np.float64]
    ) -> Tensor:
        """Light, exposure, blur, noise and compression, (T, 3, H, W) float to uint8."""
        size, count = self.size, len(t)
        if self._chance(0.6):
            # Sun and shade lie still in the world while objects move through them.
            cells = int(self.rng.integers(2, 6))
            field = torch.from_numpy(
                self.rng.normal(0, self._uniform(0.1, 0.5), (1, 1, cells, cells)).astype(np.float32)
            )
            margin = size // 4
            wide = size + 2 * margin
            field = F.interpolate(field, size=(wide, wide), mode="bicubic")
            if self._chance(0.6):
                field = self._uniform(0.2, 0.6) * torch.tanh(field * self._uniform(3, 20))
            light = torch.exp(field[0, 0]).to(self.device)
            for frame, offset in zip(frames, shift, strict=True):
                x, y = (margin - np.clip(np.round(offset), -margin, margin).astype(int)).tolist()
                frame *= light[y : y + size, x : x + size]
        colour = 1 + (self.rng.normal(0, 0.12, 3) if self._chance(0.6) else np.zeros(3))
        contrast = math.exp(self.rng.normal(0, 0.15))
        exposure = np.exp(self._path(t) * 0.03 * speed) if self._chance(0.5) else np.ones(count)
        gain = torch.from_numpy(np.outer(exposure, colour) * contrast).float().to(self.device)
        frames = frames * gain[:, :, None, None] + float(self.rng.normal(0, 12)) + 128 * (1 - contrast)
        if self._chance(0.06):
            frames = frames.mean(1, keepdim=True).expand(-1, 3, -1, -1)
        if self._chance(0.25):
            side = max(32, int(size / self._uniform(1.1, 2.2)))
            small = F.interpolate(frames, size=(side, side), mode="bilinear", antialias=True)
            frames = F.interpolate(small, size=(size, size), mode="bicubic")
        if self._chance(0.2 * min(1.0, speed)):
            reach, angle = int(self.rng.integers(2, 5)), self._uniform(0, math.pi)
            steps = [
                (round(k * math.sin(angle)), round(k * math.cos(angle))) for k in range(-reach, reach + 1)
            ]
            padded = F.pad(frames, (reach,) * 4, mode="replicate")
            shifted = [
                padded[..., reach + dy : reach + dy + size, reach + dx : reach + dx + size]
                for dy, dx in steps
            ]
            frames = torch.stack(shifted).mean(0)
        if self._chance(0.5):
            noise = torch.from_numpy(self.rng.standard_normal((1, 3, size + 8, size + 8), dtype=np.float32))
            noise = noise.to(self.device) * self._uniform(0, 8)
            frames = torch.cat(
                [
                    f[None] + noise[..., k % 8 : k % 8 + size, k % 5 : k % 5 + size]
                    for k, f in enumerate(frames)
                ]
            )
        frames = frames.clamp(0, 255).to(torch.uint8)
        if self._chance(0.25):
            quality = int(self.rng.integers(15, 75))
            frames = torch.stack([_recompressed(f, quality) for f in frames])
        return frames


def _recompressed(frame: Tensor, quality: int) -> Tensor:
    """Return a frame (3, H, W) uint8 the artefacts of JPEG; it passes through the CPU."""
    image = np.ascontiguousarray(frame.cpu().numpy()[::-1].transpose(1, 2, 0))
    _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)
    return torch.from_numpy(np.ascontiguousarray(decoded[..., ::-1].transpose(2, 0, 1))).to(frame.device)
