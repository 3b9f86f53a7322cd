"""How the logits of several groups become one label map."""

import torch

from hqtrack.propagation.groups import merge


def published_soft_aggregation(groups: list[torch.Tensor]) -> torch.Tensor:
    """Return AOT's merged logits: the product of backgrounds beside all objects, clamped."""
    probabilities = [logits.softmax(0) for logits in groups]
    background = torch.stack([p[0] for p in probabilities]).prod(0, keepdim=True)
    merged = torch.cat([background, *(p[1:] for p in probabilities)])
    return torch.logit(merged.clamp(1e-5, 1 - 1e-5))


def test_one_group_keeps_its_most_likely_label() -> None:
    logits = torch.randn(4, 30, 40, generator=torch.Generator().manual_seed(0))
    assert (merge([logits], (30, 40), align_corners=False) == logits.argmax(0)).all()


def test_groups_merge_as_published() -> None:
    generator = torch.Generator().manual_seed(0)
    for sizes in ((10, 2), (1, 1, 1, 1), (10, 10, 10, 5)):
        groups = [3 * torch.randn(size + 1, 60, 80, generator=generator) for size in sizes]
        labels = merge(groups, (60, 80), align_corners=True)
        assert labels.dtype == torch.uint8
        assert (labels == published_soft_aggregation(groups).argmax(0)).all()
        assert set(labels.unique().tolist()) >= set(range(1, sum(sizes) + 1))


def test_equally_certain_objects_go_to_the_earlier_group() -> None:
    certain = torch.tensor([-50.0, 50.0]).view(2, 1, 1)
    assert merge([certain, certain], (1, 1), align_corners=False).item() == 1


def test_labels_reach_255() -> None:
    groups = [torch.zeros(11, 1, 1) for _ in range(25)] + [torch.zeros(6, 1, 1)]
    groups[-1][5] = 9.0
    assert merge(groups, (1, 1), align_corners=False).item() == 255
