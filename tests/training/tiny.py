"""A small network and a short stage 1."""

import torch

from hqtrack.nets.vmos_light import VMOSLight
from hqtrack.training.stage1 import Phase, Stage1


def tiny(steps: int, **settings: object) -> Stage1:
    return Stage1(steps=steps, phases=(Phase(0.0, 64, 3, 2),), **settings)  # type: ignore[arg-type]


def fresh() -> VMOSLight:
    torch.manual_seed(0)
    return VMOSLight()
