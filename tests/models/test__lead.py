"""Tests of what leads a film: its plan is repeatable, goes on from what is known, and is drawn before its place."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from rushes import layouts, tiers
from rushes.errors import InputError
from rushes.models import backdrop, cutout, layout
from rushes.models._lead import Leader, cut_up, planned, told, turned
from rushes.models.autoencoder import AutoencoderConfig, PatchTransform
from rushes.models.backdrop import BackdropModel
from rushes.models.cutout import CutoutModel
from rushes.models.layout import LayoutModel
from rushes.models.transformer import Lead
from rushes.types import Condition, GenerationRequest, VideoShape

PATH = Condition(kind="path", points=((0.1, 0.5), (0.9, 0.5)))
SUBJECT = Condition(kind="subject", uri="fox.png")
REMIX = Condition(kind="remix", uri="cat.mp4")
SQUARE = np.ones((4, layouts.CUTOUT_PX, layouts.CUTOUT_PX), np.float32)


@pytest.fixture
def model() -> LayoutModel:
    torch.manual_seed(0)
    made = LayoutModel(layout.tiny()).eval().requires_grad_(False)
    torch.nn.init.normal_(made.out.weight, std=0.3)
    return made


@pytest.fixture
def leader(model: LayoutModel) -> Leader:
    made = CutoutModel(cutout.tiny()).eval().requires_grad_(False)
    torch.nn.init.normal_(made.out.weight, std=0.3)
    made.mean.fill_(0.4)
    transform = PatchTransform(AutoencoderConfig(channels=6, cell=4))
    transform.basis.normal_(std=0.1)
    return Leader(planner=model, cutter=made, transform=transform)


def ask(seconds: int = 3, **changes: object) -> GenerationRequest:
    shape = VideoShape(frames=8 * seconds, height=432, width=768)
    values = {"prompt": "red cat left", "shape": shape, "fps": 8, "num_steps": 2, "guidance_scale": 3.0}
    return GenerationRequest(**values | changes)


def test_a_plan_has_four_rows_a_second_and_follows_its_seed(model: LayoutModel) -> None:
    plans = [planned(model, ask(seed=seed), tiers.plan(ask())) for seed in (1, 1, 2)]
    assert plans[0].shape == (12, layouts.COLUMNS)
    assert torch.equal(plans[0], plans[1]) and not torch.equal(plans[0], plans[2])


def test_a_long_film_s_windows_agree_where_they_overlap(model: LayoutModel) -> None:
    request = ask(25)
    shot = tiers.plan(request)
    starts, windows = zip(*cut_up(planned(model, request, shot), shot), strict=True)
    assert [len(rows) for rows in windows] == [40, 40, 36] and starts == (0, 8, 16)
    for before, after in pairwise(windows):
        assert torch.equal(before[-8:], after[:8])


def test_a_path_leads_the_first_subject(model: LayoutModel) -> None:
    request = ask(conditions=(PATH,))
    rows = planned(model, request, tiers.plan(request))
    x = rows[:, layouts.columns(0)][:, layouts.X]
    assert (x.diff() > 0).all() and x[0] == pytest.approx(-(1 - 2 * (0.1 + 0.8 / 24)) * 8 / 9, abs=1e-4)


def test_where_pictures_that_are_not_read_say_where_things_are_nothing_is_planned(model: LayoutModel) -> None:
    request = ask(conditions=(REMIX, Condition(kind="loop")))
    assert not planned(model, request, tiers.plan(request)).any()
    assert not planned(None, ask(), tiers.plan(ask())).any()


def test_weights_without_a_plan_refuse_a_path() -> None:
    with pytest.raises(InputError, match="can't lead a subject"):
        planned(None, ask(conditions=(PATH,)), tiers.plan(ask()))


def test_a_film_is_led_by_its_cut_outs(leader: Leader) -> None:
    request = ask(12, conditions=(PATH,))
    leads = leader.leads(request, tiers.plan(request))
    assert [tuple(lead.draft.shape) for lead in leads] == [(1, 12, 20, 9, 16), (1, 12, 8, 9, 16)]
    again = leader.leads(request, tiers.plan(request))
    assert all(torch.equal(a.draft, b.draft) for a, b in zip(leads, again, strict=True))
    other = leader.leads(replace(request, seed=1), tiers.plan(request))
    assert not torch.equal(leads[0].draft, other[0].draft)


def test_a_film_is_shown_its_place_all_through(leader: Leader) -> None:
    made = BackdropModel(backdrop.tiny()).eval().requires_grad_(False)
    torch.nn.init.normal_(made.out.weight, std=0.3)
    request = ask(12, conditions=(PATH,))
    shot = tiers.plan(request)
    first, second = replace(leader, stager=made).leads(request, shot)
    assert tuple(first.backdrop.shape) == (1, 6, 20, 9, 16) and tuple(second.backdrop.shape) == (1, 6, 8, 9, 16)
    plain = leader.leads(request, shot)[0]
    assert plain.backdrop is None and torch.equal(plain.draft, first.draft)
    alone = Leader(planner=leader.planner, stager=made, transform=leader.transform).leads(request, shot)
    assert not alone[0].draft.any() and alone[0].backdrop.any() and not torch.equal(alone[0].backdrop, first.backdrop)
    again, other = (
        replace(leader, stager=made).leads(replace(request, seed=seed), shot)[0].backdrop for seed in (0, 1)
    )
    assert torch.equal(again, first.backdrop) and not torch.equal(other, first.backdrop)


def test_a_subject_that_is_shown_takes_the_first_one_s_place(leader: Leader) -> None:
    request = ask(conditions=(PATH, SUBJECT))
    shown, own = leader.leads(request, tiers.plan(request), SQUARE), leader.leads(request, tiers.plan(request))
    assert torch.equal(shown[0].layout, own[0].layout) and not torch.equal(shown[0].draft, own[0].draft)
    with pytest.raises(InputError, match="can't be shown a subject"):
        Leader(planner=leader.planner).leads(request, tiers.plan(request), SQUARE)


def test_what_is_not_planned_is_not_drawn(leader: Leader) -> None:
    request = ask(conditions=(REMIX,))
    (lead,) = leader.leads(request, tiers.plan(request))
    assert lead.draft is None and not lead.layout.any()
    (lead,) = Leader(planner=leader.planner).leads(ask(), tiers.plan(ask()))
    assert lead.draft is None and lead.layout.any()


def test_a_loop_s_plan_comes_back(model: LayoutModel) -> None:
    request = ask(conditions=(Condition(kind="loop"),))
    rows, free = (planned(model, each, tiers.plan(each)) for each in (request, ask()))
    assert not rows[:, : layouts.CAMERA].any() and rows.any()
    places = [layouts.columns(0).start + column for column in (layouts.X, layouts.Y)]
    seam, steps = (rows[0] - rows[-1])[places].abs(), rows.diff(dim=0)[:, places].abs()
    assert (seam <= steps.max(0).values + 1e-5).all() and not torch.equal(rows, free)


def test_a_film_that_begins_with_a_picture_is_led_from_it(leader: Leader) -> None:
    stager = BackdropModel(backdrop.tiny()).eval().requires_grad_(False)
    stager.mean.fill_(0.5)
    request = ask(conditions=(Condition(kind="first", uri="sea.png"),))
    views = {"first": np.random.default_rng(0).integers(0, 255, (1, 36, 64, 3), np.uint8)}
    whole, shot = replace(leader, stager=stager), tiers.plan(request)
    (lead,) = whole.leads(request, shot, views=views)
    (other,) = whole.leads(request, shot, views={"first": 255 - views["first"]})
    assert lead.backdrop.shape == (1, 6, 6, 9, 16) and not torch.equal(lead.backdrop, other.backdrop)
    assert torch.equal(lead.backdrop, whole.leads(request, shot, views=views)[0].backdrop)
    (alone,) = leader.leads(request, shot, views=views)
    assert alone.backdrop is None and not alone.layout.any()  # no model draws its place


def test_a_film_is_laid_out_like_a_picture(leader: Leader) -> None:
    torch.manual_seed(0)
    stager = BackdropModel(replace(backdrop.tiny(), structure=True)).eval().requires_grad_(False)
    assert stager.structure is not None
    for weight in (stager.out.weight, stager.blocks[0].modulation.weight, stager.structure.into.weight):
        torch.nn.init.normal_(weight, std=0.3)
    stager.mean.fill_(0.5)
    request = ask(conditions=(Condition(kind="edges", uri="sea.png"),))
    whole, shot = replace(leader, stager=stager), tiers.plan(request)
    pictures = np.random.default_rng(0).integers(0, 255, (2, 36, 64, 3), np.uint8)
    leads = [whole.leads(request, shot, views={"edges": np.stack([one] * 24)})[0] for one in pictures]
    assert leads[0].backdrop.shape == (1, 6, 6, 9, 16) and not torch.equal(leads[0].backdrop, leads[1].backdrop)
    deaf = replace(leader, stager=BackdropModel(backdrop.tiny()).eval())
    for other in (leader, deaf):
        with pytest.raises(InputError, match="these weights can't follow condition 'edges'; take others, or name none"):
            other.leads(request, shot, views={"edges": pictures})


def test_an_extension_s_plan_begins_with_what_is_known(model: LayoutModel) -> None:
    extended = Condition(kind="extend", uri="film.mp4", seconds=3)
    request = ask(14, conditions=(extended,))
    shot = tiers.plan(request)
    known = torch.full((52, layouts.COLUMNS), torch.nan)
    known[:8, 0] = 0.25
    rows = planned(model, request, shot, known)
    assert len(rows) == 52 and torch.allclose(rows[:8, 0], torch.tensor(0.25), atol=1e-5)
    starts, windows = zip(*cut_up(rows, shot), strict=True)
    assert starts == (-2, 6) and [len(each) for each in windows] == [40, 20]
    assert not planned(model, request, shot).any()


def test_a_turned_lead_begins_later_and_ends_with_what_was_before() -> None:
    rows = torch.arange(12.0)[None, :, None].expand(1, 12, layouts.COLUMNS)
    draft = torch.arange(6.0).view(1, 1, 6, 1, 1)
    lead = turned(Lead(rows, draft), 2)
    assert lead.layout[0, :, 0].tolist() == [*range(4, 12), *range(4)] and lead.backdrop is None
    assert lead.draft.flatten().tolist() == [2, 3, 4, 5, 0, 1]


@pytest.mark.parametrize("num", [1, 2])
def test_the_prompted_velocity_hears_of_it_all(num: int) -> None:
    lead = Lead(torch.ones(12, layouts.COLUMNS), torch.ones(1, 4, 6, 9, 16), torch.ones(1, 2, 6, 9, 16))
    said = told(lead, [True, False], torch.device("cpu"), num)
    assert [len(each.layout) for each in said] == [num] * (2 // num)
    layout, draft, backdrop = (torch.cat([each[part] for each in said]) for part in range(3))
    assert layout[0].all() and not layout[1].any()
    assert (draft[0] == 1).all() and (draft[1] == 0.5).all()  # of a subject, the others see half
    assert len(backdrop) == 2 and (backdrop == 1).all()
    assert all(
        each.draft is None and each.backdrop is None for each in told(Lead(lead.layout), [True], torch.device("cpu"), 1)
    )
