"""An object that was given in one piece does not take pieces far from its main body."""

import numpy as np
import pytest
import torch

from hqtrack.propagation.rules.one_piece import LEAST_GAP_CELLS, SIZE_KEPT, OnePiece
from propagation.colour_scene import blocks, new_tracker, scene

FIRST, BESIDE, FAR = 0, 1, 29
"""Blocks of the scene, counted row by row."""


def both(index: int, *places: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a frame with an object at several blocks, and its mask."""
    frames = [scene({index: place}) for place in places]
    image, mask = frames[0]
    for other, more in frames[1:]:
        image, mask = np.where(more.any(0)[..., None], other, image), mask | more
    return image, mask


def logits_of(mask: torch.Tensor) -> torch.Tensor:
    """Return logits (2, h, w) of one object that is where the mask (h, w) is."""
    certain = torch.where(mask, 5.0, -5.0)
    return torch.stack([-certain, certain])


def squares(*corners: int) -> torch.Tensor:
    """Return a mask (100, 100) with squares of 20 pixels in the upper rows."""
    mask = torch.zeros(100, 100).bool()
    for corner in corners:
        mask[:20, corner : corner + 20] = True
    return mask


def fine(mask: torch.Tensor) -> torch.Tensor:
    """Return a mask (h, w) at the size of the network's input, four times that of its logits."""
    return mask.repeat_interleave(4, 0).repeat_interleave(4, 1)


def kept(now: torch.Tensor, before: torch.Tensor, given: torch.Tensor | None = None) -> torch.Tensor:
    """Return what an object keeps of a mask (h, w), and where it was before and as it was given."""
    rule = OnePiece(0.5)
    rule.refer(fine(before if given is None else given)[None])
    rule.see(fine(before)[None])
    return rule.judge(logits_of(now)).argmax(0) == 1


def test_a_look_alike_apart_is_not_taken() -> None:
    assert torch.equal(kept(squares(0, 60), before=squares(0)), squares(0))


def test_a_piece_nearby_is_kept() -> None:
    now = squares(0, 28)
    assert torch.equal(kept(now, before=squares(0)), now)


def test_the_main_body_is_where_the_object_was_not_the_larger_piece() -> None:
    assert torch.equal(kept(squares(0, 60, 80), before=squares(0)), squares(0))


def test_an_object_given_in_pieces_keeps_them() -> None:
    now = squares(0, 60)
    assert torch.equal(kept(now, before=squares(0), given=now), now)


def test_specks_do_not_make_an_object_one_in_pieces() -> None:
    given = squares(0)
    given[70, 70] = True
    assert torch.equal(kept(squares(0, 60), before=squares(0), given=given), squares(0))


def test_an_object_that_jumped_keeps_what_was_found() -> None:
    now = squares(40, 80)
    assert torch.equal(kept(now, before=squares(0)), now)


def test_both_ends_of_an_object_behind_a_post_are_kept() -> None:
    before, now = squares(0, 20, 40), squares(0, 40)
    assert torch.equal(kept(now, before=before), now)


def test_a_size_is_forgotten_slowly() -> None:
    rule = OnePiece(0.5)
    large, small, now = squares(0, 20, 40, 60), squares(0), logits_of(squares(0, 60))
    rule.refer(fine(large)[None])
    assert rule.judge(now) is now  # half of what it was: something hides the middle
    rule.see(fine(small)[None])
    frames = 0
    while rule.judge(now) is now:
        frames += 1
    assert 4 * 0.9 * SIZE_KEPT**frames == pytest.approx(2, rel=0.1)


def test_tiny_objects_may_have_small_gaps() -> None:
    before = torch.zeros(50, 50).bool()
    before[10, 10:12] = True
    now = before.clone()
    now[10, 11 + LEAST_GAP_CELLS] = True
    assert torch.equal(kept(now, before=before), now)


def test_a_tracker_with_a_largest_gap_leaves_a_look_alike_alone() -> None:
    image, _ = both(0, FIRST, FAR)
    for gap, taken in ((None, True), (0.5, False)):
        tracker = new_tracker(rules={"largest_gap": gap})
        tracker.initialize(*scene({0: FIRST}))
        mask = blocks(tracker.track(image))[0].ravel()
        assert mask[FIRST]
        assert mask[FAR] == taken


def test_a_correction_in_pieces_lets_an_object_be_in_pieces_from_then_on() -> None:
    image, masks = both(0, FIRST, FAR)
    tracker = new_tracker(rules={"largest_gap": 0.5})
    tracker.initialize(*scene({0: FIRST}))
    tracker.add_reference(image, masks)
    assert blocks(tracker.track(image))[0].ravel()[[FIRST, FAR]].all()


def test_an_object_that_joins_has_pieces_of_its_own() -> None:
    image, masks = both(1, BESIDE, FAR)
    with_first, _ = scene({0: 12})
    image = np.where((with_first != scene({})[0]).any(-1)[..., None], with_first, image)
    tracker = new_tracker(rules={"largest_gap": 0.5})
    tracker.initialize(*scene({0: 12}))
    tracker.add_objects(image, masks[-1:])
    assert blocks(tracker.track(image))[1].ravel()[[BESIDE, FAR]].all()
