from __future__ import annotations

import pytest
import torch

from hqtrack.training.losses import bootstrapped_cross_entropy, soft_jaccard_loss


def test_cross_entropy_over_all_pixels_is_the_usual_one() -> None:
    logits, labels = torch.randn(2, 3, 16, 16), torch.randint(0, 3, (2, 16, 16))
    own = bootstrapped_cross_entropy(logits.log_softmax(1), labels, 1.0)
    torch.testing.assert_close(own, torch.nn.functional.cross_entropy(logits, labels))


def test_only_the_hardest_pixels_of_each_image_count() -> None:
    log_probs = torch.full((2, 2, 40, 40), 0.5).log()
    labels = torch.zeros(2, 40, 40, dtype=torch.long)
    log_probs[0, 0, :8] = torch.tensor(0.25).log()  # 320 of 1600 pixels are harder, in the first image alone
    loss = bootstrapped_cross_entropy(log_probs, labels, 0.15)
    expected = (torch.tensor(4.0).log() + torch.tensor(2.0).log()) / 2
    torch.testing.assert_close(loss, expected)


def test_soft_jaccard_is_zero_for_the_truth_and_ignores_absent_objects() -> None:
    truth = torch.zeros(1, 2, 8, 8)
    truth[0, 0, :4] = 1
    present = torch.tensor([[True, False]])
    assert float(soft_jaccard_loss(truth, truth, present)) == 0
    wrong = truth.clone()
    wrong[0, 1] = 1
    assert float(soft_jaccard_loss(wrong, truth, present)) == 0
    assert float(soft_jaccard_loss(1 - truth, truth, present)) == pytest.approx(1 - 1 / 65)
