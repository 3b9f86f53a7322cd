"""Models: bodies, and what several of them make together: ropes, puppets, riders on what they ride."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hqtrack.scenes.physics.meshes import Mesh, Points, ball, drawn_mesh, lump, stick, superquadric

MIDDLE = np.zeros(3)


class Part(NamedTuple):
    """A rigid piece of a model."""

    mesh: Mesh
    at: Points = MIDDLE
    """Its middle (3,) in the model."""
    parent: int = -1
    """Number of the piece that it hangs on; -1 for the first."""
    joint: Points = MIDDLE
    """Where it hangs on it (3,), in the model."""
    rigid: bool = False
    """True where it keeps its direction; otherwise it swings about the joint."""
    owner: int = 0
    """Of which of the model's objects it is a part: 1 is a rider."""


Model = list[Part]


def rope(rng: np.random.Generator) -> Model:
    """Return a chain of sticks that is one object."""
    links = int(rng.integers(7, 13))
    length, radius = rng.uniform(0.18, 0.26), rng.uniform(0.03, 0.08)
    link = stick(radius, length + radius, 0)
    places = np.zeros((links, 3))
    places[:, 0] = np.arange(links) * length
    before = np.array([length / 2, 0, 0])
    return [Part(link, place, index - 1, place - before) for index, place in enumerate(places)]


def puppet(rng: np.random.Generator, owner: int = 0) -> Model:
    """Return a trunk with a head and four limbs that swing: one object whose outline changes."""
    tall, wide = rng.uniform(0.25, 0.5), rng.uniform(0.12, 0.25)
    limb, thick = rng.uniform(0.4, 0.8), rng.uniform(0.05, 0.1)
    neck = np.array([0, 0, tall])
    parts = [
        Part(lump(rng, (wide, 0.8 * wide, tall)), owner=owner),
        Part(ball(0.8 * wide), neck * (1 + 0.7 * wide / tall), 0, neck, rigid=True, owner=owner),
    ]
    for side in (-1, 1):
        shoulder, hip = (np.array([0.9 * side * wide, 0, level * tall]) for level in (0.6, -0.7))
        arm, leg = stick(thick, limb, 0), stick(thick, limb, 2)
        parts.append(Part(arm, shoulder + np.array([side * limb / 2, 0, 0]), 0, shoulder, owner=owner))
        parts.append(Part(leg, hip - np.array([0, 0, limb / 2]), 0, hip, owner=owner))
    return parts


def ridden(rng: np.random.Generator) -> Model:
    """Return a board, box or beast and a rider on it: two objects that move together."""
    half = rng.uniform((0.5, 0.25, 0.06), (0.9, 0.45, 0.35))
    powers = rng.uniform(0.1, 1, 2)
    is_beast = rng.random() < 0.4
    carrier = lump(rng, half) if is_beast else superquadric(half, (float(powers[0]), float(powers[1])))
    rider = puppet(rng, 1) if rng.random() < 0.6 else [Part(drawn_mesh(rng), owner=1)]
    seat = np.array([0, 0, carrier.vertices[:, 2].max()])
    lift = seat - (0, 0, rider[0].mesh.vertices[:, 2].min())
    moved = [p._replace(at=p.at + lift, parent=p.parent + 1, joint=p.joint + lift) for p in rider]
    moved[0] = moved[0]._replace(joint=seat, rigid=True)
    return [Part(carrier), *moved]


def drawn_model(rng: np.random.Generator) -> Model:
    """Draw a single body, a rope, a puppet, or somebody who rides."""
    match rng.choice(4, p=(0.58, 0.12, 0.12, 0.18)):
        case 0:
            return [Part(drawn_mesh(rng))]
        case 1:
            return rope(rng)
        case 2:
            return puppet(rng)
        case _:
            return ridden(rng)


def objects_of(model: Model) -> int:
    """Return how many objects a model has."""
    return 1 + max(part.owner for part in model)


def extent(model: Model) -> tuple[Points, Points]:
    """Return the least and the largest x, y and z of a model."""
    points = [part.mesh.vertices + part.at for part in model]
    return np.min([p.min(0) for p in points], axis=0), np.max([p.max(0) for p in points], axis=0)
