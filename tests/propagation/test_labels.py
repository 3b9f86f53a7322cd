"""Labels of resized logits: the fast way gives those of the plain way."""

import pytest
import torch
from torch import Tensor

from hqtrack.propagation.labels import most_likely, most_likely_at, resize_logits


def blobs(channels: int, height: int, width: int) -> Tensor:
    """Logits of some round objects, background first, with a little noise."""
    generator = torch.Generator().manual_seed(0)
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    logits = torch.randn(channels, height, width, generator=generator) / 50
    for index in range(1, channels):
        y, x = torch.rand(2, generator=generator) * torch.tensor([height, width])
        logits[index] += 3 - 0.2 * ((rows - y) ** 2 + (columns - x) ** 2) / (1 + index)
    return logits


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(120, 160), (119, 163), (22, 31), (30, 40), (1, 1)])
@pytest.mark.parametrize("channels", [2, 11])
def test_labels_are_those_of_the_resized_logits(
    channels: int, size: tuple[int, int], align_corners: bool
) -> None:
    logits = blobs(channels, 30, 40)
    labels = most_likely_at(logits, size, align_corners=align_corners)
    expected = resize_logits(logits, size, align_corners=align_corners).argmax(0)
    assert labels.dtype == torch.uint8
    assert torch.equal(labels.long(), expected)


@pytest.mark.parametrize("align_corners", [False, True])
def test_labels_of_noise_are_right_too(align_corners: bool) -> None:
    logits = torch.randn(5, 30, 40, generator=torch.Generator().manual_seed(0))
    labels = most_likely_at(logits, (121, 159), align_corners=align_corners)
    expected = resize_logits(logits, (121, 159), align_corners=align_corners).argmax(0)
    assert torch.equal(labels.long(), expected)


def test_a_single_place_fills_the_frame() -> None:
    logits = torch.tensor([0.0, 1.0]).view(2, 1, 1)
    assert (most_likely_at(logits, (7, 9), align_corners=True) == 1).all()


def test_the_first_of_equals_wins() -> None:
    assert most_likely(torch.zeros(3, 2, 2)).eq(0).all()
