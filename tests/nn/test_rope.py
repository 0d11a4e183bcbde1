"""Tests of rotary positions: only differences count, and lengths stay."""

import torch

from rushes.nn.rope import angles, rotate, rotation

WIDTHS = (4, 6, 6)


def turned(x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    return rotate(x, *rotation(positions, WIDTHS))


def test_products_depend_on_the_difference_of_positions_alone() -> None:
    torch.manual_seed(0)
    q, k = torch.randn(2, 5, 16)
    positions = torch.randn(5, 3) * 4
    products = turned(q, positions) @ turned(k, positions).T
    shifted = positions + torch.tensor([7.0, -3.0, 2.5])
    assert torch.allclose(products, turned(q, shifted) @ turned(k, shifted).T, atol=1e-4)
    stretched = positions * 1.5
    assert not torch.allclose(products, turned(q, stretched) @ turned(k, stretched).T, atol=1e-2)


def test_turning_keeps_lengths_and_the_origin_turns_nothing() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 16)
    assert torch.allclose(turned(x, torch.randn(3, 3)).norm(dim=1), x.norm(dim=1), atol=1e-5)
    assert torch.equal(turned(x, torch.zeros(3, 3)), x)


def test_each_axis_turns_channels_of_its_own() -> None:
    moved = angles(torch.tensor([[0.0, 2.0, 0.0]]), WIDTHS, base=100.0)[0]
    assert moved.shape == (8,)
    assert (moved[:2] == 0).all() and (moved[2:5] > 0).all() and (moved[5:] == 0).all()
    assert moved[2] == 2.0  # the first frequency is one radian per unit
