"""The five scenes that every set of sequences shows.

Each is a ground photograph seen by a moving camera, and cut-outs that move over it. Together they show what
VOTS is about: look-alike distractors, occlusion, leaving the view and coming back, deforming and tiny objects
and strong changes of scale.
"""

from __future__ import annotations

import math

import numpy as np

from hqtrack.scenes import photographs
from hqtrack.scenes.motion import about, around, path, spin, standing, wave
from hqtrack.scenes.photographs import Cutout
from hqtrack.scenes.stage import Actor, Scene


def look_alikes(rng: np.random.Generator) -> Scene:
    """Five coins that only their reliefs tell apart cross and touch one another."""
    length = 90
    coins = photographs.coins()
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
            path(around(rng, track, 18), length),
            about(float(rng.uniform(68, 88)), wave(rng, 0.05, 50)),
            angle=spin(float(rng.normal(0, 0.02))),
            labelled=k < 4,
        )
        for k, (coin, track) in enumerate(zip(chosen, tracks, strict=True))
    ]
    ground = photographs.ground("gravel.png", (900, 560), (0.75, 0.68, 0.6))
    sway = wave(rng, 14, 70)
    return Scene("coins", length, ground, lambda t: (110 + sway(t), 90 + 0.5 * sway(t + 20)), actors)


def herd(rng: np.random.Generator) -> Scene:
    """Two horses run behind posts; one leaves the view and comes back; the camera pans."""
    length = 100
    horse = photographs.horse()
    dark = Cutout(horse.colours * np.array([0.55, 0.5, 0.5], np.float32), horse.alpha)
    stride = float(rng.uniform(13, 17))
    first = Actor(
        horse,
        path(around(rng, [(150, 210), (330, 190), (640, 215), (820, 200)], 12), length),
        about(150, wave(rng, 0.04, 60)),
        angle=wave(rng, 0.06, stride),
        sway=wave(rng, 0.10, stride),
    )
    second = Actor(
        dark,
        path(around(rng, [(420, 250), (700, 245), (1050, 260), (700, 250), (560, 240)], 10), length),
        about(185, wave(rng, 0.05, 80)),
        angle=wave(rng, 0.05, stride + 2),
        squeeze=lambda t: math.cos(math.pi / (1 + math.exp(-(t - 55) / 3))),
        sway=wave(rng, 0.10, stride + 2),
    )
    ball = Actor(
        photographs.ball(rng, "brick.png"),
        path(around(rng, [(560, 330), (470, 300), (520, 120), (640, 310), (760, 330)], 10), length),
        lambda t: 34,
        angle=lambda t: 0.2 * t,
    )
    posts = [
        Actor(photographs.post("brick.png", 34), standing(x, 190), lambda t: 430, labelled=False, shadow=0)
        for x in (330, 640, 900)
    ]
    ground = photographs.ground("grass.png", (1250, 520), (0.62, 0.75, 0.38))
    shake = wave(rng, 3, 9)
    return Scene(
        "horses",
        length,
        ground,
        lambda t: (20 + 3.2 * t + shake(t), 60 + shake(t + 4)),
        [first, second, ball, *posts],
        light=about(1.0, wave(rng, 0.12, 90)),
    )


def approach(rng: np.random.Generator) -> Scene:
    """A motorcycle comes from far away until it fills the view; a small ball and a face cross its way."""
    length = 80
    rider = Actor(
        photographs.motorcycle(),
        path(around(rng, [(520, 190), (470, 210), (330, 240), (350, 230)], 8), length),
        lambda t: 26 * math.exp(2.3 * t / length),
        angle=wave(rng, 0.04, 24),
        squeeze=about(0.9, wave(rng, 0.12, 60)),
    )
    ball = Actor(
        photographs.ball(rng, "coffee.png"),
        path(around(rng, [(90, 300), (260, 110), (400, 310), (560, 150), (610, 310)], 10), length),
        lambda t: 18,
        angle=lambda t: 0.3 * t,
    )
    face = Actor(
        photographs.ellipse("grace_hopper.jpg", (264, 170), (106, 150)),
        path(around(rng, [(180, 120), (250, 160), (140, 220), (300, 130)], 12), length),
        about(96, wave(rng, 0.15, 70)),
        angle=wave(rng, 0.25, 50),
        squeeze=about(1.0, wave(rng, 0.2, 40)),
    )
    ground = photographs.ground("rocket.jpg", (820, 547))
    drift = wave(rng, 20, 100)
    return Scene(
        "approach",
        length,
        ground,
        lambda t: (60 + drift(t), 120 + 0.5 * drift(t)),
        [rider, face, ball],
        light=lambda t: 1.25,
        noise=5,
    )


def table(rng: np.random.Generator) -> Scene:
    """A plate, a cat's face and an astronaut's hide one another and leave the view in turn."""
    length = 90
    plate = Actor(
        photographs.ellipse("coffee.png", (278, 229), (196, 153)),
        path(around(rng, [(180, 230), (300, 200), (430, 220), (230, 240)], 14), length),
        about(150, wave(rng, 0.08, 60)),
        angle=wave(rng, 0.3, 80),
    )
    cat = Actor(
        photographs.ellipse("chelsea.png", (195, 150), (158, 146)),
        path(
            around(rng, [(480, 150), (330, 190), (220, 210), (-160, 190), (160, 130), (420, 110)], 12),
            length,
        ),
        about(130, wave(rng, 0.12, 45)),
        squeeze=about(1.0, wave(rng, 0.12, 35)),
        angle=wave(rng, 0.2, 60),
    )
    astronaut = Actor(
        photographs.ellipse("astronaut.png", (225, 102), (74, 92)),
        path(
            around(rng, [(330, 60), (420, 160), (560, 230), (820, 240), (700, 200), (480, 230)], 12), length
        ),
        about(110, wave(rng, 0.1, 55)),
        angle=wave(rng, 0.3, 50),
        sway=wave(rng, 0.06, 30),
    )
    ground = photographs.ground("motorcycle_left.png", (900, 607))
    drift = wave(rng, 30, 120)
    return Scene(
        "table",
        length,
        ground,
        lambda t: (120 + drift(t), 130 + 0.4 * drift(t + 30)),
        [plate, astronaut, cat],
        light=about(1.0, wave(rng, 0.15, 60)),
    )


def swarm(rng: np.random.Generator) -> Scene:
    """Four textured balls, two of them of one kind, bounce before stars; one passes as a speck."""
    length = 75
    twin = photographs.ball(rng, "chelsea.png")
    kinds = [twin, twin, photographs.ball(rng, "coffee.png"), photographs.ball(rng, "astronaut.png")]
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
            path(around(rng, track, 16), length),
            about(size, wave(rng, 0.12, 50)),
            angle=spin(float(rng.normal(0, 0.05))),
        )
        for kind, track, size in zip(kinds, tracks, sizes, strict=True)
    ]
    ground = photographs.ground("hubble_deep_field.jpg", (1000, 872))
    return Scene("swarm", length, ground, lambda t: (80 + 1.6 * t, 200 + 0.8 * t), actors, noise=4)


SCENES = (look_alikes, herd, approach, table, swarm)
