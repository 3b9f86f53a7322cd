"""Cutie as an engine finds what the package's own predictor finds, on random weights."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("cutie", reason="needs hqtrack[cutie]")

from cutie.inference.inference_core import InferenceCore

from engines.rectangles import rectangle
from hqtrack import HQTrack, InputError
from hqtrack.engines import cutie
from hqtrack.masks import label_map
from hqtrack.zoo import load_card

SIZE = (96, 128)


@pytest.fixture(scope="module")
def config() -> Any:
    return cutie.configuration("cutie-small")


@pytest.fixture(scope="module")
def network(config: Any) -> Any:
    torch.manual_seed(2)
    return cutie.build(config).eval()


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (11, *SIZE, 3), dtype=np.uint8)


square = partial(rectangle, SIZE)
FIRST = label_map(np.stack([square(5, 10), square(35, 60)]))
CORRECTED = label_map(np.stack([square(20, 30), square(2, 70)]))


def pixels(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1).float() / 255


@torch.inference_mode()
def test_masks_are_those_of_the_package(network: Any, config: Any, frames: np.ndarray) -> None:
    engine = cutie.starter(network, config, device=torch.device("cpu"), dtype=torch.float32)()
    core = InferenceCore(network, config)

    def give(image: np.ndarray, labels: np.ndarray) -> None:
        core.step(pixels(image), torch.from_numpy(labels.astype(np.int64)), [1, 2], force_permanent=True)

    engine.add(frames[0], FIRST, 2)
    give(frames[0], FIRST)
    seen = []
    for number in range(1, 11):
        if number == 7:
            engine.add_reference(frames[7], CORRECTED)
            give(frames[7], CORRECTED)
            continue
        ours = engine.find(frames[number]).labels.numpy()
        theirs = core.output_prob_to_mask(core.step(pixels(frames[number]))).numpy()
        np.testing.assert_array_equal(ours, theirs, err_msg=f"frame {number}")
        seen.append(ours)
    assert len({labels.tobytes() for labels in seen}) > 5  # the comparison sees something change


@pytest.mark.slow
def test_objects_join(network: Any, config: Any, frames: np.ndarray) -> None:
    engine = cutie.starter(network, config, device=torch.device("cpu"), dtype=torch.float32)()
    engine.add(frames[0], FIRST, 2)
    engine.find(frames[1])
    engine.add(frames[1], label_map(square(40, 5)[None]), 1)
    assert engine.count == 3
    assert engine.is_at(frames[1].copy())
    assert set(np.unique(engine.find(frames[2]).labels)) <= {0, 1, 2, 3}


def test_a_frame_too_small_for_the_memory_is_refused(network: Any, config: Any) -> None:
    engine = cutie.starter(network, config, device=torch.device("cpu"), dtype=torch.float32)()
    with pytest.raises(InputError, match="64 x 64 pixels"):
        engine.add(np.zeros((64, 64, 3), np.uint8), np.ones((64, 64), np.uint8), 1)


def test_removed_objects_are_not_found_and_others_are(network: Any, config: Any, frames: np.ndarray) -> None:
    engine = cutie.starter(network, config, device=torch.device("cpu"), dtype=torch.float32)()
    engine.add(frames[0], label_map(np.stack([square(5, 10), square(35, 60), square(60, 5)])), 3)
    engine.find(frames[1])
    masks = engine._core.last_mask
    engine.remove([2])
    assert torch.equal(engine._core.last_mask, masks[:, [0, 2]])  # the package would read another object's
    assert engine.count == 2
    found = engine.find(frames[2])
    assert set(np.unique(found.labels)) <= {0, 1, 2}
    engine.add(frames[2], label_map(square(40, 5)[None]), 1)
    engine.add_reference(frames[3], label_map(np.stack([square(5, 10), square(60, 5), square(35, 60)])))
    found = engine.find(frames[4])
    assert set(np.unique(found.labels)) <= {0, 1, 2, 3}
    assert found.scores is not None
    assert found.scores.shape == (3,)
    engine.remove([1, 2, 3])
    assert not engine.find(frames[5]).labels.any()


def test_scores_are_mean_probabilities(network: Any, config: Any, frames: np.ndarray) -> None:
    engine = cutie.starter(network, config, device=torch.device("cpu"), dtype=torch.float32)()
    engine.add(frames[0], FIRST, 2)
    found = engine.find(frames[1])
    assert found.scores is not None
    for number, score in enumerate(found.scores.tolist(), start=1):
        assert (score > 1 / 3) == bool((found.labels == number).any())  # the likeliest of three, or not seen
        assert 0 <= score <= 1


def test_probabilities_come_with_masks_where_they_are_asked_for(
    network: Any, config: Any, frames: np.ndarray
) -> None:
    start = cutie.starter(network, config, device=torch.device("cpu"), dtype=torch.float32)
    tracker, plain = (
        HQTrack(load_card("cutie-small"), start, device="cpu", precision="float32") for _ in range(2)
    )
    for each in (tracker, plain):
        each.initialize(frames[0], np.stack([FIRST == 1, FIRST == 2]))
    for frame in frames[1:4]:
        masks, probabilities = tracker.track(frame, return_probabilities=True)
        np.testing.assert_array_equal(masks, plain.track(frame))
        assert (probabilities.shape, probabilities.dtype) == ((2, *SIZE), np.float32)
        assert probabilities.min() >= 0
        assert probabilities.sum(0).max() <= 1 + 1e-5
        # A pixel is the most probable one's, of the objects and of the background, which has the rest.
        whole = np.concatenate([1 - probabilities.sum(0, keepdims=True), probabilities])
        clear = np.diff(np.sort(whole, axis=0)[-2:], axis=0)[0] > 1e-5
        np.testing.assert_array_equal(label_map(masks)[clear], whole.argmax(0)[clear])
    tracker.remove_objects([1, 2])
    masks, probabilities = tracker.track(frames[4], return_probabilities=True)
    assert masks.shape == probabilities.shape == (0, *SIZE)
