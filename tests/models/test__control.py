"""Tests that a film model that is told where its subjects are sees itself in their coordinates."""

import math

import torch

from rushes import layouts
from rushes.models._control import Control


def places(rows: int = 9, columns: int = 16) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(rows) + 0.5 - rows / 2, torch.arange(columns) + 0.5 - columns / 2, indexing="ij")
    return torch.stack((x, y), dim=-1).view(1, 1, rows * columns, 2) / 9


def layout(x: float, y: float, *, side: float = 0.34, turn: float = 0.0, facing: float = 1.0) -> torch.Tensor:
    rows = torch.zeros(1, layouts.PER_SECOND, layouts.COLUMNS)
    looks = (x, y, math.log2(side / layouts.USUAL_SIDE), math.sin(turn), math.cos(turn), facing, 1.0)
    rows[:, :, layouts.columns(0)] = torch.tensor(looks)
    return rows


def control() -> Control:
    torch.manual_seed(0)
    made = Control(8)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made.requires_grad_(False)


def test_it_adds_nothing_before_training_and_nothing_for_an_empty_layout() -> None:
    assert not Control(8)(layout(0, 0), places()).any()
    assert not control()(torch.zeros_like(layout(0, 0)), places()).any()


def test_a_subject_elsewhere_is_the_same_subject() -> None:
    made = control()
    here = made(layout(0, 0), places()).view(9, 16, 8)
    there = made(layout(3 / 9, 1 / 9), places()).view(9, 16, 8)
    assert torch.allclose(there[3:8, 6:14], here[2:7, 3:11], atol=1e-5)
    assert here[4, 7].abs().sum() > 1 and here[0, 0].abs().sum() < 1e-2


def test_a_subject_that_faces_left_is_mirrored_and_a_turned_one_is_turned() -> None:
    made = control()
    right = made(layout(0, 0), places(9, 9)).view(9, 9, 8)
    left = made(layout(0, 0, facing=-1.0), places(9, 9)).view(9, 9, 8)
    turned = made(layout(0, 0, turn=math.pi / 2), places(9, 9)).view(9, 9, 8)
    assert torch.allclose(turned, right.rot90(-1, (0, 1)), atol=1e-4)
    assert not torch.allclose(left, right, atol=1e-3)


def test_another_second_subject_adds_something_else() -> None:
    made, rows = control(), layout(0, 0)
    second = torch.zeros_like(rows)
    second[:, :, layouts.columns(1)] = rows[:, :, layouts.columns(0)]
    assert not torch.allclose(made(rows, places()), made(second, places()), atol=1e-2)
