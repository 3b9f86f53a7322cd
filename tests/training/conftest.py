"""A tiny dataset for stage 1, which the tests write themselves."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from hqtrack.training.synthesis import RegionImages


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


@pytest.fixture(scope="session")
def static_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images and labels."""
    return write_static(tmp_path_factory.mktemp("static") / "photos")


@pytest.fixture(scope="session")
def images(static_folder: Path) -> RegionImages:
    return RegionImages.from_folder(static_folder)
