"""Tests of films that begin with pictures: subjects are where they were seen, the place is what was shown of it."""

import numpy as np
import pytest
import torch
from torch import Tensor

from rushes import layouts, tiers
from rushes.models import backdrop
from rushes.models._begun import WIDEST, Draw, begun
from rushes.models._draft import Stage, laid, pixels, seen
from rushes.models.backdrop import BackdropModel
from rushes.tiers import Plan
from rushes.types import Condition, GenerationRequest, VideoShape

GRID, CELL = (9, 16), 16
REACH = layouts.reach(*GRID)
PLACED = [layouts.X, layouts.Y, layouts.SIDE, layouts.FACING, layouts.PRESENT]


@pytest.fixture
def draw() -> Draw:
    """A model that draws a grey place, whatever it is told."""
    torch.manual_seed(0)
    made = BackdropModel(backdrop.tiny()).eval().requires_grad_(False)
    made.mean.fill_(0.5)
    made.deviation.fill_(0.3)

    def draw(like: Tensor, known: Tensor | None) -> Tensor:
        return made.draw("red cat", WIDEST, torch.Generator().manual_seed(0), like, known)

    return draw


@pytest.fixture
def cutouts() -> Tensor:
    """A red box with a yellow head, and a blue one with a white."""
    sheets = torch.zeros(2, 4, layouts.CUTOUT_PX, layouts.CUTOUT_PX)
    for sheet, body, head in zip(sheets, ((0.8, 0.1, 0.1), (0.1, 0.1, 0.8)), ((0.9, 0.9, 0.1), (1, 1, 1)), strict=True):
        sheet[:, 16:36, 8:32] = torch.tensor([*body, 1.0])[:, None, None]
        sheet[:, 8:20, 28:40] = torch.tensor([*head, 1.0])[:, None, None]
    return sheets


def rows(num: int, *places: tuple[float, float]) -> Tensor:
    """Return a layout with a subject at each of the places."""
    made = torch.zeros(num, layouts.COLUMNS)
    for index, (x, y) in enumerate(places):
        made[:, layouts.columns(index)] = torch.tensor([x, y, 0.0, 0.0, 1.0, 1.0, 1.0])
    return made


def view(layout: Tensor, cutouts: Tensor) -> np.ndarray:
    """Return a grey picture with the subjects of a layout's first row."""
    corner = (torch.zeros(1), torch.zeros(1))
    colours, alpha = laid(layout[None, :1], cutouts[None], pixels(*GRID, CELL, corner, GRID))
    shown = (colours + alpha) / 2 + (1 - alpha) * 0.5
    return (shown[0, :, 0].permute(1, 2, 0) * 255).round().byte().numpy()


def plan(seconds: int, *conditions: Condition) -> Plan:
    shape = VideoShape(frames=8 * seconds, height=432, width=768)
    ask = GenerationRequest(
        prompt="red cat", shape=shape, fps=8, num_steps=2, guidance_scale=3.0, conditions=conditions
    )
    return tiers.plan(ask)


def test_subjects_are_where_the_first_picture_shows_them(draw: Draw, cutouts: Tensor) -> None:
    there = rows(12, (-0.4, 0.1), (0.3, -0.1))
    usual = rows(12, (0.1, 0.0), (0.0, 0.0))
    found = begun({"first": view(there, cutouts)[None]}, plan(3), draw, cutouts, usual)
    assert found.rows[1:].isnan().all() and found.rows[0, : layouts.CAMERA].isnan().all()
    for index in range(2):
        subject, wanted = (each[0, layouts.columns(index)][PLACED] for each in (found.rows, there))
        assert torch.allclose(subject, wanted, atol=0.11) and (subject[:2] - wanted[:2]).abs().max() < 0.02
    assert found.at_s == 0 and found.travel[0] == pytest.approx(layouts.BACKDROP_REACH[0] - REACH[0])


def test_the_place_is_what_is_shown_but_where_subjects_are(draw: Draw, cutouts: Tensor) -> None:
    there = rows(12, (-0.4, 0.1))
    picture = view(there, cutouts)
    picture[20:40, 200:240] = (20, 160, 60)  # it belongs to the place
    found = begun({"first": picture[None]}, plan(3), draw, cutouts, there)
    corner = (torch.zeros(1), torch.zeros(1))
    still = Stage(found.backdrop[None], torch.zeros(1, 1, 3))
    again = seen(still, pixels(*GRID, CELL, corner, GRID))[0, :, 0].permute(1, 2, 0)
    again = ((again + 1) * 127.5).numpy()
    assert np.abs(again[24:36, 204:236] - (20, 160, 60)).max() < 4
    left, right = round((-0.4 + REACH[0]) * 144) - 14, round((-0.4 + REACH[0]) * 144) + 14
    covered = again[72:96, left:right]
    assert np.abs(covered - 127.5).max() < 12  # what is behind the subject was drawn


