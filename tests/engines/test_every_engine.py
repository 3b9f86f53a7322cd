"""What holds for every engine of another library, on small networks with random weights."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engines.small import CARD_OF, SMALL_ENGINES, small_edgetam, small_sam2
from hqtrack import HQTrack, WeightsError
from hqtrack.masks import masks_of
from hqtrack.refinement import build_refiner
from hqtrack.zoo import check_family, describe, load_card

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
def test_an_image_is_encoded_once_for_all_objects(name: str) -> None:
    calls: Counter[str] = Counter()

    def note(module: nn.Module, _inputs: object, _output: object) -> None:
        calls[type(module).__name__] += 1

    engine = SMALL_ENGINES[name](torch.float32)()
    hook = nn.modules.module.register_module_forward_hook(note)
    try:
        engine.add(FRAMES[0], labels(3), 3)
        for frame in FRAMES[1:3]:
            engine.find(frame)
    finally:
        hook.remove()
    assert [calls[kind] for kind in calls.keys() & IMAGE_ENCODERS] == [3]


def found_with(name: str, dtype: torch.dtype) -> list[np.ndarray]:
    """Return the probabilities (2, H, W) of the frames after the first, as an engine finds them."""
    engine = SMALL_ENGINES[name](dtype)()
    engine.add(FRAMES[0], labels(2), 2)
    result = []
    for frame in FRAMES[1:4]:
        found = engine.find(frame)
        assert found.labels.shape == SIZE
        assert found.labels.max() <= 2
        assert found.scores is not None
        assert torch.isfinite(found.scores).all()
        assert found.probabilities is not None
        probabilities = found.probabilities()
        assert probabilities.dtype == torch.float32
        result.append(probabilities.numpy())
    return result


@pytest.mark.parametrize("name", SMALL_ENGINES)
def test_narrow_numbers_find_what_float32_finds(name: str) -> None:
    """A CPU computes both here; `HQTrack` refuses float16 there, because it is slow."""
    exact = found_with(name, torch.float32)
    for dtype, largest in ((torch.bfloat16, 0.1), (torch.float16, 0.02)):
        for ours, right in zip(found_with(name, dtype), exact, strict=True):
            error = np.sqrt(np.square(ours - right).mean()) / right.std()
            assert error < largest, dtype


@pytest.mark.parametrize("name", SMALL_ENGINES)
def test_the_refiner_refines_what_any_engine_found(name: str) -> None:
    settings = load_card("hqtrack-light").refiner
    assert settings is not None
    refiner = build_refiner(settings, device=torch.device("cpu"), dtype=torch.float32)
    plain, refined = (
        HQTrack(
            replace(load_card(CARD_OF[name]), refiner=each and settings),
            SMALL_ENGINES[name](torch.float32),
            refiner=each,
            device="cpu",
            precision="float32",
        )
        for each in (None, refiner)
    )
    for tracker in (plain, refined):
        tracker.initialize(FRAMES[0], masks_of(labels(2), 2))
    for frame in FRAMES[1:3]:
        masks, report = refiner.refine(frame, torch.from_numpy(plain.track(frame)))
        np.testing.assert_array_equal(refined.track(frame), masks.numpy())
        assert refined.refinement_report == report
        assert [one.object for one in report.objects] == [1, 2]


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


@pytest.mark.parametrize("name", SMALL_ENGINES)
def test_what_is_held_stays_as_it_is_once_every_memory_is_full(name: str) -> None:
    """`benchmarks/soak.py --engine` runs thousands of frames; here memories are small, and full early."""
    engine = SMALL_ENGINES[name](torch.float32)()
    engine.add(FRAMES[0], labels(1), 1)
    sizes = []
    for number in range(1, 31):
        engine.find(FRAMES[number % len(FRAMES)])
        sizes.append(kept_bytes(engine, set()))
    assert max(sizes[18:]) == max(sizes[:18]) > sizes[0]


def test_checkpoints_are_known_by_their_keys() -> None:
    pytest.importorskip("cutie", reason="needs hqtrack[cutie]")
    from hqtrack.engines import cutie

    made = {
        "SAM 2.1": small_sam2(),
        "EdgeTAM": small_edgetam(),
        "Cutie small": cutie.build(cutie.configuration("cutie-small")),
        "Cutie base": cutie.build(cutie.configuration("cutie-base")),
    }
    assert {describe(model.state_dict()) for model in made.values()} == set(made)
    for model in made.values():
        other = next(each for each in made.values() if each is not model)
        with pytest.raises(WeightsError, match=f"looks like {describe(other.state_dict())}"):
            check_family("mine", model.state_dict(), other.state_dict(), Path("other.pth"))
