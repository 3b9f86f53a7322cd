"""From a seed to a rendered clip: frames and exact labels."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from hqtrack.scenes.physics.camera import Camera
from hqtrack.scenes.physics.settings import ClipSettings
from hqtrack.scenes.physics.simulation import DullSceneError, Simulation
from hqtrack.scenes.physics.surroundings import Surroundings

Bytes = npt.NDArray[np.uint8]
Steps = npt.NDArray[np.int64]

EXPOSURE_SHIFTS = ((-0.375, -0.125), (0.125, -0.375), (0.375, 0.125), (-0.125, 0.375))
"""Pixels by which the exposures of a frame are moved: their mean has smooth outlines."""
DECIDING = 1
"""The exposure that decides where two see one thing and two another."""
SCENES_TRIED = 30
"""Scenes that are drawn from a seed before it is given up."""
LEAST_SHARE = 0.0012
"""Of a picture: an object that shows less of itself at first has no label."""
LOOK_WIDTH = 96
"""Of the small pictures by which a scene is judged."""


class RenderedClip(NamedTuple):
    """Frames and their labels."""

    frames: Bytes
    """(T, H, W, 3) RGB."""
    labels: Bytes
    """(T, H, W): 0 no object, 1 to n the objects that the first frame shows."""


def make_clip(seed: int, settings: ClipSettings) -> RenderedClip:
    """Render the clip of a seed.

    The same seed and settings give the same bytes with the same packages on the same kind of processor.

    Raises:
        DullSceneError: Of all scenes that were drawn none is worth it.
        DataError: A photograph cannot be read.
    """
    for attempt in range(SCENES_TRIED):
        rng = np.random.default_rng([seed, attempt])
        try:
            return _scene(rng, settings)
        except DullSceneError:
            continue
    raise DullSceneError(f"seed {seed}: none of {SCENES_TRIED} scenes was worth rendering")


def _scene(rng: np.random.Generator, settings: ClipSettings) -> RenderedClip:
    """Draw a scene and render it, unless it is dull."""
    between = int(rng.integers(8, 22))  # steps between frames: 11 to 30 frames a second
    starts = between * np.arange(rng.integers(settings.frames[0], settings.frames[1] + 1))
    with TemporaryDirectory(prefix="hqtrack-clip-") as folder:
        simulation = Simulation(rng, settings.photographs, Path(folder))
        try:
            simulation.play(int(starts[-1]) + between, unseen=int(rng.integers(2, 90)))
            camera = Camera(rng, simulation)
            check_worth(_look(simulation, camera, starts, settings.size), simulation.objects)
            clip = _render(simulation, camera, starts, settings, rng)
        finally:
            simulation.close()
    labels = numbered(clip.labels)
    if labels[0].max() < 2:
        raise DullSceneError("fewer than two objects at the start")
    return RenderedClip(clip.frames, labels)


def _look(simulation: Simulation, camera: Camera, starts: Steps, size: tuple[int, int]) -> Bytes:
    """Return the labels of all frames in small."""
    small = (LOOK_WIDTH, max(1, LOOK_WIDTH * size[1] // size[0]))
    shots = [
        simulation.film(step, *camera.matrices(step, small), small, shadow=0) for step in starts.tolist()
    ]
    return np.stack([simulation.labels[shot.parts] for shot in shots])


def check_worth(labels: Bytes, objects: int) -> None:
    """Check that there are two objects at the start, that they stay in view, and that enough moves.

    Args:
        labels: (T, H, W).
        objects: Their number.

    Raises:
        DullSceneError: Something of this is not so.
    """
    pixels = labels[0].size
    areas = np.stack([(labels == label).sum((1, 2)) for label in range(1, objects + 1)], -1)
    listed = areas[0] >= LEAST_SHARE * pixels
    if listed.sum() < 2:
        raise DullSceneError("fewer than two objects at the start")
    if areas.max() > 0.4 * pixels:
        raise DullSceneError("an object fills the picture")
    if (areas[:, listed] > 0).mean() < 0.6:
        raise DullSceneError("objects are mostly out of view")
    if len(labels) > 1 and (labels[1:] != labels[:-1]).mean() < 0.006:
        raise DullSceneError("too little moves")


def _render(
    simulation: Simulation,
    camera: Camera,
    starts: Steps,
    settings: ClipSettings,
    rng: np.random.Generator,
) -> RenderedClip:
    """Render each frame from four exposures, at their own parts of a pixel and of the shutter's time."""
    size = settings.size
    around = Surroundings(rng, simulation, settings.photographs, size)
    between = float(starts[1] - starts[0]) if len(starts) > 1 else 0.0
    apart = rng.choice((0.0, rng.uniform(0.2, 0.6))) * between / len(EXPOSURE_SHIFTS)  # in steps
    warm = rng.normal(0, 0.06)
    gain = (rng.uniform(0.9, 1.25) * np.array([1 + warm, 1, 1 - warm])).astype(np.float32)
    blur = rng.choice((0.0, rng.uniform(0.3, 0.8)))
    noise = rng.choice((0.0, rng.uniform(1, 6)))
    rows, columns = np.ogrid[: size[1], : size[0]]
    frames, labels = [], []
    for start in starts.tolist():
        picture = np.zeros((size[1], size[0], 3), np.float32)
        votes = np.zeros((simulation.objects + 1, size[1], size[0]), np.float32)
        for number, shift in enumerate(EXPOSURE_SHIFTS):
            step = start + round(number * apart)
            shot = simulation.film(step, *camera.matrices(step, size, shift), size, **around.light)
            behind = around.seen(camera, step, shift)
            picture += np.where((shot.parts < 0)[..., None], behind, shot.image)
            votes[simulation.labels[shot.parts], rows, columns] += 1.5 if number == DECIDING else 1
        picture *= gain / len(EXPOSURE_SHIFTS)
        if blur:
            picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), blur), np.float32)
        grain = rng.standard_normal(picture.shape, np.float32) * np.float32(noise)
        frames.append(np.clip(picture + grain, 0, 255).astype(np.uint8))
        labels.append(votes.argmax(0).astype(np.uint8))
    return RenderedClip(np.stack(frames), np.stack(labels))


def numbered(labels: Bytes) -> Bytes:
    """Return labels (T, H, W) that number the objects of the first frame without gaps; others become 0.

    Example:
        >>> numbered(np.repeat(np.uint8([[[0, 3, 0, 5]]]), 2, axis=0))[1].tolist()
        [[0, 1, 0, 2]]
    """
    areas = np.bincount(labels[0].ravel(), minlength=256)
    shown = [number for number in range(1, 256) if areas[number] >= max(1, LEAST_SHARE * labels[0].size)]
    table = np.zeros(256, np.uint8)
    table[shown] = np.arange(1, len(shown) + 1)
    return table[labels]
