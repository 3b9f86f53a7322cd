"""The forms of a tracked frame's masks."""

from fractions import Fraction

import numpy as np
import pytest

from hqtrack.masks import label_map, rle_encode
from hqtrack.video import tracked_frame as module
from hqtrack.video.sources import Frame
from hqtrack.video.tracked_frame import TrackedFrame


def test_every_form_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    masks = np.zeros((2, 4, 6), bool)
    masks[0, 1:3, 2:5] = True
    made: list[str] = []

    def label_maps(given: object) -> object:
        made.append("labels")
        return label_map(given)  # type: ignore[arg-type]

    def run_lengths(given: object) -> object:
        made.append("run lengths")
        return rle_encode(given)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "label_map", label_maps)
    monkeypatch.setattr(module, "rle_encode", run_lengths)
    tracked = TrackedFrame(Frame(np.zeros((4, 6, 3), np.uint8), 0, Fraction(0), "0"), masks)
    for _ in range(2):
        np.testing.assert_array_equal(tracked.labels, masks[0])
        assert tracked.boxes == [(2, 1, 3, 2, 6), None]
        assert tracked.run_lengths == [rle_encode(mask) for mask in masks]
    assert made == ["labels", "run lengths", "run lengths"]
    known = TrackedFrame(tracked.frame, masks, tracked.run_lengths)
    assert known.run_lengths is tracked.run_lengths
    assert len(made) == 3
