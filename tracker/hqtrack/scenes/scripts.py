"""Sample sequences with exact ground truth, drawn from photographs that installed packages carry.

Each sequence is a small scene: a ground photograph seen by a moving camera, and cut-outs that move over it
with shading, soft shadows and motion blur. Together they show what VOTS is about: look-alike distractors,
occlusion, leaving the view and coming back, deforming and tiny objects and strong changes of scale.
A seed fixes every pixel; other seeds give a test set of the same scenes with other paths, objects and light.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt
from vot.region import Mask
from vot.region.io import write_trajectory
from vot.utilities import write_properties

from hqtrack.errors import DataError

logger = logging.getLogger(__name__)

WIDTH, HEIGHT = 640, 360
FRAMES_PER_SECOND = 25
EXPOSURES = 3
"""Instants that are averaged into one frame: motion blur of half a frame's time."""

SAMPLE_SEED = 2023
TEST_SEEDS = (3101, 3102)
FIRST_TRAINING_SEED = 10_000
"""Seeds from here on are for training: no figure is measured on them."""

Picture = npt.NDArray[np.uint8]
# float32; OpenCV's own types are too wide to say so.
Colours = npt.NDArray[Any]
Alpha = npt.NDArray[Any]


@dataclass(frozen=True)
class Cutout:
    """A thing cut out of a photograph."""

    colours: Colours
    """(h, w, 3) RGB, 0 to 255."""
    alpha: Alpha
    """(h, w), 0 to 1."""


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


# Photographs


def _photo(name: str) -> Colours:
    """Read a photograph of scikit-image or matplotlib as RGB.

    Raises:
        DataError: The package that carries it is not installed.
    """
    if name == "grace_hopper.jpg":
        file = Path(matplotlib.get_data_path()) / "sample_data" / name
    else:
        try:
            import skimage
        except ImportError as error:
            raise DataError(
                "the sample sequences are drawn from photographs of scikit-image, which is not installed; "
                "run: pip install 'hqtrack[samples]'"
            ) from error
        file = Path(skimage.__file__).parent / "data" / name
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if picture is None:
        raise DataError(f"the photograph {file} cannot be read; reinstall the package it belongs to")
    return np.ascontiguousarray(picture[..., ::-1], dtype=np.float32)


def _shape(size: tuple[int, int], draw: Callable[[Picture], None]) -> Alpha:
    """Draw an outline on an empty (h, w) canvas and soften its edge."""
    canvas = np.zeros(size, np.uint8)
    draw(canvas)
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), 0.8), np.float32) / 255


def _trimmed(colours: Colours, alpha: Alpha) -> Cutout:
    """Crop a cut-out to what is visible, with a transparent edge of two pixels."""
    rows, columns = np.nonzero(alpha > 0.02)
    window = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    edge = ((2, 2), (2, 2))
    padded = np.pad(colours[window], (*edge, (0, 0)), mode="edge")
    return Cutout(padded, np.pad(alpha[window], edge))


def _ellipse(photo: str, centre: tuple[int, int], axes: tuple[int, int]) -> Cutout:
    colours = _photo(photo)

    def draw(canvas: Picture) -> None:
        cv2.ellipse(canvas, centre, axes, 0, 0, 360, 255, -1, cv2.LINE_AA)

    return _trimmed(colours, _shape(colours.shape[:2], draw))


@cache
def _motorcycle() -> Cutout:
    colours = _photo("motorcycle_left.png")
    frame = [(105, 235), (150, 160), (250, 150), (330, 180), (430, 165), (500, 130), (500, 85), (548, 85)]
    frame += [(570, 150), (640, 290), (560, 310), (520, 400), (330, 430), (180, 400), (110, 300)]

    def draw(canvas: Picture) -> None:
        cv2.fillPoly(canvas, [np.array(frame, np.int32)], 255, cv2.LINE_AA)
        cv2.circle(canvas, (197, 322), 78, 255, -1, cv2.LINE_AA)
        cv2.circle(canvas, (600, 370), 88, 255, -1, cv2.LINE_AA)

    return _trimmed(colours, _shape(colours.shape[:2], draw))


