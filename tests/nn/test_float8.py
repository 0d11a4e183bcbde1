"""Tests of eight-bit floats as far as a processor goes: who has them, which layers, and training that is emulated."""

import pytest
import torch
from torch import nn

from rushes.errors import InputError
from rushes.nn import float8

CPU = torch.device("cpu")


def test_a_processor_has_none() -> None:
    assert not float8.is_there(CPU)
    with pytest.raises(
        InputError, match=r"float8 needs an NVIDIA GPU of compute capability 8\.9 or later, and here is a cpu"
    ):
        float8.require(CPU)


def test_layers_whose_sides_do_not_fit_stay() -> None:
    assert (
        float8.fits(nn.Linear(32, 16)) and not float8.fits(nn.Linear(32, 20)) and not float8.fits(nn.Conv2d(16, 16, 1))
    )


def test_training_in_eight_bits_is_near_to_that_in_more() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 48, bias=False), nn.GELU(), nn.Linear(48, 20))
    x, names = torch.randn(16, 32), [name for name, _ in model.named_parameters()]
    plain = model(x)
    plain.square().mean().backward()
    exact = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    float8.convert(model, is_emulated=True)
    assert type(model[0]).__name__ == "Float8Linear" and type(model[2]) is nn.Linear
    assert [name for name, _ in model.named_parameters()] == names  # a twin's weights are paired with its masters'
    rounded = model(x)
    rounded.square().mean().backward()
    assert 0 < (rounded - plain).norm() < 0.1 * plain.norm()
    for parameter, gradient in zip(model.parameters(), exact, strict=True):
        assert (parameter.grad - gradient).norm() < 0.15 * gradient.norm()


def test_adapters_are_not_rounded() -> None:
    model = nn.ModuleDict({"base_layer": nn.Linear(16, 16), "lora_A": nn.ModuleDict({"taught": nn.Linear(16, 16)})})
    float8.convert(model, is_emulated=True)
    assert type(model["base_layer"]).__name__ == "Float8Linear" and type(model["lora_A"]["taught"]) is nn.Linear
