"""Tests of the machine's ceiling: known layers have known products."""

import pytest
import torch
from torch import nn

from rushes.train import ceiling


def test_a_layer_s_forward_and_backward_products_are_counted() -> None:
    layer = nn.Linear(5, 7)
    x = torch.randn(11, 5, requires_grad=True)
    flops, shapes = ceiling.count(lambda: layer(x).sum().backward())
    assert flops == 3 * 2 * 11 * 5 * 7
    assert shapes == {(11, 5, 7): 1, (11, 7, 5): 1, (7, 11, 5): 1}


def test_convolutions_and_attention_count_as_work() -> None:
    convolution, picture = nn.Conv2d(3, 4, 3, padding=1), torch.randn(2, 3, 8, 8)
    flops, shapes = ceiling.count(lambda: convolution(picture))
    assert flops == 2 * 2 * 8 * 8 * 3 * 4 * 9 and not shapes
    q = torch.randn(2, 3, 10, 16, requires_grad=True)
    forward = 2 * 2 * (2 * 3) * 10 * 10 * 16
    assert ceiling.count(lambda: nn.functional.scaled_dot_product_attention(q, q, q))[0] == forward
    both, _ = ceiling.count(lambda: nn.functional.scaled_dot_product_attention(q, q, q).sum().backward())
    assert both == 3.5 * forward  # flash attention computes the shares again


def test_repeated_products_are_counted_together() -> None:
    layer, x = nn.Linear(4, 4, bias=False), torch.randn(6, 4)
    assert ceiling.count(lambda: layer(layer(x)))[1] == {(6, 4, 4): 2}


def test_the_rate_is_that_of_the_machine() -> None:
    _, shapes = ceiling.count(lambda: torch.randn(256, 256) @ torch.randn(256, 256))
    rate = ceiling.rate(shapes, torch.float32, seconds=0.05)
    assert 1e8 < rate < 1e15
    assert 1e8 < ceiling.rate(shapes.__class__(), torch.float32, seconds=0.05) < 1e15  # of convolutions alone


def test_the_fastest_dtype_is_a_legal_one() -> None:
    assert ceiling.fastest_dtype() in (torch.float32, torch.bfloat16)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_count_does_not_depend_on_the_dtype(dtype: torch.dtype) -> None:
    layer, x = nn.Linear(8, 8, bias=False).to(dtype), torch.randn(4, 8).to(dtype)
    assert ceiling.count(lambda: layer(x))[0] == 2 * 4 * 8 * 8
