"""What is shown and what is remembered of a frame in which objects were found."""

import numpy as np
import pytest
import torch
from torch import Tensor

from hqtrack.images import Image
from hqtrack.refinement import ObjectRefinement, RefinementPolicy, RefinementReport

IMAGE = np.zeros((1, 6, 3), np.uint8)
LABELS = torch.tensor([[1, 1, 0, 2, 0, 0]], dtype=torch.uint8)
OUTLINED = torch.tensor([[1, 0, 0, 2, 2, 0]], dtype=torch.uint8)


class Widening:
    """Refines the first object to three pixels, and keeps the second one's propagated mask."""

    def refine(self, image: Image, masks: Tensor) -> tuple[Tensor, RefinementReport]:
        refined = masks.clone()
        refined[0, 0, :3] = True
        kept = ObjectRefinement(1, 0.67, 0.9, kept=True), ObjectRefinement(2, 0.1, 0.5, kept=False)
        return refined, RefinementReport(0.5, kept)


def policy(*, remembered: bool) -> RefinementPolicy:
    return RefinementPolicy(Widening(), remembered=remembered)  # type: ignore[arg-type]


@pytest.mark.parametrize("outlined", [None, OUTLINED])
def test_without_a_refiner_what_was_found_is_remembered_and_its_best_outline_shown(
    outlined: Tensor | None,
) -> None:
    answer = RefinementPolicy(None, remembered=False).answer(IMAGE, LABELS, outlined, 2)
    assert answer.remembered is LABELS
    assert answer.shown is (LABELS if outlined is None else outlined)
    assert answer.report is None


def test_a_refined_mask_is_shown_and_a_refused_one_leaves_the_guided_outline() -> None:
    answer = policy(remembered=False).answer(IMAGE, LABELS, OUTLINED, 2)
    assert answer.shown.tolist() == [[1, 1, 1, 2, 2, 0]]
    assert answer.remembered is LABELS
    assert answer.report is not None
    assert [one.kept for one in answer.report.objects] == [True, False]


def test_refined_masks_are_remembered_without_guided_outlines_where_the_card_says_so() -> None:
    answer = policy(remembered=True).answer(IMAGE, LABELS, OUTLINED, 2)
    assert answer.remembered.tolist() == [[1, 1, 1, 2, 0, 0]]
    assert policy(remembered=True).answer(IMAGE, LABELS, None, 2).shown.tolist() == [[1, 1, 1, 2, 0, 0]]
