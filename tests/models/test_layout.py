"""Tests of the layout model: what it plans is legal, repeatable, and goes on from what is known."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rushes import layouts
from rushes.models.layout import LayoutModel, settled, tiny
from rushes.nn import weights


@pytest.fixture
def model() -> LayoutModel:
    torch.manual_seed(0)
    made = LayoutModel(tiny()).eval().requires_grad_(False)
    torch.nn.init.normal_(made.out.weight, std=0.3)
    return made


def test_what_can_only_be_one_of_two_things_is_decided() -> None:
    rows = torch.full((4, layouts.COLUMNS), 0.3)
    rows[2, layouts.columns(1)] = -4.0
    done = settled(rows)
    first, second = (done[:, layouts.columns(i)] for i in (0, 1))
    assert (first[:, layouts.FACING] == 1).all() and (second[:, layouts.FACING] == -1).all()
    assert not first[:, layouts.PRESENT].any()
    assert torch.allclose(first[:, layouts.SINE].square() + first[:, layouts.COSINE].square(), torch.ones(4))


def test_weights_come_back_as_they_were(model: LayoutModel, tmp_path: Path) -> None:
    model.mean.copy_(torch.linspace(-1, 1, layouts.COLUMNS))
    folder = weights.save(model, tmp_path / "layout", family="layout", config=model.config)
    again = LayoutModel.from_pretrained(folder)
    assert torch.equal(again.mean, model.mean)
    wanted, found = (m.plan("cat", 1, torch.Generator().manual_seed(3)).numpy() for m in (model, again))
    assert np.abs(wanted - found).max() < 0.1  # shipped weights are bfloat16
