"""An object that was given in one piece does not take pieces far from its main body."""

import numpy as np
import torch

from hqtrack.propagation.strays import LEAST_GAP, in_one_piece, without_strays
from propagation.test_objects import blocks, new_tracker, scene

FIRST, BESIDE, FAR = 0, 1, 29
"""Blocks of the scene, counted row by row."""


def both(index: int, *places: int) -> tuple[np.ndarray, np.ndarray]:
    """Give a frame with an object at several blocks, and its mask."""
    frames = [scene({index: place}) for place in places]
    image, mask = frames[0]
    for other, more in frames[1:]:
        image, mask = np.where(more.any(0)[..., None], other, image), mask | more
    return image, mask


def logits_of(mask: torch.Tensor) -> torch.Tensor:
    """Give logits (2, h, w) of one object that is where the mask (h, w) is."""
    certain = torch.where(mask, 5.0, -5.0)
    return torch.stack([-certain, certain])


def squares(*corners: int) -> torch.Tensor:
    """Give a mask (100, 100) with squares of 20 pixels in the upper rows."""
    mask = torch.zeros(100, 100).bool()
    for corner in corners:
        mask[:20, corner : corner + 20] = True
    return mask


def found(logits: torch.Tensor) -> torch.Tensor:
    return logits.argmax(0) == 1


def test_a_look_alike_apart_is_not_taken() -> None:
    now, before = squares(0, 60), squares(0)
    assert torch.equal(found(without_strays(logits_of(now), before[None], [True], 0.5)), before)


def test_a_piece_nearby_is_kept() -> None:
    now, before = squares(0, 28), squares(0)
    assert torch.equal(found(without_strays(logits_of(now), before[None], [True], 0.5)), now)


def test_the_main_body_is_where_the_object_was_not_the_larger_piece() -> None:
    now, before = squares(0, 60, 80), squares(0)
    assert torch.equal(found(without_strays(logits_of(now), before[None], [True], 0.5)), before)


def test_an_object_given_in_pieces_keeps_them() -> None:
    now = squares(0, 60)
    logits = logits_of(now)
    assert without_strays(logits, now[None], [False], 0.5) is logits


def test_an_object_that_jumped_keeps_what_was_found() -> None:
    now, before = squares(40, 80), squares(0)
    logits = logits_of(now)
    assert without_strays(logits, before[None], [True], 0.5) is logits


def test_tiny_objects_may_have_small_gaps() -> None:
    before = torch.zeros(1, 50, 50).bool()
    before[0, 10, 10:12] = True
    now = before[0].clone()
    now[10, 11 + LEAST_GAP] = True
    logits = logits_of(now)
    assert without_strays(logits, before, [True], 0.5) is logits


def test_where_an_object_was_may_be_told_on_a_finer_grid() -> None:
    before = squares(0).repeat_interleave(4, 0).repeat_interleave(4, 1)
    now = squares(0, 60)
    assert torch.equal(found(without_strays(logits_of(now), before[None], [True], 0.5)), squares(0))


def test_specks_do_not_make_an_object_one_in_pieces() -> None:
    one = squares(0).repeat_interleave(4, 0).repeat_interleave(4, 1)
    speck = one.clone()
    speck[300:304, 300:304] = True
    two = squares(0, 60).repeat_interleave(4, 0).repeat_interleave(4, 1)
    assert in_one_piece(torch.stack([one, speck, two, one & False])) == [True, True, False, True]


def test_a_tracker_with_a_largest_gap_leaves_a_look_alike_alone() -> None:
    image, _ = both(0, FIRST, FAR)
    for gap, taken in ((None, True), (0.5, False)):
        tracker = new_tracker(largest_gap=gap)
        tracker.initialize(*scene({0: FIRST}))
        mask = blocks(tracker.track(image))[0].ravel()
        assert mask[FIRST]
        assert mask[FAR] == taken


def test_a_correction_in_pieces_lets_an_object_be_in_pieces_from_then_on() -> None:
    image, masks = both(0, FIRST, FAR)
    tracker = new_tracker(largest_gap=0.5)
    tracker.initialize(*scene({0: FIRST}))
    tracker.add_reference(image, masks)
    assert blocks(tracker.track(image))[0].ravel()[[FIRST, FAR]].all()


def test_an_object_that_joins_has_pieces_of_its_own() -> None:
    image, masks = both(1, BESIDE, FAR)
    with_first, _ = scene({0: 12})
    image = np.where((with_first != scene({})[0]).any(-1)[..., None], with_first, image)
    tracker = new_tracker(largest_gap=0.5)
    tracker.initialize(*scene({0: 12}))
    tracker.add_objects(image, masks[-1:])
    assert blocks(tracker.track(image))[1].ravel()[[BESIDE, FAR]].all()
