"""What a scene consists of: a ground, a camera, and the things that move between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hqtrack.scenes.photographs import Colours, Cutout


@dataclass
class Actor:
    """A thing on stage; functions of time, which is counted in frames."""

    cutout: Cutout
    place: Callable[[float], tuple[float, float]]
    """Centre x, y in the world, in pixels of the first view."""
    height: Callable[[float], float]
    """In pixels."""
    angle: Callable[[float], float] = lambda t: 0.0
    """Radians, clockwise."""
    squeeze: Callable[[float], float] = lambda t: 1.0
    """Factor of the width: a turn about the upright axis."""
    sway: Callable[[float], float] = lambda t: 0.0
    """How far the lower end is bent sideways, as a share of the height."""
    labelled: bool = True
    """Whether the thing is an object to track; otherwise it only hides others."""
    shadow: float = 0.35
    """Darkness of the cast shadow."""


@dataclass
class Scene:
    """A sequence to be drawn, actors from back to front."""

    name: str
    length: int
    ground: Colours
    """(H, W, 3), larger than the view."""
    camera: Callable[[float], tuple[float, float]]
    """Upper left corner of the view on the ground."""
    actors: list[Actor] = field(default_factory=list)
    light: Callable[[float], float] = lambda t: 1.0
    noise: float = 3.0
    """Standard deviation of the sensor's noise, in grey values."""
