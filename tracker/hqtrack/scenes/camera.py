"""Drawing a scene's frames, with shading, soft shadows, motion blur and noise, and the exact masks."""

from __future__ import annotations

import math

import cv2
import numpy as np

from hqtrack.images import Image
from hqtrack.masks import Mask
from hqtrack.scenes.photographs import Alpha, Colours
from hqtrack.scenes.stage import Actor, Scene

WIDTH, HEIGHT = 640, 360


EXPOSURES = 3
"""Instants that are averaged into one frame: motion blur of half a frame's time."""


def _extent(cover: Alpha) -> tuple[slice, slice]:
    """Return the rows and columns outside of which a coverage (H, W) is 0; empty where it is 0 all over."""
    sides = []
    for axis in (1, 0):
        (used,) = np.nonzero(cover.any(axis))
        sides.append(slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 0))
    return sides[0], sides[1]


def draw_actor(view: Colours, actor: Actor, t: float, origin: tuple[float, float]) -> Alpha:
    """Draw an actor onto the view, in place; gives its coverage (H, W)."""
    height, width = actor.cutout.alpha.shape
    scale = actor.height(t) / height
    x, y = actor.place(t)
    cos, sin = math.cos(actor.angle(t)), math.sin(actor.angle(t))
    turn, sway = actor.squeeze(t), actor.sway(t)
    turn = math.copysign(max(abs(turn), 0.08), turn)
    colours, alpha = actor.cutout.colours, actor.cutout.alpha
    if scale < 0.6:
        # Reduce first: warping alone would skip pixels.
        size = (max(2, round(width * scale)), max(2, round(height * scale)))
        colours = cv2.resize(colours, size, interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
        scale *= height / size[1]
        width, height = size
    # Cut-out to view: bend, turn, scale, rotate, move.
    bend = np.array([[scale * turn, scale * sway, 0], [0, scale, 0]])
    rotation = np.array([[cos, -sin], [sin, cos]])
    matrix = rotation @ bend[:, :2]
    centre = np.array([x - origin[0], y - origin[1]])
    offset = centre - matrix @ np.array([(width - 1) / 2, (height - 1) / 2])
    affine = np.column_stack([matrix, offset])
    cover: Alpha = cv2.warpAffine(alpha, affine, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    place = _extent(cover)
    if cover[place].size == 0:
        return cover
    drawn = cv2.warpAffine(
        colours, affine, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    if actor.shadow:
        reach = max(2.0, 0.05 * actor.height(t))
        shift = np.array([[1, 0, 1.2 * reach], [0, 1, 1.6 * reach]])
        soft = cv2.GaussianBlur(cv2.warpAffine(cover, shift, (WIDTH, HEIGHT)), (0, 0), reach)
        dark = _extent(soft)
        view[dark] *= 1 - actor.shadow * soft[dark][..., None]
    view[place] += cover[place][..., None] * (drawn[place] - view[place])
    return cover


def expose(scene: Scene, t: float) -> tuple[Colours, list[Alpha]]:
    """Draw one instant; gives the view and what each actor covers, others in front of it taken away."""
    left, top = scene.camera(t)
    shift = np.array([[1, 0, -left], [0, 1, -top]])
    view: Colours = cv2.warpAffine(
        scene.ground, shift, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    covers: list[Alpha] = []
    for actor in scene.actors:
        cover = draw_actor(view, actor, t, (left - scene.camera(0)[0], top - scene.camera(0)[1]))
        place = _extent(cover)
        for earlier in covers:
            earlier[place] *= 1 - cover[place]
        covers.append(cover)
    return view * np.float32(scene.light(t)), covers


def draw_frame(scene: Scene, index: int, rng: np.random.Generator) -> tuple[Image, list[Mask]]:
    """Draw a frame with motion blur and noise, and the exact masks of its objects at the middle instant."""
    instants = [index + (k - EXPOSURES // 2) * 0.5 / EXPOSURES for k in range(EXPOSURES)]
    exposures = [expose(scene, t) for t in instants]
    picture = np.mean([view for view, _ in exposures], axis=0)
    masks = [
        cover > 0.5
        for cover, actor in zip(exposures[EXPOSURES // 2][1], scene.actors, strict=True)
        if actor.labelled
    ]
    noisy = picture + rng.normal(0, scene.noise, picture.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), masks
