"""The real tracker with formula weights gives the label maps that the published code gives.

`vmos_cases.npz` holds label maps of the published engine on the reference clip, run with its stand-ins for
compiled extensions (`benchmarks/published.py`), and with small inputs so that the cases take seconds.
Networks see the frames as they were resized for the recording (`published_input.py`).
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from formula_weights import formula_state_dict
from hqtrack import HQTrack, nets
from hqtrack.cards import MemorySettings
from hqtrack.engines import vmos
from hqtrack.masks import masks_of
from hqtrack.nets.interface import Features, PropagationNetwork
from hqtrack.zoo import load_card
from nets.parity import assert_clip_is_tracked_as_published
from published_input import published_input

pytestmark = pytest.mark.slow

PARITY = Path(__file__).parents[1] / "data" / "parity"


CLIP_MEMORY = MemorySettings(long_term_slots=8, long_term_gap=2, short_term_distance=4)

FED_BACK = 9
"""Frames of the reference clip that are tracked in the published size, where one takes seconds."""


class EncodedOnce:
    """An encoder that keeps the features of what it has seen: most tests here see the same frames.

    Images are the same where they differ by the rounding of their normalisation alone.
    """

    def __init__(self, encode: Callable[[Tensor], Features]) -> None:
        self._encode = encode
        self._seen: list[tuple[Tensor, Features]] = []

    def __call__(self, images: Tensor) -> Features:
        for seen, features in self._seen:
            if seen.shape == images.shape and torch.allclose(seen, images, rtol=0, atol=1e-6):
                return features
        self._seen.append((images, self._encode(images)))
        return self._seen[-1][1]


@pytest.fixture(scope="module")
def network() -> PropagationNetwork:
    network = nets.build("vmos").eval()
    network.load_state_dict(formula_state_dict(network.state_dict()))
    network.encode = EncodedOnce(network.encode)  # type: ignore[method-assign]
    return network


@pytest.fixture(autouse=True)
def recorded_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hqtrack.propagation.propagator.resize_image", published_input)


def agreement(
    network: PropagationNetwork,
    memory: MemorySettings,
    max_long_edge: int,
    frames: np.ndarray,
    first_mask: np.ndarray,
    expected: np.ndarray,
) -> list[float]:
    """Track a clip, fed back by itself, and return the share of equal pixels in each frame."""
    card = replace(load_card("vmos"), memory=memory, max_long_edge=max_long_edge)
    tracker = HQTrack(card, network, device="cpu", precision="float32")
    count = int(first_mask.max())
    tracker.initialize(frames[0], masks_of(first_mask, count))
    shares = []
    for frame, labels in zip(frames[1:], expected, strict=True):
        masks = tracker.track(frame)
        assert masks.shape == (count, *frame.shape[:2])
        assert masks.dtype == np.bool_
        shares.append(float((masks == masks_of(labels, count)).all(axis=0).mean()))
    return shares


def agreement_with_published_memory(
    network: PropagationNetwork,
    memory: MemorySettings,
    max_long_edge: int,
    frames: np.ndarray,
    first_mask: np.ndarray,
    expected: np.ndarray,
) -> list[float]:
    """Find each frame's objects with the published masks as memory; return the share of equal pixels in each.

    A pixel that is rounded the other way stays one pixel: nothing is fed back.
    """
    card = replace(load_card("vmos"), memory=memory, max_long_edge=max_long_edge)
    start = vmos.starter(card, network, device=torch.device("cpu"), dtype=torch.float32)
    propagator = start()
    propagator.add(frames[0], first_mask, int(first_mask.max()))
    shares = []
    for frame, labels in zip(frames[1:], expected, strict=True):
        found = propagator.find(frame).labels.numpy()
        shares.append(float((found == labels).mean()))
        propagator.remember(torch.from_numpy(labels))
    return shares


def test_the_reference_clip_is_as_published_with_its_own_masks_fed_back(network: PropagationNetwork) -> None:
    clip = np.load(PARITY / "vmos_dev.npz")
    # Four slots are written on the way. The cases below are of all frames, and small.
    frames, labels = clip["frames"][: FED_BACK + 1], clip["labels"][:FED_BACK]
    shares = agreement(network, CLIP_MEMORY, 1040, frames, clip["first_mask"], labels)
    assert min(shares) >= 0.999


def test_logits_of_the_reference_clip_are_as_published(network: PropagationNetwork) -> None:
    # VMOS is published with frames enlarged to a short edge of 480; the others take them as they are.
    assert_clip_is_tracked_as_published(network, "vmos", CLIP_MEMORY, min_short_edge=480)


class Case(NamedTuple):
    memory: MemorySettings
    max_long_edge: int
    size: tuple[int, int] = (120, 168)


CASES = {
    "released_slots": Case(MemorySettings(5, 2, 4), 176),
    "five_objects": Case(MemorySettings(8, 2, 4), 176),
    "twelve_objects": Case(MemorySettings(8, 2, 4), 176),
    "odd_size": Case(MemorySettings(8, 2, 4), 190, (97, 131)),
    "tall_size": Case(MemorySettings(8, 2, 4), 150, (120, 73)),
    "gap_one_distance_two": Case(MemorySettings(8, 1, 2), 176),
}


@pytest.mark.parametrize("name", CASES)
def test_other_settings_are_as_published_too(network: PropagationNetwork, name: str) -> None:
    case = CASES[name]
    frames = np.load(PARITY / "vmos_dev.npz")["frames"][:, : case.size[0], : case.size[1]]
    published = np.load(PARITY / "vmos_cases.npz")
    shares = agreement_with_published_memory(
        network,
        case.memory,
        case.max_long_edge,
        frames,
        published[f"{name}_mask"],
        published[f"{name}_labels"],
    )
    assert min(shares) >= 0.9995
