"""The selection rule and the overlap rule, with planted masks."""

import numpy as np
import pytest
import torch
from torch import Tensor

from hqtrack.masks import box_of, iou
from hqtrack.refinement import MaskRefiner
from hqtrack.refinement.prompted_sam import Embedding
from hqtrack.refinement.prompts import Prediction, Prompts
from hqtrack.refinement.selection import (
    boxes_of,
    ious_of,
    outlined_unless_kept,
    select,
    without_overlap,
)


def mask(*columns: int, width: int = 10) -> Tensor:
    """Return a mask (1, width) of some columns."""
    row = torch.zeros(1, width, dtype=torch.bool)
    row[0, list(columns)] = True
    return row


class Planted:
    """Predicts what it is told to."""

    def __init__(self, masks: list[Tensor], quality: list[float]) -> None:
        self.prediction = Prediction(torch.stack(masks), torch.tensor(quality))
        self.boxes: Tensor | None = None

    def encode(self, image: np.ndarray) -> Embedding:
        return Embedding(torch.empty(0), [], image.shape[:2], image.shape[:2])

    def decode(self, embedding: Embedding, prompts: Prompts) -> Prediction:
        self.boxes = prompts.boxes
        return self.prediction


def refined(given: list[Tensor], planted: Planted, **settings):
    image = np.zeros((*given[0].shape, 3), np.uint8)
    return MaskRefiner(planted, **settings).refine(image, torch.stack(given))


def test_boxes_are_tight_and_inclusive_as_for_a_single_mask():
    random = torch.from_numpy(np.random.default_rng(0).random((30, 9, 13)) < 0.03)
    random[:, 4, 5] = True
    corner, border, whole = torch.zeros(3, 9, 13, dtype=torch.bool)
    corner[8, 12] = True
    border[0, :] = True
    whole[:] = True
    masks = torch.cat([random, torch.stack([corner, border, whole])])
    assert boxes_of(masks).tolist() == [list(box_of(one)) for one in masks.numpy()]


def test_iou_is_that_of_two_single_masks():
    random = torch.from_numpy(np.random.default_rng(1).random((2, 20, 6, 7)) < 0.5)
    first, second = torch.cat([random, torch.zeros(2, 1, 6, 7, dtype=torch.bool)], dim=1)
    expected = [iou(a, b) for a, b in zip(first.numpy(), second.numpy(), strict=True)]
    assert ious_of(first, second) == expected
    assert expected[-1] == 0


@pytest.mark.parametrize(
    ("tau", "kept"),
    [(0.0, [True, False, True]), (0.1, [False, False, True]), (1.0, [False, False, False])],
)
def test_a_refined_mask_is_kept_only_where_its_iou_exceeds_tau(tau: float, kept: list[bool]):
    propagated = torch.stack([mask(0, 1, 2, 3, 4), mask(0, 1), mask(0, 1, 2)])
    # IoU 1/10 (not above 0.1), no overlap at all, and the very same mask
    candidates = torch.stack([mask(4, 5, 6, 7, 8, 9), mask(2, 3), mask(0, 1, 2)])
    selection = select(propagated, candidates, tau)
    assert selection.ious == [0.1, 0.0, 1.0]
    assert selection.kept == kept
    for index, keep in enumerate(kept):
        assert torch.equal(selection.masks[index], (candidates if keep else propagated)[index])


def test_an_empty_refined_mask_is_not_kept_even_with_tau_0():
    selection = select(mask(3)[None], mask()[None], 0.0)
    assert selection.kept == [False]
    assert torch.equal(selection.masks[0], mask(3))


def test_the_lower_index_owns_contested_pixels():
    masks, _ = refined([mask(0, 1), mask(3, 4)], Planted([mask(0, 1, 2, 3), mask(2, 3, 4)], [0.1, 0.9]))
    assert torch.equal(masks, torch.stack([mask(0, 1, 2, 3), mask(4)]))


def test_the_lower_index_also_wins_over_a_mask_that_was_not_refined():
    planted = Planted([mask(0, 1, 2, 3), mask(9)], [0.5, 0.5])
    masks, report = refined([mask(0, 1), mask(3, 4)], planted)
    assert [one.kept for one in report.objects] == [True, False]
    assert torch.equal(masks, torch.stack([mask(0, 1, 2, 3), mask(4)]))


def test_overlap_leaves_disjoint_masks_of_the_same_union():
    masks = torch.from_numpy(np.random.default_rng(2).random((5, 8, 9)) < 0.5)
    disjoint = without_overlap(masks)
    assert int(disjoint.sum(0).max()) == 1
    assert torch.equal(disjoint.any(0), masks.any(0))
    assert torch.equal(disjoint[0], masks[0])


def test_objects_that_are_not_visible_keep_their_place():
    planted = Planted([mask(5, 6, 7)], [0.8])
    masks, report = refined([mask(), mask(5, 6), mask()], planted)
    assert planted.boxes is not None
    assert planted.boxes.tolist() == [[5, 0, 6, 0]]
    assert torch.equal(masks, torch.stack([mask(), mask(5, 6, 7), mask()]))
    assert [one.object for one in report.objects] == [1, 2, 3]
    assert [one.visible for one in report.objects] == [False, True, False]
    assert report.objects[1].iou == pytest.approx(2 / 3)
    assert report.objects[1].quality == pytest.approx(0.8)


def test_an_object_upon_a_larger_one_keeps_the_pixels_that_it_had_and_still_claims() -> None:
    before = torch.zeros(2, 6, 6, dtype=torch.bool)
    before[1, 2:4, 2:4] = True
    before[0] = ~before[1]
    claimed = torch.stack([torch.ones(6, 6, dtype=torch.bool), before[1]])
    assert not without_overlap(claimed)[1].any()
    torch.testing.assert_close(without_overlap(claimed, before), before)
    claimed[1, 2, 2] = False  # what it gives up is the other's
    kept = without_overlap(claimed, before)
    assert (int(kept[1].sum()), bool(kept[0, 2, 2])) == (3, True)


def test_what_was_not_refined_is_shown_with_its_better_outline_but_takes_nothing_from_what_was() -> None:
    refined = torch.tensor([[[1, 1, 0, 0, 0]], [[0, 0, 1, 0, 0]]]).bool()
    outlined = torch.tensor([[[1, 0, 0, 0, 0]], [[0, 1, 1, 1, 0]]]).bool()
    shown = outlined_unless_kept(refined, [True, False], outlined)
    assert shown.int().tolist() == [[[1, 1, 0, 0, 0]], [[0, 0, 1, 1, 0]]]


def test_what_the_better_outline_leaves_nothing_of_is_not_shown_and_takes_nothing() -> None:
    refined = torch.tensor([[[1, 1, 0]], [[0, 0, 1]]]).bool()
    outlined = torch.tensor([[[0, 0, 0]], [[0, 1, 1]]]).bool()
    assert outlined_unless_kept(refined, [True, False], outlined).int().tolist() == [[[0, 0, 0]], [[0, 1, 1]]]
