"""A tiny dataset for stage 1, which the tests write themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from hqtrack.training.synthesis import RegionImages
from training.small_data import write_static


@pytest.fixture(scope="session")
def static_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images and labels."""
    return write_static(tmp_path_factory.mktemp("static") / "photos")


@pytest.fixture(scope="session")
def images(static_folder: Path) -> RegionImages:
    return RegionImages.from_folder(static_folder)
