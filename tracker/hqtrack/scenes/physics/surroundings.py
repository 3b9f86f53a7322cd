"""What is behind the bodies of a rendered clip: a wall, a floor, and the shadows on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hqtrack.images import Image
from hqtrack.scenes.physics.camera import Camera
from hqtrack.scenes.physics.simulation import Simulation
from hqtrack.scenes.physics.textures import photograph

Floats = npt.NDArray[np.float32]


def mirrored(image: Image, u: Floats, v: Floats) -> Image:
    """Return an image at pixels (u, v), repeated in mirrored copies over the plane."""
    height, width = image.shape[0] - 1, image.shape[1] - 1
    x = width - np.abs(u % (2 * width) - width)
    y = height - np.abs(v % (2 * height) - height)
    picture = cv2.remap(image, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    return np.asarray(picture, np.uint8)


class Surroundings:
    """A round wall and a floor with photographs, and the light.

    Args:
        rng: Source of all randomness.
        simulation: Whose bodies throw shadows.
        photographs: Files.
        size: Width and height of frames, in pixels.

    Raises:
        DataError: A photograph cannot be read.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        simulation: Simulation,
        photographs: Sequence[Path],
        size: tuple[int, int],
    ) -> None:
        self._simulation, self._size = simulation, size
        self._radius = rng.uniform(8.5, 13)
        self._wall, self._floor = photograph(rng, photographs), photograph(rng, photographs)
        self._wall_scale = self._wall.shape[1] / rng.uniform(8, 12)  # pixels a metre
        self._floor_scale = self._floor.shape[1] / rng.uniform(2.5, 8)
        self._below = 5.0 if simulation.afloat else 0.0  # metres of the wall below z = 0
        self._shift = rng.uniform(0, 1000, 3)
        self._sun = np.array([*rng.normal(0, 0.6, 2), 1.0])
        self._darkness = rng.uniform(0.2, 0.6)
        self.light: dict[str, Any] = {
            "shadow": int(rng.random() < 0.3),  # of bodies on bodies; it doubles the time
            "lightDirection": (self._sun * 10).tolist(),
            "lightAmbientCoeff": rng.uniform(0.35, 0.65),
            "lightDiffuseCoeff": rng.uniform(0.4, 0.8),
            "lightSpecularCoeff": rng.uniform(0, 0.35),
        }
        """Settings of pybullet's renderer."""

    def seen(self, camera: Camera, step: int, shift: tuple[float, float]) -> Floats:
        """Return what a camera sees where there is no body, (H, W, 3) RGB, 0 to 255.

        Args:
            camera: The camera.
            step: Of its path.
            shift: Of the picture, in pixels.
        """
        rays = self._rays(camera, step, shift)
        eye = camera.eye[step].astype(np.float32)
        a, b = (rays[..., :2] ** 2).sum(-1), (rays[..., :2] * eye[:2]).sum(-1)
        outside = (eye[:2] ** 2).sum() - np.float32(self._radius**2)
        hit = eye + ((np.sqrt(b * b - a * outside) - b) / a)[..., None] * rays
        around = np.arctan2(hit[..., 1], hit[..., 0]) % np.float32(2 * np.pi) * self._radius
        v = self._wall.shape[0] - (hit[..., 2] + self._below) * self._wall_scale
        picture = mirrored(self._wall, around * self._wall_scale + self._shift[0], v).astype(np.float32)
        if self._simulation.afloat:
            return picture
        spot = eye - rays * (eye[2] / np.minimum(rays[..., 2:], -1e-6))
        u, v = (spot[..., axis] * self._floor_scale + self._shift[axis + 1] for axis in (0, 1))
        bright = 1 - self._shadows(camera, step)[..., None]
        floor = mirrored(self._floor, u, v) * bright
        return np.where((hit[..., 2] < 0)[..., None], floor, picture).astype(np.float32)

    def _rays(self, camera: Camera, step: int, shift: tuple[float, float]) -> Floats:
        """Return the direction (H, W, 3) in which each pixel looks."""
        width, height = self._size
        focal = np.float32(height / 2 / np.tan(camera.angle[step] / 2))
        x = (np.arange(width, dtype=np.float32) + np.float32(0.5 - shift[0] - width / 2)) / focal
        y = (np.float32(height / 2 - 0.5 - shift[1]) - np.arange(height, dtype=np.float32)) / focal
        right, up, forward = camera.axes(step).astype(np.float32)
        return np.asarray(x[:, None] * right + (y[:, None] * up + forward)[:, None], np.float32)

    def _shadows(self, camera: Camera, step: int) -> Floats:
        """Return how much darker the floor gets, (H, W): the hulls of all parts, thrown along the light."""
        dark = np.zeros(self._size[::-1], np.uint8)
        for index in range(len(self._simulation.bodies)):
            points = self._simulation.hull_at(index, step)
            pixels = camera.project(points - points[:, 2:] * self._sun, step, self._size)
            if np.abs(pixels).max() < 4000:  # else it is behind the camera
                outline = cv2.convexHull(np.round(pixels * 16).astype(np.int32))
                cv2.fillConvexPoly(dark, outline, 255, cv2.LINE_AA, 4)
        soft = cv2.GaussianBlur(dark, (0, 0), 0.006 * self._size[0])
        return np.asarray(soft, np.float32) * np.float32(self._darkness / 255)
