"""A small network and a short stage 1."""

from dataclasses import replace

import torch

from hqtrack.nets.vmos_light import VMOSLight
from hqtrack.training.recipes import RECIPES, Phase, SynthesisTraining


def tiny(steps: int, **settings: object) -> SynthesisTraining:
    light = RECIPES["vmos_light", 1]
    return replace(light, steps=steps, phases=(Phase(0.0, 64, 3, 2),), **settings)  # type: ignore[return-value]


def fresh() -> VMOSLight:
    torch.manual_seed(0)
    return VMOSLight()
