"""Two random frames with masks of three objects."""

import torch
from torch import Tensor, nn

SIZE = (81, 113)


def example(batch: int = 1, size: tuple[int, int] = SIZE, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Two images and the one-hot masks of three objects in the first."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(2, batch, 3, *size, generator=generator)
    labels = torch.randint(4, (batch, 1, size[0] // 16 + 1, size[1] // 16 + 1), generator=generator)
    labels = nn.functional.interpolate(labels.float(), size=size)
    one_hot = (labels == torch.arange(11).view(1, -1, 1, 1)).float()
    return images[0], images[1], one_hot
