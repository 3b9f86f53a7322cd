"""Depthwise convolutions and the precision of their gradients."""

import pytest
import torch

from hqtrack.nets.layers import DepthwiseConv2d


@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_under_mixed_precision_are_those_of_float32(stride: int) -> None:
    torch.manual_seed(0)
    convolution = DepthwiseConv2d(24, 5, stride)
    x = torch.randn(2, 24, 17, 16, requires_grad=True)
    wanted = [x, *convolution.parameters()]
    out = convolution(x)
    towards = torch.randn_like(out)
    expected = torch.autograd.grad(out, wanted, towards)
    with torch.autocast("cpu", torch.bfloat16):
        out = convolution(x)
    assert out.dtype == torch.bfloat16
    found = torch.autograd.grad(out, wanted, towards.bfloat16())
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0.02 * float(other.abs().max()))
