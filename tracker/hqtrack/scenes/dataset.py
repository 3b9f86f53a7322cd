"""The sample sequences and their like, written in the toolkit's format.

A seed fixes every pixel; other seeds give a test set of the same scenes with other paths, objects and light.
"""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
from vot.region import Mask
from vot.region.io import write_trajectory
from vot.utilities import write_properties

from hqtrack.errors import DataError
from hqtrack.files import write_whole
from hqtrack.scenes.camera import HEIGHT, WIDTH, draw_frame
from hqtrack.scenes.scripts import SCENES
from hqtrack.scenes.stage import Scene

logger = logging.getLogger(__name__)


FRAMES_PER_SECOND = 25


SAMPLE_SEED = 2023


SCENE_NAMES = ("coins", "horses", "approach", "table", "swarm")
"""Of `SCENES`, in their order."""


TEST_SEEDS = (3101, 3102)


FIRST_TRAINING_SEED = 10_000
"""Seeds from this one on are for training: no figure is measured on them."""


def write_sequence(folder: Path, scene: Scene, rng: np.random.Generator) -> None:
    """Draw a scene and write it in the toolkit's format.

    Args:
        folder: Must not exist; it appears only once complete.
        scene: What to draw.
        rng: Source of the noise.
    """
    partial = folder.with_name(folder.name + ".part")
    (partial / "color").mkdir(parents=True, exist_ok=True)
    objects = sum(actor.labelled for actor in scene.actors)
    trajectories: list[list[Mask]] = [[] for _ in range(objects)]
    for index in range(scene.length):
        picture, masks = draw_frame(scene, index, rng)
        file = partial / "color" / f"{index + 1:08d}.jpg"
        if not cv2.imwrite(str(file), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92]):
            raise DataError(f"{file} cannot be written; is the disk full?")
        for trajectory, mask in zip(trajectories, masks, strict=True):
            trajectory.append(Mask(mask.astype(np.uint8), optimize=True))
    for number, trajectory in enumerate(trajectories, start=1):
        write_trajectory(str(partial / f"groundtruth_{number:03d}.txt"), trajectory)
    properties = {
        "name": folder.name,
        "fps": FRAMES_PER_SECOND,
        "length": scene.length,
        "width": WIDTH,
        "height": HEIGHT,
        "channels.color": "color/%08d.jpg",
        "channel.default": "color",
        "format": "default",
    }
    write_properties(str(partial / "sequence"), properties)
    partial.rename(folder)


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


def write_dataset(folder: Path, seeds: tuple[int, ...] = (SAMPLE_SEED,)) -> list[str]:
    """Write every scene for every seed; sequences that are there already stay as they are.

    Args:
        folder: The workspace's `sequences`.
        seeds: The sample set's by default; `TEST_SEEDS` for the test set.

    Returns:
        The names of the sequences.

    Raises:
        DataError: A photograph is missing, or a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for seed in seeds:
        for number, make in enumerate(SCENES):
            rng = np.random.default_rng([seed, number])
            scene = make(rng)
            name = scene.name if seeds == (SAMPLE_SEED,) else f"{scene.name}-{seed}"
            names.append(name)
            if not (folder / name).exists():
                logger.info("drawing %s: %d frames", name, scene.length)
                write_sequence(folder / name, scene, rng)
    write_whole(folder / "list.txt", "".join(f"{name}\n" for name in names))
    return names
