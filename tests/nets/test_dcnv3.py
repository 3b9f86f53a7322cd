"""The deformable operator: published numbers, a plain definition, gradients, types and sizes."""

import math
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hqtrack.nets.dcnv3 import DCNv3, Kernel, dcnv3
from hqtrack.nets.dcnv3 import in_pytorch as module

PARITY = Path(__file__).parents[1] / "data" / "parity"


def operands(
    height: int, width: int, channels: int, groups: int, window: Kernel, *, batch: int = 1, reach: float = 2.0
) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(height * 100 + width)
    out = (batch, window.output_side(height), window.output_side(width))
    samples = groups * window.kernel_size**2
    value = torch.randn(batch, height, width, channels, generator=generator)
    offset = torch.randn(*out, samples * 2, generator=generator) * reach
    return value, offset, torch.rand(*out, samples, generator=generator)


def by_definition(value: Tensor, offset: Tensor, mask: Tensor, groups: int, window: Kernel) -> Tensor:
    """Go through places, groups, points and corners one by one."""
    _, height, width, channels = value.shape
    size, each = window.kernel_size, channels // groups
    result = torch.zeros(*offset.shape[:3], channels)
    shifts = offset.reshape(*offset.shape[:3], groups, size * size, 2).tolist()
    modulation = mask.reshape(*offset.shape[:3], groups, size * size).tolist()
    half = window.dilation * (size - 1) // 2
    for b, i, j, g, p in np.ndindex(*offset.shape[:3], groups, size * size):
        shift_x, shift_y = shifts[b][i][j][g][p]
        point_x, point_y = p // size * window.dilation - half, p % size * window.dilation - half
        x = j * window.stride + half - window.padding + (point_x + shift_x) * window.offset_scale
        y = i * window.stride + half - window.padding + (point_y + shift_y) * window.offset_scale
        own = slice(g * each, (g + 1) * each)
        for row in (math.floor(y), math.floor(y) + 1):
            for column in (math.floor(x), math.floor(x) + 1):
                if 0 <= row < height and 0 <= column < width:
                    weight = (1 - abs(x - column)) * (1 - abs(y - row)) * modulation[b][i][j][g][p]
                    result[b, i, j, own] += weight * value[b, row, column, own]
    return result


def test_the_operator_gives_the_published_numbers() -> None:
    recorded = np.load(PARITY / "vmos_dev.npz")
    given = [torch.from_numpy(recorded[name]) for name in ("dcn_in", "dcn_offset", "dcn_mask")]
    result = dcnv3(*given, groups=4)
    torch.testing.assert_close(result, torch.from_numpy(recorded["dcn_out"]), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "window",
    [
        Kernel(),
        Kernel(kernel_size=5, padding=2),
        Kernel(stride=2, offset_scale=2.0),
        Kernel(padding=2, dilation=2, offset_scale=0.5),
        Kernel(padding=0),
        Kernel(kernel_size=1, padding=0),
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [(5, 6), (7, 5)], ids=str)
def test_the_operator_equals_its_definition(window: Kernel, size: tuple[int, int]) -> None:
    given = operands(*size, 6, 2, window, batch=2)
    torch.testing.assert_close(
        dcnv3(*given, 2, window), by_definition(*given, 2, window), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (8, 1), (13, 10)], ids=str)
def test_any_size_is_accepted(size: tuple[int, int]) -> None:
    window = Kernel()
    given = operands(*size, 4, 2, window)
    torch.testing.assert_close(
        dcnv3(*given, 2, window), by_definition(*given, 2, window), rtol=1e-4, atol=1e-5
    )


def test_what_lies_far_outside_is_zero() -> None:
    value, offset, mask = operands(4, 5, 4, 1, Kernel())
    assert dcnv3(value, torch.full_like(offset, 1e9), mask, 1).eq(0).all()
    assert dcnv3(value, torch.full_like(offset, -math.inf), mask, 1).eq(0).all()


def test_an_offset_that_is_not_a_number_spoils_only_its_own_place() -> None:
    value, offset, mask = operands(4, 5, 4, 1, Kernel())
    expected = dcnv3(value, offset, mask, 1)
    offset[0, 2, 3] = math.nan
    result = dcnv3(value, offset, mask, 1)
    spoiled = torch.zeros(1, 4, 5, dtype=torch.bool)
    spoiled[0, 2, 3] = True
    torch.testing.assert_close(result[~spoiled], expected[~spoiled])


