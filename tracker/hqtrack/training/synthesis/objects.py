"""Synthetic objects: cut-outs, figures with limbs, bars and blobs, and look-alikes of one another."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hqtrack.training.synthesis.draws import Draws
from hqtrack.training.synthesis.layers import Layer
from hqtrack.training.synthesis.textures import Textures


class Objects:
    """Makes the objects of a sequence, each as a list of layers from back to front.

    Args:
        textures: What they are made of.
        draws: All random choices.
        size: Side of the square frames, in pixels.
        max_objects: Labelled objects in a sequence, at most.
    """

    def __init__(self, textures: Textures, draws: Draws, *, size: int, max_objects: int) -> None:
        self._textures, self._draws = textures, draws
        self._size, self._max_objects = size, max_objects

    def sequence(self, t: NDArray[np.float64], speed: float, in_place: int) -> list[list[Layer]]:
        """Return objects and unlabelled others, from back to front.

        Args:
            t: (T,) times of the frames.
            speed: Of all motion.
            in_place: Objects that the background has already, with the first labels.
        """
        labelled, swarm = self._labelled(in_place)
        others = int(self._draws.rng.choice([0, 1, 2, 3], p=[0.4, 0.3, 0.2, 0.1]))
        objects: list[list[Layer]] = []
        for k in range(labelled + others):
            label = in_place + k + 1 if k < labelled and in_place + k < self._max_objects else 0
            kind = self._draws.uniform(0, 1)
            if objects and len(objects[-1]) == 1 and self._draws.chance(0.3):
                objects.append([self._look_alike(t, label, objects[-1][0], speed)])
            else:
                objects.append(self._object(t, label, kind, speed))
        if swarm:
            self._shrink(objects)
        return [objects[i] for i in self._draws.rng.permutation(len(objects))]

    def _labelled(self, in_place: int) -> tuple[int, bool]:
        """Return how many objects are labelled, and whether they are a swarm of small ones."""
        labelled = 1 + int(self._draws.rng.choice(7, p=[0.14, 0.24, 0.24, 0.14, 0.1, 0.08, 0.06]))
        swarm = self._draws.chance(0.15)
        if swarm:
            labelled = int(self._draws.rng.integers(4, 11))
        elif in_place:
            labelled = int(self._draws.rng.choice([0, 1, 2], p=[0.35, 0.4, 0.25]))
        return labelled, swarm

    def _shrink(self, objects: list[list[Layer]]) -> None:
        for layer in (layer for layers in objects for layer in layers):
            shrunk = min(1.0, self._draws.uniform(0.02, 0.07) * self._size / float(layer.half[0].max()))
            layer.half = layer.half * shrunk

    def _object(self, t: NDArray[np.float64], label: int, kind: float, speed: float) -> list[Layer]:
        """Return a cut-out, a figure, a bar or a blob: which one depends on `kind` (0 to 1)."""
        if kind < 0.55:
            tile, aspect = self._textures.cutout()
            return [self._motion(t, label, tile, aspect, speed)]
        if kind < 0.82:
            return self._figure(t, label, speed)
        if kind < 0.9:
            tile = torch.cat([self._textures.texture(), self._textures.limb()[None]])
            return [self._motion(t, label, tile, self._draws.uniform(0.06, 0.25), speed)]
        tile = torch.cat([self._textures.texture(), self._textures.blob()[None]])
        return [self._motion(t, label, tile, math.exp(self._draws.rng.normal(0, 0.4)), speed)]

    def _look_alike(self, t: NDArray[np.float64], label: int, model: Layer, speed: float) -> Layer:
        """Return an object that looks like another one, and is often close to it."""
        draws = self._draws
        tint = torch.from_numpy(draws.rng.normal(1, 0.06, (3, 1, 1)).astype(np.float32))
        tile = torch.cat([(model.tiles[0, :3] * tint).clamp(0, 255), model.tiles[0, 3:]])
        if draws.chance(0.4):
            tile = tile.flip(-1)
        layer = self._motion(t, label, tile, float(model.half[0, 0] / model.half[0, 1]), speed)
        scale = draws.uniform(0.8, 1.25)
        layer.half = layer.half / layer.half[0] * model.half[0] * scale
        if draws.chance(0.6):
            offset = draws.rng.normal(0, 1, 2) * 1.6 * model.half[0]
            layer.centre = layer.centre - layer.centre[0] + model.centre[0] + offset
            if draws.chance(0.35):
                # The two pass each other.
                turn = np.cos(np.linspace(0, draws.uniform(0.6, 1.0) * math.pi, len(t)))
                layer.centre = model.centre + turn[:, None] * offset
            elif draws.chance(0.5):
                # The two move together.
                layer.centre = (
                    layer.centre[0]
                    + 0.7 * (model.centre - model.centre[0])
                    + 0.3 * (layer.centre - layer.centre[0])
                )
        return layer

    def _motion(self, t: NDArray[np.float64], label: int, tile: Tensor, aspect: float, speed: float) -> Layer:
        """Return a tile as a layer with a place, a size and a motion."""
        size = self._size
        area = math.exp(self._draws.uniform(math.log(0.002), math.log(0.25))) * size * size
        half = 0.5 * np.array([math.sqrt(area * aspect), math.sqrt(area / aspect)])
        own = speed * math.exp(self._draws.rng.normal(-0.1, 0.5))
        reach = 0.5 * max(2 * float(half.max()), 20) + 0.02 * size
        start = np.array([self._draws.uniform(0.1, 0.9), self._draws.uniform(0.12, 0.88)]) * size
        centre = (
            start
            + np.stack([self._draws.path(t) * reach * 0.14, self._draws.path(t) * reach * 0.11], axis=1) * own
        )
        if self._draws.chance(0.15):
            centre = centre + self._draws.excursion(len(t), 0.5 * size + float(half.max()))
        growth = np.exp(self._draws.path(t, 0.05) * 0.05 * own)
        if self._draws.chance(0.35):
            growth = growth * np.exp(self._draws.uniform(-1.0, 1.0) * self._draws.ease(t))
        flip = np.exp(self._draws.path(t, 0.05) * 0.03 * own) if self._draws.chance(0.4) else np.ones(len(t))
        bend = torch.zeros(len(t), 2, 4, 4)
        if self._draws.chance(0.75):
            amount = self._draws.uniform(0, 0.13) * min(1.5, own) ** 0.7
            drift, swing = (
                torch.from_numpy(self._draws.rng.normal(0, 1, (2, 4, 4)).astype(np.float32)) for _ in range(2)
            )
            phase = self._draws.uniform(0, 6.3)
            for i, time in enumerate(t):
                turn = math.sin(phase + 0.8 * time) - math.sin(phase)
                bend[i] = amount * (1.75 * math.tanh(0.2 * time) * drift + turn * swing)
        tiles = tile[None]
        if self._draws.chance(0.3):
            # The object turns: what it shows changes gradually into something else.
            other = 0.5 * self._textures.texture() + 0.5 * tile[:3].flip(-1)
            weight = (
                torch.from_numpy(self._draws.ease(t) * self._draws.uniform(0.3, 0.9))
                .float()
                .view(-1, 1, 1, 1)
            )
            rgb = (1 - weight) * tile[:3] + weight * other
            tiles = torch.cat([rgb, tile[3:].expand(len(t), -1, -1, -1)], dim=1)
        light = self._draws.uniform(0, 6.3) + self._draws.path(t) * 0.15
        strength = self._draws.uniform(0, 0.5) * self._draws.chance(0.4)
        return Layer(
            tiles=tiles,
            label=label,
            centre=centre,
            angle=self._draws.rng.normal(0, 0.25) + self._draws.path(t) * 0.07 * own,
            half=half * growth[:, None] * np.stack([flip, np.ones(len(t))], axis=1),
            shear=np.stack([self._draws.path(t), self._draws.path(t)], axis=1) * 0.02 * own,
            bend=bend,
            gain=np.exp(self._draws.path(t) * 0.03 * speed),
            shade=np.stack([np.cos(light), np.sin(light), np.full(len(t), strength)], axis=1),
            shadow=self._draws.uniform(0.25, 0.6) * self._draws.chance(0.25),
        )

    def _figure(self, t: NDArray[np.float64], label: int, speed: float) -> list[Layer]:
        """Return an articulated object: a body, a head and limbs that swing, each with its own texture."""
        shared = self._textures.texture()
        torso = self._motion(
            t, label, torch.cat([shared, self._textures.blob()[None]]), self._draws.uniform(0.4, 0.9), speed
        )
        layers = []
        frequency = self._draws.uniform(0.3, 1.4)
        for place, rest in self._joints():
            texture = shared if self._draws.chance(0.4) else self._textures.texture()
            part = self._motion(t, label, torch.cat([texture, self._textures.limb()[None]]), 1.0, speed)
            length, width = self._draws.uniform(0.5, 1.1), self._draws.uniform(0.1, 0.28)
            part.half = torso.half[:, 1:] * np.array([[width, length * 0.6]])
            swing = self._draws.uniform(0.1, 0.9) * np.sin(
                frequency * t * speed + self._draws.uniform(0, 6.3)
            )
            part.angle = torso.angle + rest + swing
            cos, sin = np.cos(torso.angle), np.sin(torso.angle)
            x, y = (place * torso.half).T
            anchor = np.stack([cos * x - sin * y, sin * x + cos * y], axis=1)
            direction = np.stack([-np.sin(part.angle), np.cos(part.angle)], axis=1)
            part.centre = torso.centre + anchor + direction * part.half[:, 1:] * 0.8
            part.shear, part.shadow = torso.shear, torso.shadow
            layers.append(part)
        head = self._motion(
            t, label, torch.cat([self._textures.texture(), self._textures.blob()[None]]), 1.0, speed
        )
        head.half = np.repeat(torso.half[:, 1:] * 0.35, 2, axis=1)
        head.centre = (
            torso.centre - np.stack([-np.sin(torso.angle), np.cos(torso.angle)], 1) * torso.half[:, 1:] * 1.15
        )
        layers.insert(int(self._draws.rng.integers(len(layers) + 1)), torso)
        return [*layers, head]

    def _joints(self) -> list[tuple[NDArray[np.float64], float]]:
        """Return where limbs are fixed to a body, in half sizes from its middle, and which way they hang."""
        if self._draws.chance(0.6):
            arms = [(np.array([side * 0.7, -0.7]), side * self._draws.uniform(-0.9, 0.2)) for side in (-1, 1)]
            legs = [
                (np.array([side * 0.35, 0.75]), side * self._draws.uniform(-0.4, 0.1)) for side in (-1, 1)
            ]
            return arms + legs
        count = int(self._draws.rng.integers(2, 6))
        return [(self._draws.rng.uniform(-0.75, 0.75, 2), self._draws.uniform(0, 6.3)) for _ in range(count)]
