"""Meshes of bodies: closed surfaces over grids. Lengths are metres, angles radians; z points up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]

THIN_SHARE = 0.4
"""Share of single bodies that are thin: sticks, boards, hoops and wheels."""


class Mesh(NamedTuple):
    """Triangles with what a renderer needs."""

    vertices: Points
    """(N, 3)."""
    faces: npt.NDArray[np.int64]
    """(M, 3) numbers of vertices."""
    places: Points
    """(N, 2) in the texture, 0 to 1."""
    normals: Points
    """(N, 3) unit vectors."""


def surface(grid: Points, *, flat: bool = False) -> Mesh:
    """Return the mesh of a grid that closes around its first axis.

    Args:
        grid: (U, V, 3); the first and the last row are the same.
        flat: Shade each triangle by itself, as on boxes, rather than smoothly.
    """
    rows, columns = grid.shape[:2]
    number = np.arange(rows * columns).reshape(rows, columns)
    corners = (number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:])
    faces = np.concatenate(
        [np.stack([corners[i].ravel() for i in which], -1) for which in ((0, 1, 2), (0, 2, 3))]
    )
    across, along = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    places = np.stack([across.ravel(), along.ravel()], -1)
    vertices = grid.reshape(-1, 3)
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    if float((a * np.cross(b, c)).sum()) < 0:  # its volume is negative: it is inside out
        faces = faces[:, ::-1]
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    upright = np.cross(b - a, c - a)
    if flat:
        loose = np.arange(faces.size).reshape(-1, 3)
        return Mesh(
            vertices[faces].reshape(-1, 3),
            loose,
            places[faces].reshape(-1, 2),
            _units(np.repeat(upright, 3, axis=0)),
        )
    summed: Points = np.zeros(grid.shape)
    np.add.at(summed.reshape(-1, 3), faces.ravel(), np.repeat(upright, 3, axis=0))
    summed[[0, -1]] = summed[0] + summed[-1]  # no seam where it closes
    return Mesh(vertices, faces, places, _units(summed.reshape(-1, 3)))


def _units(vectors: Points) -> Points:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9))


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """Return several meshes as one."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    faces = [mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate(faces),
        np.concatenate([mesh.places for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
    )


def _globe(around: int = 28, along: int = 16) -> tuple[Points, Points]:
    """Return longitudes and latitudes, each (around + 1, along + 1)."""
    longitude, latitude = np.meshgrid(
        np.linspace(-np.pi, np.pi, around + 1), np.linspace(-np.pi / 2, np.pi / 2, along + 1), indexing="ij"
    )
    return longitude, latitude


def _on_sphere(longitude: Points, latitude: Points) -> Points:
    """Return points (…, 3) of the unit sphere."""
    level = np.cos(latitude)
    return np.stack([level * np.cos(longitude), level * np.sin(longitude), np.sin(latitude)], -1)


def _turn_and_tube(turns: int, sides: int) -> tuple[Points, Points]:
    """Return the two angles of a ring's surface, each (turns + 1, sides + 1)."""
    turn, side = np.meshgrid(
        np.linspace(0, 2 * np.pi, turns + 1), np.linspace(0, 2 * np.pi, sides + 1), indexing="ij"
    )
    return turn, side


def superquadric(half: Sequence[float] | Points, powers: tuple[float, float]) -> Mesh:
    """Return a box, cylinder, ellipsoid or octahedron, or what is between them.

    Args:
        half: Half axes along x, y and z.
        powers: Along and around z: near 0 is square, 1 round, 2 pointed.
    """
    longitude, latitude = _globe()

    def bent(values: Points, power: float) -> Points:
        exact = np.where(np.abs(values) < 1e-9, 0, values)  # else a small power opens poles and seam
        return np.asarray(np.sign(exact) * np.abs(exact) ** power)

    level = bent(np.cos(latitude), powers[0])
    x, y = (level * bent(wave(longitude), powers[1]) for wave in (np.cos, np.sin))
    grid = np.stack([x, y, bent(np.sin(latitude), powers[0])], -1)
    return surface(grid * np.asarray(half), flat=min(powers) < 0.5)


def ball(radius: float) -> Mesh:
    """Return a sphere."""
    return superquadric((radius, radius, radius), (1.0, 1.0))


def stick(radius: float, length: float, axis: int) -> Mesh:
    """Return a rod with round ends along an axis, `length` from end to end."""
    longitude, latitude = _globe(12, 9)
    grid = radius * _on_sphere(longitude, latitude)
    grid[..., 2] += np.sign(latitude) * max(length / 2 - radius, 0)
    return surface(np.roll(grid, axis - 2, axis=-1))


def turned(rng: np.random.Generator, radius: float, height: float) -> Mesh:
    """Return a body of a lathe: vase, bottle, pawn, top."""
    longitude, latitude = _globe(24, 24)
    knots = rng.uniform(0.25, 1, 6)
    outline = np.interp(latitude, np.linspace(-np.pi / 2, np.pi / 2, 6), knots)
    wide = radius * outline * np.cos(latitude).clip(0) ** 0.3
    grid = [wide * np.cos(longitude), wide * np.sin(longitude), latitude / np.pi * height]
    return surface(np.stack(grid, -1))


def ring(radius: float, tube: float) -> Mesh:
    """Return a ring, hoop or tyre; its axis is y, so that it rolls along x."""
    turn, side = _turn_and_tube(32, 10)
    wide = radius + tube * np.cos(side)
    return surface(np.stack([wide * np.cos(turn), tube * np.sin(side), wide * np.sin(turn)], -1))


def wheel(radius: float, tube: float, spokes: int) -> Mesh:
    """Return a hoop with spokes through its middle, and a hub."""
    parts = [ring(radius, tube), superquadric((2 * tube, 2 * tube, 2 * tube), (1.0, 1.0))]
    rod = stick(0.7 * tube, 2 * radius, 0)
    for index in range(spokes):
        angle = np.pi * index / spokes
        turn = np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]])
        parts.append(rod._replace(vertices=rod.vertices @ turn.T, normals=rod.normals @ turn.T))
    return joined(parts)