@cache
def _coins() -> list[Cutout]:
    """The coins of the photograph, all alike."""
    colours = _photo("coins.png")
    grey = cv2.GaussianBlur(colours[..., 0].astype(np.uint8), (0, 0), 2)
    local = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 101, -8)
    closed = cv2.morphologyEx(local, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    count, _, stats, centres = cv2.connectedComponentsWithStats(closed)
    warm = np.array([1.12, 1.0, 0.8], np.float32)
    coins = []
    for k in range(1, count):
        width, height, area = (int(v) for v in stats[k, 2:5])
        if area < 500 or abs(width - height) > 12:
            continue
        x, y = (round(float(v)) for v in centres[k])
        radius = (width + height) // 4

        def draw(canvas: Picture, x: int = x, y: int = y, radius: int = radius) -> None:
            cv2.circle(canvas, (x, y), radius, 255, -1, cv2.LINE_AA)

        coins.append(_trimmed(colours * warm, _shape(colours.shape[:2], draw)))
    return coins


@cache
def _horse() -> Cutout:
    """The silhouette of a horse with the fur of a cat."""
    import skimage

    file = Path(skimage.__file__).parent / "data" / "horse.png"
    outline = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if outline is None:
        raise DataError(f"the picture {file} cannot be read; reinstall scikit-image")
    dark = outline[..., :3].max(axis=2) < 128
    if outline.shape[2] == 4:
        dark &= outline[..., 3] > 128
    alpha = np.asarray(cv2.GaussianBlur(dark.astype(np.uint8) * 255, (0, 0), 0.8), np.float32) / 255
    fur = cv2.resize(_photo("chelsea.png")[20:180, 40:200], (dark.shape[1], dark.shape[0]))
    # Darker below, as in daylight.
    shade = np.linspace(1.1, 0.55, dark.shape[0], dtype=np.float32)[:, None, None]
    return _trimmed(fur * shade, alpha)


def _ball(rng: np.random.Generator, photo: str) -> Cutout:
    """A sphere with a photograph's texture, lit from above left."""
    side = 120
    texture = _photo(photo)
    y0 = int(rng.integers(texture.shape[0] - side))
    x0 = int(rng.integers(texture.shape[1] - side))
    tint = rng.uniform(0.35, 1.25, 3).astype(np.float32)
    line = np.linspace(-1, 1, side, dtype=np.float32)
    x, y = np.meshgrid(line, line)
    depth = np.sqrt(np.clip(1 - x * x - y * y, 0, 1))
    light = np.clip(-0.45 * x - 0.55 * y + 0.7 * depth, 0.12, 1)[..., None]
    colours = texture[y0 : y0 + side, x0 : x0 + side] * tint * light * 1.3

    def draw(canvas: Picture) -> None:
        cv2.circle(canvas, (side // 2, side // 2), side // 2 - 2, 255, -1, cv2.LINE_AA)

    return _trimmed(np.clip(colours, 0, 255), _shape((side, side), draw))


def _post(photo: str, width: int) -> Cutout:
    """An upright post that things pass behind."""
    texture = np.tile(_photo(photo)[:400, :width], (2, 1, 1))[:600]
    round_ = np.sin(np.linspace(0.25, math.pi - 0.1, width, dtype=np.float32))[None, :, None]
    return _trimmed(texture * round_ * 0.7, np.ones(texture.shape[:2], np.float32))


def _ground(photo: str, size: tuple[int, int], tint: tuple[float, float, float] = (1, 1, 1)) -> Colours:
    """A ground of (width, height) pixels: the photograph, enlarged, or tiled by reflection."""
    picture = _photo(photo) * np.array(tint, np.float32)
    if photo in ("grass.png", "gravel.png", "brick.png"):
        picture = np.pad(picture, ((0, picture.shape[0]), (0, picture.shape[1] * 2), (0, 0)), mode="reflect")
        return np.clip(picture[: size[1], : size[0]], 0, 255)
    scale = max(size[0] / picture.shape[1], size[1] / picture.shape[0])
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.clip(picture[: size[1], : size[0]], 0, 255)


# Motion


def _path(points: list[tuple[float, float]], length: int) -> Callable[[float], tuple[float, float]]:
    """A smooth path through points at equal times (Catmull-Rom)."""
    p = np.array([points[0], *points, points[-1]], float)

    def place(t: float) -> tuple[float, float]:
        s = np.clip(t / (length - 1), 0, 1) * (len(points) - 1)
        k = min(int(s), len(points) - 2)
        u = s - k
        a, b, c, d = p[k : k + 4]
        point = 0.5 * (
            2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u**2 + (3 * b - a - 3 * c + d) * u**3
        )
        return float(point[0]), float(point[1])

    return place


def _wave(rng: np.random.Generator, amount: float, period: float) -> Callable[[float], float]:
    """A swing around 0 with a random phase."""
    phase = rng.uniform(0, 2 * math.pi)
    return lambda t: amount * math.sin(2 * math.pi * t / period + phase)


def _standing(x: float, y: float) -> Callable[[float], tuple[float, float]]:
    return lambda t: (x, y)


def _spin(speed: float) -> Callable[[float], float]:
    return lambda t: speed * t


def _about(value: float, swing: Callable[[float], float]) -> Callable[[float], float]:
    return lambda t: value * (1 + swing(t))


def _around(
    rng: np.random.Generator, points: Sequence[tuple[float, float]], spread: float
) -> list[tuple[float, float]]:
    """Move points by a random amount."""
    return [(x + rng.normal(0, spread), y + rng.normal(0, spread)) for x, y in points]


# Scenes


def _look_alikes(rng: np.random.Generator) -> Scene:
    """Five coins that only their reliefs tell apart cross and touch one another."""
    length = 90
    coins = _coins()
    chosen = [coins[i] for i in rng.permutation(len(coins))[:5]]
    tracks = [
        [(120, 90), (300, 180), (520, 260), (420, 120)],
        [(520, 80), (330, 170), (130, 280), (260, 100)],
        [(330, 300), (320, 200), (330, 70), (520, 180)],
        [(90, 260), (250, 230), (430, 200), (560, 90)],
        [(560, 300), (420, 280), (200, 60), (110, 170)],
    ]
    actors = [
        Actor(
            coin,
            _path(_around(rng, track, 18), length),
            _about(float(rng.uniform(68, 88)), _wave(rng, 0.05, 50)),
            angle=_spin(float(rng.normal(0, 0.02))),
            labelled=k < 4,
        )
        for k, (coin, track) in enumerate(zip(chosen, tracks, strict=True))
    ]
    ground = _ground("gravel.png", (900, 560), (0.75, 0.68, 0.6))
    sway = _wave(rng, 14, 70)
    return Scene("coins", length, ground, lambda t: (110 + sway(t), 90 + 0.5 * sway(t + 20)), actors)


def _herd(rng: np.random.Generator) -> Scene:
    """Two horses run behind posts; one leaves the view and comes back; the camera pans."""
    length = 100
    horse = _horse()
    dark = Cutout(horse.colours * np.array([0.55, 0.5, 0.5], np.float32), horse.alpha)
    stride = float(rng.uniform(13, 17))
    first = Actor(
        horse,
        _path(_around(rng, [(150, 210), (330, 190), (640, 215), (820, 200)], 12), length),
        _about(150, _wave(rng, 0.04, 60)),
        angle=_wave(rng, 0.06, stride),
        sway=_wave(rng, 0.10, stride),
    )
    second = Actor(
        dark,
        _path(_around(rng, [(420, 250), (700, 245), (1050, 260), (700, 250), (560, 240)], 10), length),
        _about(185, _wave(rng, 0.05, 80)),
        angle=_wave(rng, 0.05, stride + 2),
        squeeze=lambda t: math.cos(math.pi / (1 + math.exp(-(t - 55) / 3))),
        sway=_wave(rng, 0.10, stride + 2),
    )
    ball = Actor(
        _ball(rng, "brick.png"),
        _path(_around(rng, [(560, 330), (470, 300), (520, 120), (640, 310), (760, 330)], 10), length),
        lambda t: 34,
        angle=lambda t: 0.2 * t,
    )
    posts = [
        Actor(_post("brick.png", 34), _standing(x, 190), lambda t: 430, labelled=False, shadow=0)
        for x in (330, 640, 900)
    ]
    ground = _ground("grass.png", (1250, 520), (0.62, 0.75, 0.38))
    shake = _wave(rng, 3, 9)
    return Scene(
        "horses",
        length,
        ground,
        lambda t: (20 + 3.2 * t + shake(t), 60 + shake(t + 4)),
        [first, second, ball, *posts],
        light=_about(1.0, _wave(rng, 0.12, 90)),
    )


def _approach(rng: np.random.Generator) -> Scene:
    """A motorcycle comes from far away until it fills the view; a small ball and a face cross its way."""
    length = 80
    rider = Actor(
        _motorcycle(),
        _path(_around(rng, [(520, 190), (470, 210), (330, 240), (350, 230)], 8), length),
        lambda t: 26 * math.exp(2.3 * t / length),
        angle=_wave(rng, 0.04, 24),
        squeeze=_about(0.9, _wave(rng, 0.12, 60)),
    )
    ball = Actor(
        _ball(rng, "coffee.png"),
        _path(_around(rng, [(90, 300), (260, 110), (400, 310), (560, 150), (610, 310)], 10), length),
        lambda t: 18,
        angle=lambda t: 0.3 * t,
    )
    face = Actor(
        _ellipse("grace_hopper.jpg", (264, 170), (106, 150)),
        _path(_around(rng, [(180, 120), (250, 160), (140, 220), (300, 130)], 12), length),
        _about(96, _wave(rng, 0.15, 70)),
        angle=_wave(rng, 0.25, 50),
        squeeze=_about(1.0, _wave(rng, 0.2, 40)),
    )
    ground = _ground("rocket.jpg", (820, 547))
    drift = _wave(rng, 20, 100)
    return Scene(
        "approach",
        length,
        ground,
        lambda t: (60 + drift(t), 120 + 0.5 * drift(t)),
        [rider, face, ball],
        light=lambda t: 1.25,
        noise=5,
    )


def _table(rng: np.random.Generator) -> Scene:
    """A plate, a cat's face and an astronaut's hide one another and leave the view in turn."""
    length = 90
    plate = Actor(
        _ellipse("coffee.png", (278, 229), (196, 153)),
        _path(_around(rng, [(180, 230), (300, 200), (430, 220), (230, 240)], 14), length),
        _about(150, _wave(rng, 0.08, 60)),
        angle=_wave(rng, 0.3, 80),
    )
    cat = Actor(
        _ellipse("chelsea.png", (195, 150), (158, 146)),
        _path(
            _around(rng, [(480, 150), (330, 190), (220, 210), (-160, 190), (160, 130), (420, 110)], 12),
            length,
        ),
        _about(130, _wave(rng, 0.12, 45)),
        squeeze=_about(1.0, _wave(rng, 0.12, 35)),
        angle=_wave(rng, 0.2, 60),
    )
    astronaut = Actor(
        _ellipse("astronaut.png", (225, 102), (74, 92)),
        _path(
            _around(rng, [(330, 60), (420, 160), (560, 230), (820, 240), (700, 200), (480, 230)], 12), length
        ),
        _about(110, _wave(rng, 0.1, 55)),
        angle=_wave(rng, 0.3, 50),
        sway=_wave(rng, 0.06, 30),
    )
    ground = _ground("motorcycle_left.png", (900, 607))
    drift = _wave(rng, 30, 120)
    return Scene(
        "table",
        length,
        ground,
        lambda t: (120 + drift(t), 130 + 0.4 * drift(t + 30)),
        [plate, astronaut, cat],
        light=_about(1.0, _wave(rng, 0.15, 60)),
    )


def _swarm(rng: np.random.Generator) -> Scene:
    """Four textured balls, two of them of one kind, bounce before stars; one passes as a speck."""
    length = 75
    twin = _ball(rng, "chelsea.png")
    kinds = [twin, twin, _ball(rng, "coffee.png"), _ball(rng, "astronaut.png")]
    tracks = [
        [(100, 90), (260, 250), (420, 100), (560, 260)],
        [(540, 90), (400, 260), (260, 110), (110, 270)],
        [(60, 200), (320, 180), (700, 170), (720, 200), (420, 190)],
        [(320, 320), (480, 300), (330, 60), (180, 160)],
    ]
    sizes = [70.0, 74.0, 100.0, 16.0]
    actors = [
        Actor(
            kind,
            _path(_around(rng, track, 16), length),
            _about(size, _wave(rng, 0.12, 50)),
            angle=_spin(float(rng.normal(0, 0.05))),
        )
        for kind, track, size in zip(kinds, tracks, sizes, strict=True)
    ]
    ground = _ground("hubble_deep_field.jpg", (1000, 872))
    return Scene("swarm", length, ground, lambda t: (80 + 1.6 * t, 200 + 0.8 * t), actors, noise=4)


SCENES = (_look_alikes, _herd, _approach, _table, _swarm)


# Drawing


def _draw_actor(view: Colours, actor: Actor, t: float, origin: tuple[float, float]) -> Alpha:
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
    drawn = cv2.warpAffine(
        colours, affine, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    cover: Alpha = cv2.warpAffine(alpha, affine, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    if actor.shadow:
        reach = max(2.0, 0.05 * actor.height(t))
        shift = np.array([[1, 0, 1.2 * reach], [0, 1, 1.6 * reach]])
        soft = cv2.GaussianBlur(cv2.warpAffine(cover, shift, (WIDTH, HEIGHT)), (0, 0), reach)
        view *= 1 - actor.shadow * soft[..., None]
    view += cover[..., None] * (drawn - view)
    return cover


def _expose(scene: Scene, t: float) -> tuple[Colours, list[Alpha]]:
    """Draw one instant; gives the view and what each actor covers, others in front of it taken away."""
    left, top = scene.camera(t)
    shift = np.array([[1, 0, -left], [0, 1, -top]])
    view: Colours = cv2.warpAffine(
        scene.ground, shift, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    covers: list[Alpha] = []
    for actor in scene.actors:
        cover = _draw_actor(view, actor, t, (left - scene.camera(0)[0], top - scene.camera(0)[1]))
        for earlier in covers:
            earlier *= 1 - cover
        covers.append(cover)
    return view * np.float32(scene.light(t)), covers


def _frame(scene: Scene, index: int, rng: np.random.Generator) -> tuple[Picture, list[npt.NDArray[np.bool_]]]:
    """Draw a frame with motion blur and noise, and the exact masks of its objects at the middle instant."""
    instants = [index + (k - EXPOSURES // 2) * 0.5 / EXPOSURES for k in range(EXPOSURES)]
    exposures = [_expose(scene, t) for t in instants]
    picture = np.mean([view for view, _ in exposures], axis=0)
    masks = [
        cover > 0.5
        for cover, actor in zip(exposures[EXPOSURES // 2][1], scene.actors, strict=True)
        if actor.labelled
    ]
    noisy = picture + rng.normal(0, scene.noise, picture.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), masks


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
        picture, masks = _frame(scene, index, rng)
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
    (folder / "list.txt").write_text("".join(f"{name}\n" for name in names))
    return names
