"""The sample sequences and their like, written in the toolkit's format.

A seed fixes every pixel; other seeds give a test set of the same scenes with other paths, objects and light.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from vot.region import Mask
from vot.region.io import write_trajectory
from vot.utilities import write_properties

from hqtrack.errors import DataError
from hqtrack.files import fresh_folder, write_whole
from hqtrack.scenes.camera import HEIGHT, WIDTH, draw_frame
from hqtrack.scenes.scripts import SCENES
from hqtrack.scenes.stage import Scene

logger = logging.getLogger(__name__)


FRAMES_PER_SECOND = 25


SAMPLE_SEED = 2023


SCENE_NAMES = ("coins", "horses", "approach", "table", "swarm")
"""Of `SCENES`, in their order."""

EVERY_FRAME = dict.fromkeys(SCENE_NAMES, 1)
"""All scenes, drawn whole."""


DEMO_STEPS = {"coins": 4, "horses": 2, "table": 4}
"""Scenes of the demo; of each, every second or fourth frame is drawn: all happens, in less time.

There are look-alikes, and objects that hide one another, leave the view and come back. Horses has more
frames, since the toolkit measures no ADQ where an object is away for ten frames or fewer.
"""


TEST_SEEDS = (3101, 3102)


FIRST_TRAINING_SEED = 10_000
"""Seeds from this one on are for training: no figure is measured on them."""


def write_sequence(folder: Path, scene: Scene, rng: np.random.Generator, step: int = 1) -> None:
    """Draw a scene and write it in the toolkit's format.

    Args:
        folder: Must not exist; it appears only once complete.
        scene: What to draw.
        rng: Source of the noise.
        step: Draw every `step`-th frame.
    """
    partial = folder.with_name(folder.name + ".part")
    fresh_folder(partial)  # an interrupted drawing may have had more frames
    (partial / "color").mkdir()
    objects = sum(actor.labelled for actor in scene.actors)
    trajectories: list[list[Mask]] = [[] for _ in range(objects)]
    for index, instant in enumerate(range(0, scene.length, step)):
        picture, masks = draw_frame(scene, instant, rng)
        file = partial / "color" / f"{index + 1:08d}.jpg"
        if not cv2.imwrite(str(file), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92]):
            raise DataError(f"{file} cannot be written; is the disk full?")
        for trajectory, mask in zip(trajectories, masks, strict=True):
            trajectory.append(Mask(mask.astype(np.uint8), optimize=True))
    for number, trajectory in enumerate(trajectories, start=1):
        write_trajectory(str(partial / f"groundtruth_{number:03d}.txt"), trajectory)
    properties = {
        "name": folder.name,
        "fps": frame_rate(step),
        "length": frame_count(scene, step),
        "width": WIDTH,
        "height": HEIGHT,
        "channels.color": "color/%08d.jpg",
        "channel.default": "color",
        "format": "default",
    }
    write_properties(str(partial / "sequence"), properties)
    partial.rename(folder)


def frame_count(scene: Scene, step: int) -> int:
    """Return how many frames of a scene are drawn."""
    return len(range(0, scene.length, step))


def frame_rate(step: int) -> int:
    """Return frames per second where every `step`-th frame is drawn, whole: the toolkit reads no others."""
    return max(1, round(FRAMES_PER_SECOND / step))


def write_sample(folder: Path, name: str) -> Path:
    """Write one of the sample sequences, unless it is there already.

    Args:
        folder: Of sequences; made where there is none.
        name: One of `SCENE_NAMES`.

    Returns:
        The sequence's folder.

    Raises:
        DataError: A photograph is missing, or a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number = SCENE_NAMES.index(name)
    rng = np.random.default_rng([SAMPLE_SEED, number])
    scene = SCENES[number](rng)
    if not (folder / name).exists():
        write_sequence(folder / name, scene, rng)
    return folder / name


def write_dataset(
    folder: Path,
    seeds: tuple[int, ...] = (SAMPLE_SEED,),
    steps: Mapping[str, int] = EVERY_FRAME,
) -> list[str]:
    """Write scenes for every seed, several at a time; sequences that are there already stay as they are.

    Args:
        folder: The workspace's `sequences`.
        seeds: The sample set's by default; `TEST_SEEDS` for the test set.
        steps: For each scene, of `SCENE_NAMES`: draw every `step`-th frame.

    Returns:
        The names of the sequences.

    Raises:
        DataError: A photograph is missing, a file cannot be written, or a sequence that is there already has
            another number of frames.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing: list[tuple[Path, int, int, int]] = []
    names = []
    for seed in seeds:
        for scene_name, step in steps.items():
            name = scene_name if seeds == (SAMPLE_SEED,) else f"{scene_name}-{seed}"
            names.append(name)
            part = (folder / name, seed, SCENE_NAMES.index(scene_name), step)
            if (folder / name).exists():
                _check_length(*part)
            else:
                missing.append(part)
    count = min(len(missing), os.cpu_count() or 1)
    if count > 1:
        with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
            for drawing in [pool.submit(_draw, *part) for part in missing]:
                drawing.result()
    else:
        for part in missing:
            _draw(*part)
    write_whole(folder / "list.txt", "".join(f"{name}\n" for name in names))
    return names


def _draw(folder: Path, seed: int, number: int, step: int) -> None:
    rng = np.random.default_rng([seed, number])
    scene = SCENES[number](rng)
    logger.info("drawing %s: %d frames", folder.name, frame_count(scene, step))
    write_sequence(folder, scene, rng, step)


def _check_length(folder: Path, seed: int, number: int, step: int) -> None:
    there = len(list((folder / "color").glob("*.jpg")))
    wanted = frame_count(SCENES[number](np.random.default_rng([seed, number])), step)
    if there != wanted:
        raise DataError(
            f"{folder} has {there} frames, but {wanted} are asked for; choose another folder, or delete "
            f"{folder.parent} to draw anew"
        )
