"""A long video costs no more than a short one."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from hqtrack import HQTrack, nets
from hqtrack.cards import Card, MemorySettings, Weights

pytestmark = pytest.mark.slow


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="resident memory is read from Linux's /proc"
)
def test_resident_memory_is_flat_over_300_frames_once_the_slots_are_full() -> None:
    torch.manual_seed(0)
    card = Card(
        name="soak",
        title="",
        network="vmos_light",
        weights=Weights(name="soak", file="soak.safetensors", origin="embedded"),
        memory=MemorySettings(long_term_slots=8, long_term_gap=1, short_term_distance=4),
        max_long_edge=64,
    )
    tracker = HQTrack(card, nets.build("vmos_light"), device="cpu")
    frames = np.random.default_rng(0).integers(0, 256, (40, 48, 64, 3)).astype(np.uint8)
    masks = np.zeros((2, 48, 64), bool)
    masks[0, 8:24, 8:24] = masks[1, 24:40, 32:56] = True
    tracker.initialize(frames[0], masks)
    resident = []
    for number in range(1, 301):
        tracker.track(frames[number % len(frames)])
        if number % 50 == 0:
            resident.append(resident_bytes())
    # One leaked entry per frame, each of which is written, would be 200 x 70 KB.
    assert max(resident[2:]) - resident[1] < 2.2e6
