"""Weights made by a formula, so that networks can be compared without any checkpoint.

For every entry of a state dict, a generator seeded with the entry's name gives standard normal numbers
z: with two or more dimensions z / sqrt(fan-in); a bias 0.1 z; any other vector 1 + 0.1 z.
"""

import zlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor


def formula_tensor(name: str, like: Tensor) -> Tensor:
    """Return the formula's value for the state-dict entry `name`, with the shape of `like`."""
    if not like.is_floating_point():
        return like.clone()
    shape = tuple(like.shape)
    z = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape, dtype=np.float32)
    if len(shape) >= 2:
        z = z / np.float32(np.sqrt(np.prod(shape[1:])))
    elif name.rpartition(".")[2] == "bias":
        z = np.float32(0.1) * z
    else:
        z = np.float32(1) + np.float32(0.1) * z
    return torch.from_numpy(np.asarray(z, dtype=np.float32))


def formula_state_dict(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return formula weights for every entry of a state dict whose names are the published ones."""
    return {name: formula_tensor(name, value) for name, value in state_dict.items()}
