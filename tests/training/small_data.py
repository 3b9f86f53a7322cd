"""Small data sets that tests write themselves: photographs with regions, and a sequence of DAVIS."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

HEIGHT, WIDTH = 48, 64


def masks_at(t: int) -> list[np.ndarray]:
    """Two squares that move right."""
    masks = np.zeros((2, HEIGHT, WIDTH), bool)
    masks[0, 5:25, 2 + t : 22 + t] = True
    masks[1, 28:44, 30 + t : 46 + t] = True
    return list(masks)


def write_image(path: Path, t: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(t).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    assert cv2.imwrite(str(path), image)


def write_labels(path: Path, t: int, numbers: tuple[int, int] = (1, 2), *, palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = np.zeros((HEIGHT, WIDTH), np.uint16 if max(numbers) > 255 else np.uint8)
    for number, mask in zip(numbers, masks_at(t), strict=True):
        labels[mask] = number
    file = Image.fromarray(labels)
    if palette:
        file.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    file.save(path)


def write_davis(root: Path, frames: int = 3) -> Path:
    for t in range(frames):
        write_image(root / "JPEGImages/480p/bear" / f"{t:05}.jpg", t)
        write_labels(root / "Annotations/480p/bear" / f"{t:05}.png", t, palette=True)
    (root / "ImageSets/2017").mkdir(parents=True)
    (root / "ImageSets/2017/train.txt").write_text("bear\n")
    return root


def write_static(root: Path, count: int = 3) -> Path:
    """Write photographs of random texture with a few regions each."""
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    for index in range(count):
        rng = np.random.default_rng(index)
        noise = rng.integers(0, 256, (12, 16, 3), np.uint8)
        image = cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC)
        labels = np.zeros((120, 160), np.uint8)
        cv2.circle(labels, (50, 60), 25, 1, -1)
        cv2.ellipse(labels, (110, 60), (20, 35), 20, 0, 360, 2, -1)
        image[labels > 0] = image[labels > 0] // 2 + 90
        assert cv2.imwrite(str(root / "images" / f"{index}.png"), image)
        assert cv2.imwrite(str(root / "labels" / f"{index}.png"), labels)
    return root