def prism(rng: np.random.Generator, radius: float, height: float) -> Mesh:
    """Return a twisted and tapered column over a polygon or a star."""
    corners = int(rng.integers(3, 7))
    between = rng.uniform(0.4, 1) if rng.random() < 0.5 else np.cos(np.pi / corners)
    twist, taper = rng.uniform(-1.5, 1.5), rng.uniform(0.4, 1)
    turn, level = np.meshgrid(np.linspace(0, 2 * np.pi, 2 * corners + 1), np.linspace(0, 1, 9), indexing="ij")
    wide = radius * np.where(np.arange(2 * corners + 1) % 2, between, 1.0)[:, None]
    wide = wide * (1 - (1 - taper) * level)
    wide[:, [0, -1]] = 0  # its two ends are closed
    level = np.clip((level * 8 - 1) / 6, 0, 1)
    angle = turn + twist * level
    grid = [wide * np.cos(angle), wide * np.sin(angle), (level - 0.5) * height]
    return surface(np.stack(grid, -1), flat=True)


def lump(rng: np.random.Generator, half: Sequence[float] | Points) -> Mesh:
    """Return an ellipsoid with smooth bumps."""
    globe = _on_sphere(*_globe())
    waves, phases = rng.normal(0, 2, (6, 3)), rng.uniform(0, 2 * np.pi, 6)
    bumps = np.sin(globe @ waves.T + phases).mean(-1, keepdims=True)
    return surface(globe * (1 + rng.uniform(0.3, 0.9) * bumps) * np.asarray(half))


def drawn_mesh(rng: np.random.Generator) -> Mesh:
    """Draw a body: a solid one of 0.5 to 1.6 m, or a thin one of up to 2.4 m."""
    return _thin(rng) if rng.random() < THIN_SHARE else _solid(rng)


def _thin(rng: np.random.Generator) -> Mesh:
    radius, tube = rng.uniform(0.4, 0.8), rng.uniform(0.03, 0.08)
    match rng.integers(4):
        case 0:
            return stick(rng.uniform(0.03, 0.1), rng.uniform(1.2, 2.4), int(rng.integers(3)))
        case 1:
            half = [rng.uniform(0.4, 0.9), rng.uniform(0.3, 0.9), rng.uniform(0.03, 0.06)]
            return superquadric(rng.permutation(half), (0.1, 0.1))
        case 2:
            return ring(radius, tube)
        case _:
            return wheel(radius, tube, int(rng.integers(2, 5)))


def _solid(rng: np.random.Generator) -> Mesh:
    size = rng.uniform(0.25, 0.7)
    match rng.integers(6):
        case 0:
            along, around = rng.uniform(0.1, 1.6, 2)
            return superquadric(size * rng.uniform(0.6, 1.2, 3), (float(along), float(around)))
        case 1:
            return turned(rng, size, size * rng.uniform(1.4, 3))
        case 2:
            return ring(size, size * rng.uniform(0.2, 0.45))
        case 3:
            return prism(rng, size, size * rng.uniform(1, 3))
        case 4:
            return lump(rng, size * rng.uniform(0.6, 1.3, 3))
        case _:
            return ball(size)
