"""Long-term and local attention equal their plain definitions, and keep no matrix of all scores."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hqtrack.nets.attention import ATTENTION_RADIUS, ATTENTION_WINDOW, attend, attend_locally
from hqtrack.nets.interface import MemoryEntry


def plain_attention(query: Tensor, memory: MemoryEntry) -> Tensor:
    query, key, value = (x.double() for x in (query, *memory))
    return (query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5).softmax(-1) @ value


def plain_local_attention(
    query: Tensor, memory: MemoryEntry, bias: Tensor, grid: tuple[int, int], relative_value: Tensor
) -> Tensor:
    """Attend densely to all places, with those outside the window masked out."""
    places = torch.cartesian_prod(torch.arange(grid[0]), torch.arange(grid[1]))
    step = places[None] - places[:, None] + ATTENTION_RADIUS
    outside = ((step < 0) | (step >= ATTENTION_WINDOW)).any(-1)
    in_window = (step[..., 0] * ATTENTION_WINDOW + step[..., 1]).masked_fill(outside, 0)
    scores = query @ memory.key.transpose(-1, -2) * query.shape[-1] ** -0.5
    scores = scores + bias.gather(-1, in_window.expand(*query.shape[:2], -1, -1))
    weights = scores.masked_fill(outside, -torch.inf).softmax(-1)
    return weights @ memory.value + torch.einsum("bhqk,hcqk->bhqc", weights, relative_value[..., in_window])


class Allocations(TorchDispatchMode):
    """Records how many bytes the largest new tensor has."""

    def __init__(self, *known: Tensor) -> None:
        super().__init__()
        self.known = {tensor.untyped_storage().data_ptr() for tensor in known}
        self.largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.untyped_storage().data_ptr() not in self.known:
                self.largest = max(self.largest, leaf.untyped_storage().nbytes())
        return result


def random_memory(batch: int, heads: int, tokens: int, key_channels: int, value_channels: int) -> MemoryEntry:
    return MemoryEntry(
        torch.randn(batch, heads, tokens, key_channels), torch.randn(batch, heads, tokens, value_channels)
    )


def prefix(store: MemoryEntry, tokens: int) -> MemoryEntry:
    return MemoryEntry(store.key[:, :, :tokens], store.value[:, :, :tokens])


@pytest.mark.parametrize(
    ("batch", "heads", "queries", "tokens", "key_channels", "value_channels"),
    [(1, 1, 700, 5000, 16, 40), (2, 2, 513, 2049, 8, 12), (2, 4, 60, 300, 16, 16), (1, 1, 1, 1, 4, 8)],
)
def test_long_term_attention_is_a_softmax_average_over_the_filled_part_of_a_store(
    batch: int, heads: int, queries: int, tokens: int, key_channels: int, value_channels: int
) -> None:
    torch.manual_seed(0)
    query = 3 * torch.randn(batch, heads, queries, key_channels)
    memory = prefix(random_memory(batch, heads, tokens + 50, key_channels, value_channels), tokens)
    expected = plain_attention(query, memory)
    with torch.inference_mode():
        torch.testing.assert_close(attend(query, memory).double(), expected, rtol=0, atol=2e-5)
    torch.testing.assert_close(attend(query, memory).double(), expected, rtol=0, atol=2e-5)


def test_long_term_attention_survives_scores_that_differ_wildly_between_tiles() -> None:
    torch.manual_seed(0)
    memory = random_memory(1, 1, 6000, 4, 8)
    memory.key[:, :, 4000:4010] *= 300
    query = 10 * torch.randn(1, 1, 20, 4)
    with torch.inference_mode():
        result = attend(query, memory)
    torch.testing.assert_close(result.double(), plain_attention(query, memory), rtol=0, atol=1e-3)


def test_long_term_attention_in_bfloat16_is_close() -> None:
    torch.manual_seed(0)
    query, memory = torch.randn(1, 1, 300, 16), random_memory(1, 1, 3000, 16, 40)
    halved = MemoryEntry(memory.key.bfloat16(), memory.value.bfloat16())
    with torch.inference_mode():
        result = attend(query.bfloat16(), halved)
    assert result.dtype == torch.bfloat16
    torch.testing.assert_close(result.double(), plain_attention(query, memory), rtol=0, atol=0.02)


# In float32 a tile of scores is smaller than a memory of so many values; old processors emulate bfloat16.
@pytest.mark.parametrize(("dtype", "tokens"), [(torch.float32, 30_000), (torch.bfloat16, 3000)])
def test_a_long_term_memory_is_neither_copied_nor_compared_all_at_once(
    dtype: torch.dtype, tokens: int
) -> None:
    queries = 1500
    store = MemoryEntry(*(x.to(dtype) for x in random_memory(2, 1, tokens + 500, 16, 64)))
    query = torch.randn(2, 1, queries, 16).to(dtype)
    with torch.inference_mode(), Allocations(*store, query) as allocations:
        attend(query, prefix(store, tokens))
    one_value_prefix = tokens * 64 * dtype.itemsize
    all_scores = 2 * queries * tokens * dtype.itemsize
    assert allocations.largest < all_scores / 5
    if dtype == torch.float32:
        assert allocations.largest < one_value_prefix


@pytest.mark.parametrize(
    ("batch", "heads", "grid"), [(1, 1, (9, 31)), (2, 4, (20, 17)), (1, 2, (3, 40)), (2, 1, (1, 1))]
)
def test_local_attention_equals_masked_dense_attention(batch: int, heads: int, grid: tuple[int, int]) -> None:
    torch.manual_seed(0)
    tokens = grid[0] * grid[1]
    query = torch.randn(batch, heads, tokens, 8, requires_grad=True)
    memory = random_memory(batch, heads, tokens, 8, 12)
    memory.value.requires_grad_()
    bias = torch.randn(batch, heads, tokens, ATTENTION_WINDOW * ATTENTION_WINDOW, requires_grad=True)
    relative_value = torch.randn(heads, 12, ATTENTION_WINDOW * ATTENTION_WINDOW, requires_grad=True)

    result = attend_locally(query, memory, bias, grid, relative_value)
    expected = plain_local_attention(query, memory, bias, grid, relative_value)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-5)

    inputs = (query, memory.value, bias, relative_value)
    direction = torch.randn_like(result)
    for gradient, expected_gradient in zip(
        torch.autograd.grad(result, inputs, direction),
        torch.autograd.grad(expected, inputs, direction),
        strict=True,
    ):
        torch.testing.assert_close(gradient, expected_gradient, rtol=0, atol=2e-5)


def test_local_attention_needs_no_more_memory_for_scores_on_a_larger_grid() -> None:
    largest = []
    for height in (30, 120):
        grid = (height, 40)
        tokens = height * 40
        query, memory = torch.randn(1, 1, tokens, 8), random_memory(1, 1, tokens, 8, 8)
        bias = torch.zeros(1, 1, tokens, ATTENTION_WINDOW * ATTENTION_WINDOW)
        with torch.inference_mode(), Allocations(query, *memory, bias) as allocations:
            attend_locally(query, memory, bias, grid)
        largest.append(allocations.largest)
    assert largest[1] <= largest[0]
    assert largest[1] < (120 * 40) ** 2 * 4 / 50
