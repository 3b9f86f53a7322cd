"""What holds for every engine of another library, on small networks with random weights."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engines.small import SMALL_ENGINES

SIZE = (96, 96)
FRAMES = np.random.default_rng(5).integers(0, 256, (12, *SIZE, 3), dtype=np.uint8)
IMAGE_ENCODERS = {
    "Sam2VisionModel",
    "EdgeTamVisionModel",
    "Sam3VisionModel",
    "PixelEncoder",
}


def labels(count: int) -> np.ndarray:
    """Return labels with so many squares."""
    result = np.zeros(SIZE, np.uint8)
    for number in range(count):
        top, left = 5 + 45 * (number // 2), 5 + 45 * (number % 2)
        result[top : top + 30, left : left + 30] = number + 1
    return result


@pytest.mark.parametrize("name", SMALL_ENGINES)
def test_an_image_is_encoded_once_for_all_objects_in_bfloat16_too(name: str) -> None:
    calls: Counter[str] = Counter()

    def note(module: nn.Module, _inputs: object, _output: object) -> None:
        calls[type(module).__name__] += 1

    engine = SMALL_ENGINES[name](torch.bfloat16)()
    hook = nn.modules.module.register_module_forward_hook(note)
    try:
        engine.add(FRAMES[0], labels(3), 3)
        found = [engine.find(frame) for frame in FRAMES[1:4]]
    finally:
        hook.remove()
    assert {kind: count for kind, count in calls.items() if kind in IMAGE_ENCODERS} == {
        kind: 4 for kind in calls.keys() & IMAGE_ENCODERS
    }
    assert calls.keys() & IMAGE_ENCODERS
    for each in found:
        assert each.labels.shape == SIZE
        assert each.labels.max() <= 3
        assert each.scores is not None
        assert torch.isfinite(each.scores).all()


def kept_bytes(value: Any, seen: set[int]) -> int:
    """Return the bytes of all tensors that something holds, networks left out."""
    if id(value) in seen or isinstance(value, nn.Module | type):
        return 0
    seen.add(id(value))
    if isinstance(value, torch.Tensor):
        return value.untyped_storage().nbytes()
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, dict):
        return sum(kept_bytes(each, seen) + 8 for each in [*value.keys(), *value.values()])
    if isinstance(value, list | tuple | set | frozenset):
        return sum(kept_bytes(each, seen) + 8 for each in value)
    return kept_bytes(vars(value), seen) if hasattr(value, "__dict__") else 0


@pytest.mark.slow
def test_memory_of_sam_2_is_flat_over_2000_frames() -> None:
    engine = SMALL_ENGINES["sam2"](torch.float32)()
    engine.add(FRAMES[0], labels(1), 1)
    sizes = []
    for number in range(1, 2001):
        engine.find(FRAMES[number % len(FRAMES)])
        if number % 25 == 0:
            sizes.append(kept_bytes(engine, set()))
    assert max(sizes[20:]) <= 1.01 * max(sizes[:20])  # the first 500 frames fill every memory