@torch.no_grad()
def test_maps_larger_than_a_block_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    given = operands(23, 17, 8, 2, Kernel(), batch=3)
    whole = dcnv3(*given, groups=2)
    for samples in (1, 1000, 5000):
        monkeypatch.setattr(module, "_SAMPLES_PER_BLOCK", samples)
        torch.testing.assert_close(dcnv3(*given, groups=2), whole, rtol=0, atol=1e-6)


def by_dense_weights(value: Tensor, offset: Tensor, mask: Tensor, groups: int, window: Kernel) -> Tensor:
    """Weigh every pixel of the map for every sample; differentiable."""
    batch, height, width, _ = value.shape
    out_height, out_width = offset.shape[1:3]
    points_x, points_y = window.points(value.device)
    shift = offset.view(batch, out_height, out_width, groups, -1, 2) * window.offset_scale
    x = window.centres(out_width, value.device).view(1, 1, -1, 1, 1) + points_x + shift[..., 0]
    y = window.centres(out_height, value.device).view(1, -1, 1, 1, 1) + points_y + shift[..., 1]
    across = (1 - (x[..., None] - torch.arange(width)).abs()).relu()
    down = (1 - (y[..., None] - torch.arange(height)).abs()).relu()
    modulation = mask.view(batch, out_height, out_width, groups, -1)
    pixels = value.view(batch, height, width, groups, -1)
    sums = torch.einsum("bijgpw,bijgph,bijgp,bhwgc->bijgc", across, down, modulation, pixels)
    return sums.flatten(-2)


WINDOWS = [
    Kernel(),
    Kernel(kernel_size=1, padding=0),
    Kernel(stride=2, offset_scale=2.0),
    Kernel(padding=2, dilation=2, offset_scale=0.5),
]


