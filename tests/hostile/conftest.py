"""A small clip and its mask, as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostile.small_clip import write_frames, write_mask


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Return a folder of frames."""
    return write_frames(tmp_path / "clip")


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """Return a label image of the first frame."""
    return write_mask(tmp_path / "mask.png")
