"""Tests of the layout model: what it plans is legal, repeatable, and goes on from what is known."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from rushes import layouts, tiers
from rushes.errors import InputError
from rushes.models.layout import LayoutModel, planned, settled, tiny
from rushes.nn import weights
from rushes.types import Condition, GenerationRequest, VideoShape

PATH = Condition(kind="path", points=((0.1, 0.5), (0.9, 0.5)))


@pytest.fixture
def model() -> LayoutModel:
    torch.manual_seed(0)
    made = LayoutModel(tiny()).eval().requires_grad_(False)
    torch.nn.init.normal_(made.out.weight, std=0.3)
    return made


def ask(seconds: int = 3, **changes: object) -> GenerationRequest:
    shape = VideoShape(frames=8 * seconds, height=432, width=768)
    values = {"prompt": "red cat left", "shape": shape, "fps": 8, "num_steps": 2, "guidance_scale": 3.0}
    return GenerationRequest(**values | changes)


def test_a_plan_has_four_rows_a_second_and_follows_its_seed(model: LayoutModel) -> None:
    plans = [planned(model, ask(seed=seed), tiers.plan(ask()))[0] for seed in (1, 1, 2)]
    assert plans[0].shape == (12, layouts.COLUMNS)
    assert torch.equal(plans[0], plans[1]) and not torch.equal(plans[0], plans[2])


def test_a_long_film_s_windows_agree_where_they_overlap(model: LayoutModel) -> None:
    request = ask(25)
    windows = planned(model, request, tiers.plan(request))
    assert [len(rows) for rows in windows] == [40, 40, 36]
    for before, after in pairwise(windows):
        assert torch.equal(before[-8:], after[:8])


def test_a_path_leads_the_first_subject(model: LayoutModel) -> None:
    request = ask(conditions=(PATH,))
    (rows,) = planned(model, request, tiers.plan(request))
    x = rows[:, layouts.columns(0)][:, layouts.X]
    assert (x.diff() > 0).all() and x[0] == pytest.approx(-(1 - 2 * (0.1 + 0.8 / 24)) * 8 / 9, abs=1e-4)


def test_where_a_picture_says_where_things_are_nothing_is_planned(model: LayoutModel) -> None:
    request = ask(conditions=(Condition(kind="loop"),))
    assert not planned(model, request, tiers.plan(request))[0].any()
    assert not planned(None, ask(), tiers.plan(ask()))[0].any()


def test_weights_without_a_plan_refuse_a_path() -> None:
    with pytest.raises(InputError, match="can't lead a subject"):
        planned(None, ask(conditions=(PATH,)), tiers.plan(ask()))


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
