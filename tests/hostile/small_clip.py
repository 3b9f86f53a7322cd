"""A square that moves to the right in six small frames, its mask, and the command that tracks it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow
from typer.testing import CliRunner, Result

from hqtrack import HQTrack
from hqtrack.cli import app
from hqtrack.images import Image
from hqtrack.masks import Masks
from hqtrack.video.folder import STATE_FOLDER

FRAMES = 6
SIZE = (48, 64)
MASK = np.zeros((1, *SIZE), bool)
MASK[0, 10:30, 8:28] = True
GROUND = np.random.default_rng(0).integers(0, 60, (*SIZE, 3)).astype(np.uint8)


def frame(index: int) -> Image:
    """Return a frame (H, W, 3)."""
    image = GROUND.copy()
    image[10:30, 8 + index : 28 + index] = (40, 180, 230)
    return image


def write_frames(folder: Path) -> Path:
    """Write all frames as images into a new folder."""
    folder.mkdir()
    for index in range(FRAMES):
        assert cv2.imwrite(str(folder / f"{index:03d}.png"), frame(index))
    return folder


def write_mask(file: Path) -> Path:
    """Write the mask of the first frame as a label image."""
    Pillow.fromarray(MASK[0].astype(np.uint8)).save(file)
    return file


def hqtrack(*arguments: object) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def outputs(out: Path) -> dict[str, bytes]:
    """Return the files that a user sees."""
    files = (path for path in sorted(out.rglob("*")) if path.is_file() and STATE_FOLDER not in path.parts)
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def light_tracker() -> HQTrack:
    """Return a tracker of the embedded model that sees frames whole."""
    return HQTrack.from_card("hqtrack-light", max_long_edge=64, precision="float32")


def tracked(tracker: HQTrack) -> list[Masks]:
    """Return the masks of three frames after the first."""
    tracker.initialize(frame(0), MASK)
    return [tracker.track(frame(index)) for index in (1, 2, 3)]
