"""Tests of the layout model: what it plans is legal, repeatable, and goes on from what is known."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rushes import layouts
from rushes.models.layout import LayoutModel, moved, settled, tiny
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


def test_a_plan_holds_what_is_known_and_is_moved_by_it(model: LayoutModel) -> None:
    free = model.plan("red cat", 3, torch.Generator().manual_seed(0))
    known = torch.full_like(free, torch.nan)
    known[0, 0], known[-1, 1] = 0.3, -0.2
    held = model.plan("red cat", 3, torch.Generator().manual_seed(0), known)
    assert float(held[0, 0]) == pytest.approx(0.3, abs=1e-5) and float(held[-1, 1]) == pytest.approx(-0.2, abs=1e-5)
    assert not torch.allclose(held[5, :2], free[5, :2])


def test_rows_between_two_that_are_known_are_moved_evenly() -> None:
    rows, held = torch.zeros(7, 2), torch.full((7, 2), torch.nan)
    held[1, 0], held[5, 0] = 1.0, 3.0
    changed = moved(rows, held)
    assert changed[:, 0].tolist() == [1, 1, 1.5, 2, 2.5, 3, 3] and not changed[:, 1].any() and not rows.any()
