"""Grounds and things cut out of photographs that installed packages carry."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt

from hqtrack.errors import DataError, require

Canvas = npt.NDArray[np.uint8]
"""(H, W) on which an outline is drawn."""


# float32; OpenCV's own types are too wide to say so.
Colours = npt.NDArray[Any]


Alpha = npt.NDArray[Any]


@dataclass(frozen=True)
class Cutout:
    """A thing cut out of a photograph."""

    colours: Colours
    """(h, w, 3) RGB, 0 to 255."""
    alpha: Alpha
    """(h, w), 0 to 1."""


def read_photo(name: str) -> Colours:
    """Read a photograph of scikit-image or matplotlib as RGB.

    Raises:
        MissingExtraError: The package that carries it is not installed.
        DataError: The file is not there any more.
    """
    if name == "grace_hopper.jpg":
        file = Path(matplotlib.get_data_path()) / "sample_data" / name
    else:
        require("skimage")
        import skimage

        file = Path(skimage.__file__).parent / "data" / name
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if picture is None:
        raise DataError(f"the photograph {file} cannot be read; reinstall the package it belongs to")
    return np.ascontiguousarray(picture[..., ::-1], dtype=np.float32)


def outline(size: tuple[int, int], draw: Callable[[Canvas], None]) -> Alpha:
    """Draw an outline on an empty (h, w) canvas and soften its edge."""
    canvas = np.zeros(size, np.uint8)
    draw(canvas)
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), 0.8), np.float32) / 255


def trimmed(colours: Colours, alpha: Alpha) -> Cutout:
    """Crop a cut-out to what is visible, with a transparent edge of two pixels."""
    rows, columns = np.nonzero(alpha > 0.02)
    window = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    edge = ((2, 2), (2, 2))
    padded = np.pad(colours[window], (*edge, (0, 0)), mode="edge")
    return Cutout(padded, np.pad(alpha[window], edge))


def ellipse(photo: str, centre: tuple[int, int], axes: tuple[int, int]) -> Cutout:
    """An ellipse of a photograph."""
    colours = read_photo(photo)

    def draw(canvas: Canvas) -> None:
        cv2.ellipse(canvas, centre, axes, 0, 0, 360, 255, -1, cv2.LINE_AA)

    return trimmed(colours, outline(colours.shape[:2], draw))


@cache
def motorcycle() -> Cutout:
    """A motorcycle along its outline."""
    colours = read_photo("motorcycle_left.png")
    frame = [(105, 235), (150, 160), (250, 150), (330, 180), (430, 165), (500, 130), (500, 85), (548, 85)]
    frame += [(570, 150), (640, 290), (560, 310), (520, 400), (330, 430), (180, 400), (110, 300)]

    def draw(canvas: Canvas) -> None:
        cv2.fillPoly(canvas, [np.array(frame, np.int32)], 255, cv2.LINE_AA)
        cv2.circle(canvas, (197, 322), 78, 255, -1, cv2.LINE_AA)
        cv2.circle(canvas, (600, 370), 88, 255, -1, cv2.LINE_AA)

    return trimmed(colours, outline(colours.shape[:2], draw))


@cache
def coins() -> list[Cutout]:
    """The coins of the photograph, all alike."""
    colours = read_photo("coins.png")
    grey = cv2.GaussianBlur(colours[..., 0].astype(np.uint8), (0, 0), 2)
    local = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 101, -8)
    closed = cv2.morphologyEx(local, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    count, _, stats, centres = cv2.connectedComponentsWithStats(closed)
    warm = np.array([1.12, 1.0, 0.8], np.float32)
    coins = []
    for k in range(1, count):
        width, height, area = (int(v) for v in stats[k, 2:5])
        if area < 500 or abs(width - height) > 12:
            continue
        x, y = (round(float(v)) for v in centres[k])
        radius = (width + height) // 4

        def draw(canvas: Canvas, x: int = x, y: int = y, radius: int = radius) -> None:
            cv2.circle(canvas, (x, y), radius, 255, -1, cv2.LINE_AA)

        coins.append(trimmed(colours * warm, outline(colours.shape[:2], draw)))
    return coins


@cache
def horse() -> Cutout:
    """The silhouette of a horse with the fur of a cat."""
    import skimage

    file = Path(skimage.__file__).parent / "data" / "horse.png"
    outline = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if outline is None:
        raise DataError(f"the picture {file} cannot be read; reinstall scikit-image")
    dark = outline[..., :3].max(axis=2) < 128
    if outline.shape[2] == 4:
        dark &= outline[..., 3] > 128
    alpha = np.asarray(cv2.GaussianBlur(dark.astype(np.uint8) * 255, (0, 0), 0.8), np.float32) / 255
    fur = cv2.resize(read_photo("chelsea.png")[20:180, 40:200], (dark.shape[1], dark.shape[0]))
    # Darker below, as in daylight.
    shade = np.linspace(1.1, 0.55, dark.shape[0], dtype=np.float32)[:, None, None]
    return trimmed(fur * shade, alpha)


def ball(rng: np.random.Generator, photo: str) -> Cutout:
    """A sphere with a photograph's texture, lit from above left."""
    side = 120
    texture = read_photo(photo)
    y0 = int(rng.integers(texture.shape[0] - side))
    x0 = int(rng.integers(texture.shape[1] - side))
    tint = rng.uniform(0.35, 1.25, 3).astype(np.float32)
    line = np.linspace(-1, 1, side, dtype=np.float32)
    x, y = np.meshgrid(line, line)
    depth = np.sqrt(np.clip(1 - x * x - y * y, 0, 1))
    light = np.clip(-0.45 * x - 0.55 * y + 0.7 * depth, 0.12, 1)[..., None]
    colours = texture[y0 : y0 + side, x0 : x0 + side] * tint * light * 1.3

    def draw(canvas: Canvas) -> None:
        cv2.circle(canvas, (side // 2, side // 2), side // 2 - 2, 255, -1, cv2.LINE_AA)

    return trimmed(np.clip(colours, 0, 255), outline((side, side), draw))


def post(photo: str, width: int) -> Cutout:
    """An upright post that things pass behind."""
    texture = np.tile(read_photo(photo)[:400, :width], (2, 1, 1))[:600]
    round_ = np.sin(np.linspace(0.25, math.pi - 0.1, width, dtype=np.float32))[None, :, None]
    return trimmed(texture * round_ * 0.7, np.ones(texture.shape[:2], np.float32))


def ground(photo: str, size: tuple[int, int], tint: tuple[float, float, float] = (1, 1, 1)) -> Colours:
    """A ground of (width, height) pixels: the photograph, enlarged, or tiled by reflection."""
    picture = read_photo(photo) * np.array(tint, np.float32)
    if photo in ("grass.png", "gravel.png", "brick.png"):
        picture = np.pad(picture, ((0, picture.shape[0]), (0, picture.shape[1] * 2), (0, 0)), mode="reflect")
        return np.clip(picture[: size[1], : size[0]], 0, 255)
    scale = max(size[0] / picture.shape[1], size[1] / picture.shape[0])
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.clip(picture[: size[1], : size[0]], 0, 255)