def test_who_is_not_in_the_picture_comes_in_or_is_not_there(draw: Draw, cutouts: Tensor) -> None:
    empty = np.full((1, 144, 256, 3), 128, np.uint8)
    inside, outside = (
        begun({"first": empty}, plan(3), draw, cutouts, rows(12, (x, 0.0))).rows[:, layouts.columns(0)]
        for x in (0.2, -1.3)
    )
    assert (inside[:, layouts.PRESENT] == 0).all() and outside.isnan().all()


def test_a_film_s_end_says_where_a_subject_went(draw: Draw, cutouts: Tensor) -> None:
    places = np.linspace(-0.5, 0.1, 16)
    pictures = np.stack([view(rows(1, (float(x), 0.1)), cutouts) for x in places])
    shot = plan(6, Condition(kind="extend", uri="film.mp4", seconds=3))
    found = begun({"extend": pictures}, shot, draw, cutouts, rows(20, (0.0, 0.1)))
    x = found.rows[:, layouts.columns(0)][:, layouts.X]
    assert torch.allclose(x[:8], torch.from_numpy(places[1::2]).float(), atol=0.02) and x[8:].isnan().all()
    assert found.at_s == 0


def test_between_two_pictures_the_camera_stands_still(draw: Draw, cutouts: Tensor) -> None:
    first, last = rows(12, (-0.4, 0.1)), rows(12, (0.4, 0.1))
    views = {"last": view(last, cutouts)[None], "first": view(first, cutouts)[None]}
    found = begun(views, plan(3), draw, cutouts, first)
    assert (found.rows[:, : layouts.CAMERA] == 0).all() and found.at_s == 0
    x = found.rows[:, layouts.columns(0)][:, layouts.X]
    assert float(x[0]) == pytest.approx(-0.4, abs=0.02) and float(x[-1]) == pytest.approx(0.4, abs=0.02)
    alone = begun({"last": views["last"]}, plan(3), draw, cutouts, first)
    assert alone.at_s == 3 and alone.rows[:, : layouts.CAMERA].isnan().all()


def test_a_film_made_anew_keeps_where_things_are(draw: Draw, cutouts: Tensor) -> None:
    places = np.linspace(-0.5, 0.3, 24)
    pictures = np.stack([view(rows(1, (float(x), 0.1)), cutouts) for x in places])
    shot = plan(3, Condition(kind="remix", uri="film.mp4"))
    found = begun({"remix": pictures}, shot, draw, cutouts, rows(12, (0.0, 0.1)))
    x = found.rows[:, layouts.columns(0)][:, layouts.X]
    away = x[::2] - torch.from_numpy(places[1::4]).float()  # sought as a silhouette, so its head counts less
    assert away.abs().max() < 0.06 and x[1::2].isnan().all()
    assert (found.rows[:, : layouts.CAMERA] == 0).all() and (found.backdrop[:3] - 0.5).abs().max() < 0.1


def test_in_an_area_a_subject_comes_and_the_place_around_it_stays(draw: Draw, cutouts: Tensor) -> None:
    pictures = np.tile(np.uint8((20, 160, 60)), (24, 144, 256, 1))
    area = (0.5, 0.0, 1.0, 1.0)
    shot = plan(3, Condition(kind="remix", uri="film.mp4", area=area))
    found = begun({"remix": pictures}, shot, draw, cutouts, rows(12, (0.0, 0.1)), area)
    assert found.rows[6, layouts.columns(0)][:2].tolist() == pytest.approx([REACH[0] / 2, 0.0])
    middle = found.backdrop[:3, 128]
    assert (middle[:, 60:140] - torch.tensor([20, 160, 60])[:, None] / 255).abs().max() < 0.02
    assert (middle[:, 150:230] - 0.5).abs().max() < 0.1


def test_one_picture_in_which_it_was_found_elsewhere_is_left_out(draw: Draw, cutouts: Tensor) -> None:
    places = np.linspace(-0.5, 0.1, 16)
    places[5] = 0.7
    pictures = np.stack([view(rows(1, (float(x), 0.1)), cutouts) for x in places])
    shot = plan(6, Condition(kind="extend", uri="film.mp4", seconds=3))
    found = begun({"extend": pictures}, shot, draw, cutouts, rows(20, (0.0, 0.1)))
    x = found.rows[:8, layouts.columns(0)][:, layouts.X]
    assert x.isnan().nonzero().flatten().tolist() == [2]