@pytest.fixture(params=["few", "many"])
def few_or_many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients of few samples are computed in another way than those of many."""
    if request.param == "many":
        monkeypatch.setattr(module, "_FEW_SAMPLES", 0)


@pytest.mark.usefixtures("few_or_many")
@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("reach", [1.0, 8.0], ids=["inside", "outside"])
def test_gradients_are_those_of_the_function(window: Kernel, reach: float) -> None:
    given = operands(3, 5, 4, 2, window, batch=2, reach=reach)
    given = [tensor.double().requires_grad_() for tensor in given]
    assert torch.autograd.gradcheck(lambda *tensors: dcnv3(*tensors, 2, window), given, fast_mode=True)


@pytest.mark.usefixtures("few_or_many")
@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (13, 10)], ids=str)
def test_gradients_are_those_of_dense_weights(window: Kernel, size: tuple[int, int]) -> None:
    given = [tensor.requires_grad_() for tensor in operands(*size, 12, 3, window, batch=2, reach=4.0)]
    expected, result = by_dense_weights(*given, 3, window), dcnv3(*given, 3, window)
    weight = torch.randn(result.shape, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)
    for one, other in zip(
        torch.autograd.grad(result, given, weight), torch.autograd.grad(expected, given, weight), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_gradients_in_many_blocks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [tensor.requires_grad_() for tensor in operands(29, 17, 8, 2, Kernel(), batch=3)]
    monkeypatch.setattr(module, "_FEW_SAMPLES", 0)
    whole = torch.autograd.grad(dcnv3(*given, groups=2).square().sum(), given)
    monkeypatch.setattr(module, "_SAMPLES_PER_GATHER", 100)
    for samples in (1, 5000):
        monkeypatch.setattr(module, "_SAMPLES_PER_BLOCK", samples)
        parts = torch.autograd.grad(dcnv3(*given, groups=2).square().sum(), given)
        for one, other in zip(parts, whole, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("few_or_many")
def test_an_offset_that_is_not_a_number_has_no_gradient_and_leaves_the_others() -> None:
    value, offset, mask = operands(4, 5, 4, 1, Kernel())
    mask.requires_grad_()
    offset.requires_grad_()
    expected = torch.autograd.grad(dcnv3(value, offset, mask, 1).sum(), (offset, mask))
    broken = offset.detach().clone()
    broken[0, 2, 3] = math.nan
    broken.requires_grad_()
    result = torch.autograd.grad(dcnv3(value, broken, mask, 1).sum(), (broken, mask))
    others = torch.ones(1, 4, 5, dtype=torch.bool)
    others[0, 2, 3] = False
    assert result[0][~others].eq(0).all()
    for one, other in zip(result, expected, strict=True):
        torch.testing.assert_close(one[others], other[others])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_narrow_types_lose_no_more_than_their_own_rounding(dtype: torch.dtype) -> None:
    given = [tensor.to(dtype) for tensor in operands(9, 11, 16, 4, Kernel())]
    result = dcnv3(*given, groups=4)
    exact = dcnv3(*(tensor.float() for tensor in given), groups=4)
    assert result.dtype == dtype
    torch.testing.assert_close(result, exact.to(dtype), rtol=torch.finfo(dtype).eps, atol=0)


@pytest.mark.usefixtures("few_or_many")
def test_bfloat16_has_gradients() -> None:
    given = [tensor.bfloat16().requires_grad_() for tensor in operands(5, 7, 8, 2, Kernel())]
    wide = [tensor.detach().float().requires_grad_() for tensor in given]
    narrow_gradients = torch.autograd.grad(dcnv3(*given, groups=2).sum(), given)
    wide_gradients = torch.autograd.grad(dcnv3(*wide, groups=2).sum(), wide)
    for narrow, exact in zip(narrow_gradients, wide_gradients, strict=True):
        assert narrow.dtype == torch.bfloat16
        torch.testing.assert_close(narrow.float(), exact, rtol=2e-2, atol=2e-2)


def test_shapes_that_do_not_fit_are_refused() -> None:
    value, offset, mask = operands(4, 5, 6, 2, Kernel())
    with pytest.raises(ValueError, match="6 channels cannot be split into 4 groups"):
        dcnv3(value, offset, mask, 4)
    with pytest.raises(ValueError, match=r"must be \(1, 4, 5, 36\) and \(1, 4, 5, 18\)"):
        dcnv3(value, offset[:, :3], mask, 2)


def test_a_new_layer_averages_what_its_window_covers() -> None:
    torch.manual_seed(0)
    layer = DCNv3(8, 2)
    x = torch.randn(2, 6, 5, 8)
    projected = layer.input_proj(x).permute(0, 3, 1, 2)
    mean = torch.nn.functional.avg_pool2d(projected, 3, stride=1, padding=1).permute(0, 2, 3, 1)
    torch.testing.assert_close(layer(x), layer.output_proj(mean), rtol=1e-5, atol=1e-6)


FUSED = """
import torch
from test_dcnv3 import operands
from hqtrack.nets.dcnv3 import Kernel, dcnv3_in_pytorch
from hqtrack.nets.dcnv3.triton_kernel import dcnv3_fused

for channels, groups, window in (
    (32, 4, Kernel()), (6, 2, Kernel(5, 2, 1, 1, 1.5)), (24, 3, Kernel(padding=0, dilation=2)),
):
    given = operands(5, 6, channels, groups, window, batch=2)
    expected = dcnv3_in_pytorch(*given, groups, window)
    torch.testing.assert_close(dcnv3_fused(*given, groups, window), expected, rtol=1e-4, atol=1e-5)

given = [tensor.requires_grad_() for tensor in operands(3, 4, 8, 2, Kernel())]
expected = torch.autograd.grad(dcnv3_in_pytorch(*given, 2, Kernel()).square().sum(), given)
result = torch.autograd.grad(dcnv3_fused(*given, 2, Kernel()).square().sum(), given)
for one, other in zip(result, expected):
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
print("equal")
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
def test_the_fused_kernel_gives_the_same_in_tritons_interpreter() -> None:
    here = str(Path(__file__).parent)
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": here, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", FUSED],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "equal"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda_values_and_gradients_are_those_of_the_cpu() -> None:
    given = operands(31, 54, 32, 4, Kernel(), batch=2)
    here = [tensor.clone().requires_grad_() for tensor in given]
    there = [tensor.cuda().requires_grad_() for tensor in given]
    expected, result = dcnv3(*here, groups=4), dcnv3(*there, groups=4)
    torch.testing.assert_close(result.cpu(), expected, rtol=1e-4, atol=1e-4)
    gradients = torch.autograd.grad(result.square().sum(), there)
    for one, other in zip(gradients, torch.autograd.grad(expected.square().sum(), here), strict=True):
        torch.testing.assert_close(one.cpu(), other, rtol=1e-3, atol=1e-3)
