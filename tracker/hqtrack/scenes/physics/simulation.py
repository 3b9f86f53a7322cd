"""The physics of a clip: its bodies, what drives them, and where they are at each step.

Lengths are metres, times seconds, angles radians, masses kilograms; z points up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import pybullet

from hqtrack.images import Image
from hqtrack.scenes.physics.meshes import Points, superquadric
from hqtrack.scenes.physics.models import Model, Part, drawn_model, extent, objects_of
from hqtrack.scenes.physics.textures import skin

STEPS_PER_SECOND = 240
MOST_BODIES = 7
"""Objects of a clip, at most."""
COPIED_SHARE = 0.5
"""Share of models that stand there twice or three times, alike but for size and tint."""
FASTEST = 25.0
"""Metres a second; what is faster was thrown by a joint that burst."""

_turns, _heights = np.pi * (3 - 5**0.5) * np.arange(64), np.linspace(-1, 1, 64)
_levels = np.sqrt(1 - _heights**2)
DIRECTIONS: Points = np.stack([_levels * np.cos(_turns), _levels * np.sin(_turns), _heights], -1)
"""(64, 3), evenly spread: the farthest vertices in them make the hull that collides."""


class DullSceneError(Exception):
    """A scene that is not worth rendering; another is drawn from the same seed."""


class _World:
    """Pybullet's functions, for one connection without a window."""

    def __init__(self) -> None:
        self._client = pybullet.connect(pybullet.DIRECT)

    def __getattr__(self, name: str) -> Any:
        found = getattr(pybullet, name)
        return partial(found, physicsClientId=self._client) if callable(found) else found


@dataclass(frozen=True)
class Drive:
    """What moves a model.

    Either kicks, about every `pause` seconds, or a pull along a path; without a pull along z gravity decides
    about the height.
    """

    speed: float
    """Of a kick, m/s."""
    pause: float
    pull: Points
    """Along x, y and z, 1/s²; 0 where it is kicked."""
    swing: Points
    """Reach of the path along x, y and z."""
    rate: Points
    """Radians a second along the path."""
    phase: Points

    def goal(self, now: float, height: float) -> Points:
        """Return where the path is at a time."""
        return np.array([0, 0, height]) + self.swing * np.sin(self.rate * now + self.phase)


@dataclass(frozen=True)
class Group:
    """A model in the world."""

    bodies: tuple[int, ...]
    """Pybullet's numbers of its parts."""
    owners: tuple[int, ...]
    """The object that each part belongs to, over the whole scene, from 1 on; 0 has no label."""
    spot: Points
    """Where it starts."""
    radius: float
    """Seen from above."""
    drive: Drive | None
    """None for what stands fast."""


class Shot(NamedTuple):
    """What a camera sees of the bodies."""

    image: Image
    """(H, W, 3) uint8 RGB."""
    parts: npt.NDArray[np.int64]
    """(H, W): which part is where, as in `Simulation.bodies`; -1 for none."""


