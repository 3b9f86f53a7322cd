"""Tracking during training."""

import pytest
import torch

from hqtrack.training import validation
from training.tiny import fresh


@pytest.mark.parametrize("slots", [0, 1, 3])
def test_the_oldest_entries_give_way_and_the_reference_stays(
    slots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[object]] = []
    join = validation.join

    def noted(entries: list[object]) -> object:
        seen.append(list(entries))
        return join(entries)  # type: ignore[arg-type]

    monkeypatch.setattr(validation, "join", noted)
    frames = torch.randint(0, 256, (7, 3, 64, 64), dtype=torch.uint8)
    first = torch.zeros(64, 64, dtype=torch.uint8)
    first[16:40, 16:40] = 1
    validation.track(fresh().eval(), frames, first, gap=1, slots=slots)
    assert [len(entries) for entries in seen] == [1 + min(number, slots) for number in range(6)]
    assert all(entries[0] is seen[0][0] for entries in seen)
