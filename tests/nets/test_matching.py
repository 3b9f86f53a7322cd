"""Matching: what the fast ways give is what a softmax over all scores gives."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hqtrack.nets.matching import MATCH_RADIUS, match_all, match_windows

SCALE, NO_MATCH = torch.tensor(11.0), torch.tensor(6.0)


def unit(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)


def plain(
    query: Tensor, key: Tensor, value: Tensor, *, no_match: Tensor, bias: Tensor | None = None
) -> Tensor:
    """Softmax with a further score whose value is zero, as it is written."""
    scores = SCALE * query @ key.transpose(1, 2)
    if bias is not None:
        scores = scores + bias
    absent = no_match.to(scores.dtype).expand(*scores.shape[:-1], 1)
    return torch.cat([scores, absent], -1).softmax(-1)[..., :-1] @ value


def window_bias(grid: tuple[int, int], prior: Tensor) -> Tensor:
    rows, columns = torch.meshgrid(*(torch.arange(side) for side in grid), indexing="ij")
    places = torch.stack([rows.flatten(), columns.flatten()])
    dy, dx = places[:, None, :] - places[:, :, None]
    inside = (dy.abs() <= MATCH_RADIUS) & (dx.abs() <= MATCH_RADIUS)
    rows, columns = ((d + MATCH_RADIUS).clamp(0, 2 * MATCH_RADIUS) for d in (dy, dx))
    return prior[rows, columns].masked_fill(~inside, -torch.inf)


@pytest.mark.parametrize("tokens", [1, 300, 513])
def test_matching_all_is_a_softmax_with_one_more_score(tokens: int) -> None:
    query, key, value = unit(2, tokens, 16, seed=0), unit(2, 77, 16, seed=1), unit(2, 77, 5, seed=2)
    matched, alone = match_all(query, key, value, scale=SCALE.double(), no_match=NO_MATCH.double())
    torch.testing.assert_close(matched, plain(query, key, value, no_match=NO_MATCH))
    assert alone is None


def test_first_tokens_are_also_matched_alone() -> None:
    query, key, value = unit(1, 40, 16, seed=0), unit(1, 77, 16, seed=1), unit(1, 77, 5, seed=2)
    bar = torch.tensor(4.0, dtype=torch.float64)
    _, alone = match_all(
        query, key, value, scale=SCALE, no_match=NO_MATCH, first=30, first_no_match=bar, first_from=2
    )
    expected = plain(query, key[:, :30], value[:, :30, 2:], no_match=bar)
    torch.testing.assert_close(alone, expected)


@pytest.mark.parametrize("grid", [(1, 1), (8, 8), (5, 30), (19, 23), (16, 9)])
def test_matching_windows_is_a_softmax_over_the_window(grid: tuple[int, int]) -> None:
    tokens = grid[0] * grid[1]
    query, key, value = (unit(2, tokens, size, seed=size) for size in (16, 16, 5))
    value = value.contiguous()
    key = unit(2, tokens, 16, seed=9)
    prior = torch.randn(15, 15, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = match_windows(query, key, value, grid, prior=prior, scale=SCALE, no_match=NO_MATCH)
    expected = plain(query, key, value, no_match=NO_MATCH, bias=window_bias(grid, prior))
    torch.testing.assert_close(found, expected)


def test_gradients_are_those_of_the_softmax() -> None:
    grid = (9, 10)
    query, key, value = unit(1, 90, 8, seed=0), unit(1, 90, 8, seed=1), unit(1, 90, 3, seed=2)
    prior = torch.zeros(15, 15, dtype=torch.float64)
    leaves = [tensor.requires_grad_() for tensor in (query, key, value, prior)]
    fast = match_windows(*leaves[:3], grid, prior=prior, scale=SCALE, no_match=NO_MATCH)
    fast = fast + match_all(*leaves[:3], scale=SCALE, no_match=NO_MATCH)[0]
    slow = plain(*leaves[:3], no_match=NO_MATCH, bias=window_bias(grid, prior))
    slow = slow + plain(*leaves[:3], no_match=NO_MATCH)
    weights = torch.linspace(-1, 1, fast.numel(), dtype=torch.float64).view_as(fast)
    expected = torch.autograd.grad((slow * weights).sum(), leaves)
    for gradient, other in zip(torch.autograd.grad((fast * weights).sum(), leaves), expected, strict=True):
        torch.testing.assert_close(gradient, other)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_types_lose_only_their_own_precision(dtype: torch.dtype) -> None:
    query, key, value = unit(1, 90, 64, seed=0), unit(1, 90, 64, seed=1), unit(1, 90, 3, seed=2)
    prior = torch.zeros(15, 15, dtype=torch.float64)
    scale = torch.tensor(math.e**3, dtype=torch.float64)  # its powers would overflow float16
    exact = match_windows(query, key, value, (9, 10), prior=prior, scale=scale, no_match=NO_MATCH.double())
    narrow = [tensor.to(dtype) for tensor in (query, key, value)]
    found = match_windows(*narrow, (9, 10), prior=prior, scale=scale, no_match=NO_MATCH)
    assert found.dtype == dtype
    assert float((found - exact).abs().max()) < 0.05 * float(exact.abs().max())