class Simulation:
    """A physics world with the bodies of one clip; to be closed.

    Args:
        rng: Source of all randomness.
        photographs: Files that textures are cut from.
        folder: Receives the textures; pybullet reads them from files.

    Raises:
        DataError: A photograph cannot be read.
    """

    def __init__(self, rng: np.random.Generator, photographs: Sequence[Path], folder: Path) -> None:
        self._rng, self._photographs, self._folder = rng, photographs, folder
        self._world: Any = _World()
        self._world.setPhysicsEngineParameter(deterministicOverlappingPairs=1, numSolverIterations=80)
        self.afloat = bool(rng.random() < 0.25)
        """Without floor and weight: the bodies drift before a photograph."""
        self.tempo = float(np.exp(rng.normal(0, 0.5)))
        """Factor of all speeds."""
        self._weight = 0.0 if self.afloat else float(rng.uniform(4, 9.8))
        self._textures = 0
        self._groups: list[Group] = []
        self.hulls: dict[int, Points] = {}
        """Outermost points (N, 3) of each part, in its own coordinates."""
        self._enclose()
        self._populate()
        self.bodies = tuple(body for group in self._groups for body in group.bodies)
        owners = [owner for group in self._groups for owner in group.owners]
        self.labels: npt.NDArray[np.uint8] = np.array([*owners, 0], np.uint8)
        """Objects by the numbers of parts in a `Shot`; the last is of -1."""
        self.poses: Points = np.zeros((0, len(self.bodies), 7))
        """(steps, parts, 7): places and quaternions, once it was played."""

    @property
    def objects(self) -> int:
        """The number of objects."""
        return max((owner for group in self._groups for owner in group.owners), default=0)

    def close(self) -> None:
        """Free the world."""
        self._world.disconnect()

    def _enclose(self) -> None:
        """Add a floor, a lid and four walls, none of which is seen."""
        world, reach = self._world, self._rng.uniform(2.6, 4.5)
        low = -1.5 if self.afloat else 0.0
        for axis, sign, at in (
            (2, 1, low), (2, -1, 4), (0, 1, -reach), (0, -1, reach), (1, 1, -2.5), (1, -1, 3.5)
        ):  # fmt: skip
            normal, point = [0.0] * 3, [0.0] * 3
            normal[axis], point[axis] = float(sign), float(at)
            shape = world.createCollisionShape(world.GEOM_PLANE, planeNormal=normal)
            plane = world.createMultiBody(0, shape, basePosition=point)
            world.changeDynamics(plane, -1, restitution=0.7, lateralFriction=0.6)

    def _populate(self) -> None:
        """Add 2 to 7 objects, near-copies among them, and up to two posts that hide what passes behind."""
        rng = self._rng
        wanted = int(rng.integers(2, MOST_BODIES + 1))
        while self.objects < min(wanted, MOST_BODIES - 1):
            model = drawn_model(rng)
            copies = int(rng.integers(2, 4)) if rng.random() < COPIED_SHARE else 1
            textures = [self._texture() for _ in range(objects_of(model))]
            for _ in range(copies):
                if self.objects + len(textures) <= MOST_BODIES:
                    self._place(model, textures, rng.uniform(0.8, 1.25) if copies > 1 else 1.0)
        for _ in range(rng.choice(3, p=(0.5, 0.3, 0.2))):
            half = (rng.uniform(0.08, 0.3), 0.1, rng.uniform(0.5, 1.6))
            self._place([Part(superquadric(half, (0.1, 0.1)))], [self._texture()], 1.0, stands=True)

    def _texture(self) -> int:
        """Return pybullet's number of a new texture."""
        path = self._folder / f"{self._textures}.png"
        self._textures += 1
        path.write_bytes(cv2.imencode(".png", skin(self._rng, self._photographs)[..., ::-1])[1].tobytes())
        return int(self._world.loadTexture(str(path)))

    def _place(self, model: Model, textures: Sequence[int], scale: float, *, stands: bool = False) -> None:
        """Put a model where there is room, if 60 tries find it, and draw what drives it."""
        rng, world = self._rng, self._world
        low, high = (scale * corner for corner in extent(model))
        radius = float(np.linalg.norm((high - low)[:2])) / 2
        spot = np.zeros(3)
        for _ in range(60):
            spot = self._spot(low[2], stands)
            if all(np.linalg.norm(spot - g.spot) > 0.8 * (radius + g.radius) for g in self._groups):
                break
        anyhow = len(model) == 1 and not stands and rng.random() < 0.5
        angles = rng.uniform(-np.pi, np.pi, 3) * (anyhow, anyhow, 1)
        turn = world.getQuaternionFromEuler(angles.tolist())
        tints = np.clip(rng.normal(1, 0.12, (2, 3)), 0.5, 1.3)
        bodies = []
        for part in model:
            body = self._body(part, spot, turn, scale, stands)
            tint = [*tints[part.owner].tolist(), 1]
            world.changeVisualShape(body, -1, textureUniqueId=textures[part.owner], rgbaColor=tint)
            bodies.append(body)
        for part, body in zip(model[1:], bodies[1:], strict=True):
            self._join(bodies[part.parent], body, part, model[part.parent], scale)
        owners = tuple(0 if stands else self.objects + 1 + part.owner for part in model)
        drive = None if stands else self._drive()
        group = Group(tuple(bodies), owners, spot, radius, drive)
        if drive is not None:
            self._kick(group, drive, rng.normal(0, 3, 3))
        self._groups.append(group)

    def _spot(self, lowest: float, stands: bool) -> Points:
        rng = self._rng
        if stands:
            spot = rng.uniform((-1.5, -2.2, -0.3), (1.5, -1.2, 0.3))
        else:
            spot = rng.uniform((-2.3, -1.6, -0.6), (2.3, 1.8, 2.2))
        if not self.afloat:
            falls = not stands and rng.random() < 0.5
            spot[2] = max(float(spot[2]) if falls else 0.0, 0.0) - lowest + 0.02
        return np.asarray(spot)

    def _body(self, part: Part, spot: Points, turn: Sequence[float], scale: float, stands: bool) -> int:
        """Add a rigid body: its mesh is seen, the hull of it collides."""
        world, rng, mesh = self._world, self._rng, part.mesh
        vertices = mesh.vertices * scale
        hull = vertices[np.unique((vertices @ DIRECTIONS.T).argmax(0))]
        seen = world.createVisualShape(
            world.GEOM_MESH,
            vertices=vertices.tolist(),
            indices=mesh.faces.ravel().tolist(),
            uvs=mesh.places.tolist(),
            normals=mesh.normals.tolist(),
        )
        solid = world.createCollisionShape(world.GEOM_MESH, vertices=hull.tolist())
        mass = 0.0 if stands else float(np.clip(4 * np.prod(np.ptp(vertices, axis=0)), 0.2, 3))
        at = np.array(world.rotateVector(turn, (part.at * scale).tolist())) + spot
        body = int(world.createMultiBody(mass, solid, seen, basePosition=at.tolist(), baseOrientation=turn))
        bounce, friction = rng.uniform(0.3, 0.85), rng.uniform(0.1, 0.7)
        world.changeDynamics(body, -1, restitution=bounce, lateralFriction=friction, rollingFriction=0.001)
        self.hulls[body] = hull
        return body

    def _join(self, parent: int, child: int, part: Part, above: Part, scale: float) -> None:
        """Join two bodies, which do not collide with one another."""
        world = self._world
        kind = world.JOINT_FIXED if part.rigid else world.JOINT_POINT2POINT
        near, far = (((part.joint - each.at) * scale).tolist() for each in (above, part))
        joint = world.createConstraint(parent, -1, child, -1, kind, (0, 0, 1), near, far)
        world.changeConstraint(joint, maxForce=400)
        world.setCollisionFilterPair(parent, child, -1, -1, 0)

    def _drive(self) -> Drive:
        rng = self._rng
        pulled = rng.random() < 0.35
        hovers = self.afloat or rng.random() < 0.4
        return Drive(
            speed=rng.uniform(1, 4.5) * self.tempo,
            pause=rng.uniform(0.3, 1.2),
            pull=rng.uniform(8, 30) * pulled * np.array([1.0, 1.0, float(hovers)]),
            swing=rng.uniform(0.6, 2.4, 3) * (1, 0.8, 0.5),
            rate=rng.uniform(1.5, 5, 3) * self.tempo,
            phase=rng.uniform(0, 2 * np.pi, 3),
        )

    def _kick(self, group: Group, drive: Drive, spin: Points) -> None:
        """Send all parts of a group towards a point near the middle; a single body turns, too."""
        here = np.array(self._world.getBasePositionAndOrientation(group.bodies[0])[0])
        way = self._rng.normal((0, 0, 0.8), 0.9) - here
        if not self.afloat:
            way[2] = abs(way[2]) / 2
        push = way / max(float(np.linalg.norm(way)), 0.3) * drive.speed
        turning = spin * self.tempo * (len(group.bodies) == 1)
        for body in group.bodies:
            self._world.resetBaseVelocity(body, push.tolist(), turning.tolist())

    def _pull(self, group: Group, drive: Drive, now: float) -> None:
        """Pull all parts of a group along its path; what hovers bears its own weight."""
        world = self._world
        here = np.array(world.getBasePositionAndOrientation(group.bodies[0])[0])
        way = drive.goal(now, 0.0 if self.afloat else 1.2) - here
        lift = np.array([0, 0, self._weight * (drive.pull[2] > 0)])
        for body in group.bodies:
            mass = world.getDynamicsInfo(body, -1)[0]
            speed = np.array(world.getBaseVelocity(body)[0])
            force = mass * (drive.pull * way - np.sqrt(drive.pull) * speed + lift)
            centre = world.getBasePositionAndOrientation(body)[0]
            world.applyExternalForce(body, -1, force.tolist(), centre, world.WORLD_FRAME)

    def play(self, steps: int, unseen: int) -> None:
        """Move the bodies for some steps, and keep where they are.

        Args:
            steps: Of 1/240 s.
            unseen: Steps before those.

        Raises:
            DullSceneError: A joint burst.
        """
        rng, world = self._rng, self._world
        world.setGravity(0, 0, -self._weight)
        driven = [(group, group.drive) for group in self._groups if group.drive is not None]
        poses = []
        for step in range(-unseen, steps):
            for group, drive in driven:
                if drive.pull.any():
                    self._pull(group, drive, step / STEPS_PER_SECOND)
                elif rng.random() < 1 / (STEPS_PER_SECOND * drive.pause):
                    self._kick(group, drive, rng.normal(0, 4, 3))
            world.stepSimulation()
            if step >= 0:
                states = [world.getBasePositionAndOrientation(body) for body in self.bodies]
                poses.append([(*place, *turn) for place, turn in states])
        self.poses = np.array(poses)
        speeds = np.linalg.norm(np.diff(self.poses[..., :3], axis=0), axis=-1) * STEPS_PER_SECOND
        if not np.isfinite(speeds).all() or speeds.max() > FASTEST:
            raise DullSceneError("a joint burst")

    def hull_at(self, index: int, step: int) -> Points:
        """Return the outermost points (N, 3) of a part in the world."""
        pose = self.poses[step, index]
        turn = np.array(self._world.getMatrixFromQuaternion(pose[3:].tolist())).reshape(3, 3)
        return np.asarray(self.hulls[self.bodies[index]] @ turn.T + pose[:3])

    def film(
        self, step: int, view: list[float], lens: list[float], size: tuple[int, int], **light: Any
    ) -> Shot:
        """Return what a camera sees of the bodies.

        Args:
            step: Of the poses.
            view: OpenGL's view matrix, by columns.
            lens: OpenGL's projection matrix, by columns.
            size: Width and height, in pixels.
            light: Settings of pybullet's renderer.
        """
        world = self._world
        for body, pose in zip(self.bodies, self.poses[step].tolist(), strict=True):
            world.resetBasePositionAndOrientation(body, pose[:3], pose[3:])
        found = world.getCameraImage(*size, view, lens, renderer=world.ER_TINY_RENDERER, **light)
        numbers = np.full(max(self.bodies) + 2, -1)
        numbers[np.array(self.bodies) + 1] = np.arange(len(self.bodies))
        shape = (size[1], size[0])
        rgb = np.asarray(found[2], np.uint8).reshape(*shape, 4)[..., :3]
        return Shot(rgb, numbers[np.asarray(found[4]).reshape(shape) + 1])
