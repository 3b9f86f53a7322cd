"""What does not fit into a device's memory: the message names the device, the system, and what may fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hqtrack import HQTrack
from hqtrack.engines.capacity import smaller_cards
from hqtrack.errors import DeviceMemoryError, HQTrackError, message_of
from hqtrack.images import Image
from hqtrack.masks import LabelMap
from hqtrack.propagation import Found
from hqtrack.zoo import load_card

FRAME = np.zeros((20, 30, 3), np.uint8)
MASKS = np.zeros((2, 20, 30), bool)
MASKS[0, 2:8, 3:9] = MASKS[1, 10:18, 15:25] = True


class TooLarge:
    """An engine whose second frame does not fit, as PyTorch reports it of a GPU."""

    count = 0

    def add(self, image: Image, labels: LabelMap, count: int) -> None:
        self.count += count

    def find(self, image: Image) -> Found:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has …")


def test_a_gpu_that_is_too_small_is_told_with_what_may_fit() -> None:
    tracker = HQTrack(load_card("sam2.1-large"), TooLarge, device="cpu", precision="float32")  # type: ignore[arg-type]
    tracker.initialize(FRAME, MASKS)
    with pytest.raises(DeviceMemoryError) as caught:
        tracker.track(FRAME)
    line = message_of(caught.value)
    assert line == (
        "there is not enough memory on cpu for sam2.1-large (224.4 M parameters) with 2 objects; try fewer "
        "objects at a time, or a smaller card (sam2.1-base-plus, sam2.1-small, sam2.1-tiny)"
    )
    assert isinstance(caught.value, HQTrackError)


def test_objects_that_do_not_fit_are_counted_while_they_join(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: tried to allocate 25165824 bytes.")

    tracker = HQTrack(load_card("sam2.1-large"), TooLarge, device="cpu", precision="float32")  # type: ignore[arg-type]
    tracker.initialize(FRAME, MASKS[:1])
    monkeypatch.setattr(TooLarge, "add", fail)
    monkeypatch.setattr(TooLarge, "is_at", lambda *_: True, raising=False)
    with pytest.raises(DeviceMemoryError, match="with 2 objects; try fewer objects at a time"):
        tracker.add_objects(FRAME, MASKS[1:])
    assert tracker.object_count == 1
    with pytest.raises(DeviceMemoryError, match="with 2 objects; try fewer objects at a time"):
        tracker.initialize(FRAME, MASKS)


def test_too_little_memory_for_a_checkpoint_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("Cannot allocate memory (os error 12)")

    (tmp_path / "small.safetensors").touch()
    monkeypatch.setattr("hqtrack.zoo.checkpoints.load_file", fail)
    with pytest.raises(DeviceMemoryError, match=r"for vmos-light \(.* M parameters\)"):
        HQTrack.from_card("vmos-light", weights=tmp_path / "small.safetensors", device="cpu")


def test_networks_that_do_not_fit_are_told_while_they_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("hqtrack.tracker.load_engine", fail)
    with pytest.raises(
        DeviceMemoryError, match=r"for hqtrack \(.* M parameters\); try a smaller --max-long-edge"
    ):
        HQTrack.from_card("hqtrack", device="cpu")


def test_other_faults_of_an_engine_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TooLarge, "find", lambda self, image: [][0])
    tracker = HQTrack(load_card("sam2.1-large"), TooLarge, device="cpu")  # type: ignore[arg-type]
    tracker.initialize(FRAME, MASKS)
    with pytest.raises(IndexError):
        tracker.track(FRAME)


def test_smaller_cards_are_first_of_the_same_engine() -> None:
    names = smaller_cards(load_card("cutie-base"))
    assert names[0] == "cutie-small"
    assert "vmos-light" in names
    assert "sam2.1-large" not in names
    assert "vmos-r50" not in names  # to be trained
