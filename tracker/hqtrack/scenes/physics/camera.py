"""From where the bodies of a rendered clip are seen: the camera's path, and its matrices."""

from __future__ import annotations

import numpy as np

from hqtrack.scenes.physics.meshes import Points
from hqtrack.scenes.physics.simulation import STEPS_PER_SECOND, DullSceneError, Simulation

NEAREST = 1.6
"""Metres between the camera and a body, at least."""

CAMERA_MOTIONS = ("still", "pan", "orbit", "follow")


class Camera:
    """Where a camera is and looks at each step: it stands, pans, orbits or follows, from a stand or a hand.

    Args:
        rng: Source of all randomness.
        simulation: One that was played.

    Raises:
        DullSceneError: A body comes too close.
    """

    def __init__(self, rng: np.random.Generator, simulation: Simulation) -> None:
        poses = simulation.poses
        steps = len(poses)
        motion = CAMERA_MOTIONS[int(rng.integers(len(CAMERA_MOTIONS)))]
        now = np.arange(steps) / STEPS_PER_SECOND
        bearing = np.full(steps, -np.pi / 2 + rng.normal(0, 0.5))
        if motion == "orbit":
            bearing = bearing + rng.choice((-1, 1)) * rng.uniform(0.3, 1.5) * now
        far = rng.uniform(5.2, 7.5)
        high = rng.uniform(-0.5, 1.5) if simulation.afloat else rng.uniform(0.7, 3.2)
        middle = np.array([0.0, 0.0, 0.0 if simulation.afloat else rng.uniform(0.5, 0.9)])
        self.eye: Points = np.stack([far * np.cos(bearing), far * np.sin(bearing), np.full(steps, high)], -1)
        """(steps, 3)."""
        self.target: Points = np.repeat(middle[None], steps, axis=0)
        """(steps, 3): the point looked at."""
        if motion == "pan":
            swing = np.sin(rng.uniform(1, 4) * now + rng.uniform(-1, 1))
            way = np.array([-np.sin(bearing[0]), np.cos(bearing[0]), rng.uniform(0, 0.4)])
            self.target += swing[:, None] * rng.uniform(0.4, 1.6) * way
        if motion == "follow":
            path = poses[:, int(rng.integers(len(simulation.bodies))), :3]
            self.target += rng.uniform(0.5, 1) * (smoothed(path, STEPS_PER_SECOND // 2) - middle)
        shake = np.sin(rng.uniform(4, 14, (4, 3)) * now[:, None, None] + rng.uniform(0, 6, (4, 3)))
        self.target += rng.choice((0, 0, 0.01, 0.04)) * shake.sum(1)
        zoom = 1 + rng.choice((0, 0, 0.2)) * np.sin(2 * now + rng.uniform(0, 6))
        self.angle: Points = np.radians(rng.uniform(30, 44)) * zoom
        """(steps,): from the lower to the upper border of the picture."""
        if np.linalg.norm(poses[..., :3] - self.eye[:, None], axis=-1).min() < NEAREST:
            raise DullSceneError("a body comes too close to the camera")

    def axes(self, step: int) -> Points:
        """Return right, up and forward as rows (3, 3): unit vectors in the world."""
        forward = self.target[step] - self.eye[step]
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right = right / np.linalg.norm(right)
        return np.stack([right, np.cross(right, forward), forward])

    def matrices(
        self, step: int, size: tuple[int, int], shift: tuple[float, float] = (0, 0)
    ) -> tuple[list[float], list[float]]:
        """Return OpenGL's view and projection matrices, by columns.

        Args:
            step: Of the path.
            size: Width and height of the picture.
            shift: Of the picture, in pixels.
        """
        view = np.eye(4)
        view[:3, :3] = self.axes(step) * np.array([[1], [1], [-1]])
        view[:3, 3] = -view[:3, :3] @ self.eye[step]
        focal, near, far = 1 / np.tan(self.angle[step] / 2), 0.1, 40.0
        lens = np.zeros((4, 4))
        lens[0, 0], lens[1, 1] = focal * size[1] / size[0], focal
        lens[:2, 2] = 2 * np.array(shift) / size
        lens[2, 2:] = (far + near) / (near - far), 2 * far * near / (near - far)
        lens[3, 2] = -1
        return view.T.ravel().tolist(), lens.T.ravel().tolist()

    def project(self, points: Points, step: int, size: tuple[int, int]) -> Points:
        """Return the pixels (N, 2) of points (N, 3); those behind the camera are far out of the picture."""
        seen = (points - self.eye[step]) @ self.axes(step).T
        depth = np.where(seen[:, 2] > 0.2, seen[:, 2], 1e-3)
        scale = size[1] / 2 / np.tan(self.angle[step] / 2) / depth
        return np.stack([size[0] / 2 + seen[:, 0] * scale, size[1] / 2 - seen[:, 1] * scale], -1)


def smoothed(path: Points, window: int) -> Points:
    """Return a path (T, 3) as the running mean over `window` steps, of the same length."""
    padded = np.pad(path, ((window // 2, window - window // 2 - 1), (0, 0)), mode="edge")
    kernel = np.full(window, 1 / window)
    return np.stack([np.convolve(axis, kernel, "valid") for axis in padded.T], -1)
