"""Which frames distractor-aware memory keeps, of constructed hypotheses, and SAM 2.1 with it."""

from __future__ import annotations

import numpy as np
import pytest

from hqtrack.engines.distractors import Hypotheses, KeptFrames, reaches_beyond

SHAPE = (40, 60)


def block(top: int, left: int, side: int = 10) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[top : top + side, left : left + side] = True
    return mask


TARGET, LOOK_ALIKE, NOTHING = block(5, 5), block(20, 40, 15), np.zeros(SHAPE, bool)


def plain(area_of: np.ndarray = TARGET, quality: float = 0.9, present: bool = True) -> Hypotheses:
    """All hypotheses are the same mask."""
    return Hypotheses(np.stack([area_of] * 3), 1, quality, present)


def divided(quality: float = 0.9) -> Hypotheses:
    """One hypothesis is another thing than the chosen one."""
    return Hypotheses(np.stack([TARGET, TARGET | LOOK_ALIKE, TARGET]), 0, quality, True)


def new() -> KeptFrames:
    return KeptFrames(0, int(TARGET.sum()))


def test_recent_frames_are_the_last_one_and_some_at_intervals() -> None:
    frames = new()
    kept = {}
    for number in range(1, 18):
        frames.see(number, plain())
        kept[number] = frames.recent
    assert kept[1] == [1]
    assert kept[4] == [4]
    assert kept[5] == [5]
    assert kept[7] == [7, 5]
    assert kept[10] == [10, 5]
    assert kept[17] == [17, 15, 10]


def test_frames_without_the_object_are_not_kept() -> None:
    frames = new()
    for number in range(1, 8):
        frames.see(number, plain())
    for number in range(8, 20):
        frames.see(number, plain(present=False) if number % 2 else plain(NOTHING))
    assert frames.recent == [7, 5]
    frames.see(20, plain())
    assert frames.recent == [20, 5]


def test_without_look_alikes_there_are_no_anchors() -> None:
    frames = new()
    for number in range(1, 40):
        frames.see(number, plain())
    assert frames.anchors == []


def test_a_hypothesis_that_reaches_for_a_look_alike_makes_an_anchor() -> None:
    frames = new()
    for number in range(1, 8):
        frames.see(number, plain())
    frames.see(8, divided())
    assert frames.anchors == [8]


def test_anchors_are_apart_and_the_oldest_goes_first() -> None:
    frames = new()
    for number in range(1, 27):
        frames.see(number, divided())
    assert frames.anchors == [15, 20, 25]


@pytest.mark.parametrize(
    "unreliable",
    [
        divided(quality=0.7),
        Hypotheses(np.stack([block(5, 5, 14), TARGET | LOOK_ALIKE]), 0, 0.9, True),  # twice as large
        Hypotheses(np.stack([TARGET, TARGET | LOOK_ALIKE]), 0, 0.9, False),
    ],
    ids=["low quality", "another size", "absent"],
)
def test_an_unreliable_mask_makes_no_anchor(unreliable: Hypotheses) -> None:
    frames = new()
    for number in range(1, 8):
        frames.see(number, plain())
    frames.see(8, unreliable)
    assert frames.anchors == []


def test_a_given_mask_starts_the_intervals_anew() -> None:
    frames = new()
    frames.see(5, divided())
    frames.give(6, int(TARGET.sum()))
    for number in range(7, 11):
        frames.see(number, divided())
    assert frames.anchors == [5]
    frames.see(11, divided())
    assert frames.anchors == [5, 11]


def test_a_hypothesis_reaches_beyond_by_its_main_piece() -> None:
    assert reaches_beyond(TARGET, LOOK_ALIKE)
    assert not reaches_beyond(TARGET, TARGET)
    assert not reaches_beyond(TARGET, NOTHING)
    assert not reaches_beyond(TARGET, block(5, 6))  # nearly the same
    assert not reaches_beyond(TARGET, TARGET | block(30, 50, 3))  # a small piece far away
    assert not reaches_beyond(block(5, 5, 30), TARGET)  # a part of the object
