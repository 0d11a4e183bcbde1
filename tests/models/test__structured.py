"""Tests of films that are laid out like pictures: who is drawn there stands there, and the place takes the rest."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from rushes import layouts, tiers
from rushes.errors import InputError
from rushes.models._begun import WIDEST
from rushes.models._structured import Draw, structure_of, structured
from rushes.models.backdrop import PATCH
from rushes.tiers import Plan
from rushes.types import GenerationRequest, VideoShape

REACH = layouts.reach(9, 16)
WIDE, HIGH = 256, 144
HOUSE = ((0, 20), (20, 20), (20, 0), (10, -14), (0, 0), (0, 20))  # of a cut-out's sheet, from (14, 20)


def house(left: float, top: float, **how: object) -> Image.Image:
    """Return a picture of hills, and a house whose sheet's corner is at (left, top)."""
    picture = Image.new("RGB", (WIDE, HIGH), "white")
    pen = ImageDraw.Draw(picture)
    pen.line([(0, 100), (80, 90), (160, 104), (WIDE, 92)], fill="black", width=2)
    unit = HIGH / (2 * REACH[1])
    scale = 2 * layouts.CUTOUT_REACH * layouts.USUAL_SIDE * unit / layouts.CUTOUT_PX
    pen.line([(left + (14 + x) * scale, top + (20 + y) * scale) for x, y in HOUSE], width=2, **{"fill": "black"} | how)
    return picture


def middle(left: float, top: float) -> tuple[float, float]:
    """Return where the middle of that house's sheet is, in units."""
    unit = HIGH / (2 * REACH[1])
    half = layouts.CUTOUT_REACH * layouts.USUAL_SIDE
    return left / unit + half - REACH[0], top / unit + half - REACH[1]


@pytest.fixture
def cutouts() -> Tensor:
    """A red house, and nothing."""
    sheet = Image.new("L", (layouts.CUTOUT_PX, layouts.CUTOUT_PX))
    ImageDraw.Draw(sheet).polygon([(14 + x, 20 + y) for x, y in HOUSE], fill=255)
    alpha = torch.from_numpy(np.asarray(sheet).copy()).float() / 255
    return torch.stack((torch.stack((0.8 * alpha, 0.1 * alpha, 0.1 * alpha, alpha)), torch.zeros(4, *alpha.shape)))


@pytest.fixture
def drawn() -> list[Tensor]:
    """What a model was told of the places that it drew."""
    return []


def draw_into(drawn: list[Tensor]) -> Draw:
    def draw(structure: Tensor) -> Tensor:
        drawn.append(structure)
        return torch.zeros(4, *structure.shape[1:])

    return draw


def usual(num: int = 12) -> Tensor:
    rows = torch.zeros(num, layouts.COLUMNS)
    rows[:, layouts.columns(0)] = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    return rows


def plan(seconds: int = 3) -> Plan:
    shape = VideoShape(frames=8 * seconds, height=432, width=768)
    return tiers.plan(GenerationRequest(prompt="a house", shape=shape, fps=8, num_steps=2, guidance_scale=3.0))


def pictures(*shown: Image.Image) -> np.ndarray:
    return np.stack([np.asarray(one) for one in shown])


@pytest.mark.parametrize("kind", ["edges", "sketch"])
def test_who_is_drawn_stands_there_at_first(kind: str, drawn: list[Tensor], cutouts: Tensor) -> None:
    found = structured({kind: pictures(house(150, 30))}, plan(), draw_into(drawn), cutouts, usual())
    x, y, side, *_, there = found.rows[0, layouts.columns(0)].tolist()
    assert np.hypot(*(np.array((x, y)) - middle(150, 30))) < 0.05 and abs(side) < 0.25 and there == 1
    assert found.rows[1:].isnan().all() and found.rows[0, : layouts.CAMERA].isnan().all() and found.at_s == 0


def test_the_place_takes_the_lines_that_are_nobody_s(drawn: list[Tensor], cutouts: Tensor) -> None:
    structured({"sketch": pictures(house(150, 30))}, plan(), draw_into(drawn), cutouts, usual())
    (structure,) = drawn
    assert structure.shape == (4, *(PATCH * side for side in WIDEST)) and not structure[2:].any()
    px, (high, wide) = layouts.BACKDROP_UNIT_PX, structure.shape[1:]
    row, column = (round(side / 2 + at * px) for side, at in zip((high, wide), middle(150, 30)[::-1], strict=True))
    assert not structure[:, row - 8 : row + 8, column - 8 : column + 8].any()
    ground = structure[:, round(high / 2 + (90 / HIGH * 2 - 1) * REACH[1] * px) :, wide // 2 - 60 : wide // 2 + 60]
    assert ground[0].max() > 0.8 and ground[1].max() == 1
    outside = structure[1].clone()
    reach = [round(each * px) for each in REACH]
    outside[
        high // 2 - reach[1] - 1 : high // 2 + reach[1] + 1, wide // 2 - reach[0] - 1 : wide // 2 + reach[0] + 1
    ] = 0
    assert not outside.any()


def test_a_film_says_where_things_are_in_each_half_second(drawn: list[Tensor], cutouts: Tensor) -> None:
    way = [(20 + 6 * index, 30) for index in range(24)]
    found = structured({"sketch": pictures(*(house(*at) for at in way))}, plan(), draw_into(drawn), cutouts, usual())
    x = found.rows[:, layouts.columns(0)][:, layouts.X]
    assert x[1::2].isnan().all() and not found.rows[:, : layouts.CAMERA].any()
    expected = [middle(*way[4 * index])[0] for index in range(6)]
    assert np.abs(x[::2].numpy() - expected).max() < 0.06


def test_a_film_in_which_nothing_moves_is_a_picture(drawn: list[Tensor], cutouts: Tensor) -> None:
    still = pictures(*[house(150, 30)] * 24)
    found = structured({"edges": still}, plan(), draw_into(drawn), cutouts, usual())
    assert found.rows[1:].isnan().all() and not found.rows[0, layouts.columns(0)].isnan().all()


def test_depths_tell_as_well_and_lines_besides(drawn: list[Tensor], cutouts: Tensor) -> None:
    picture = Image.new("L", (WIDE, HIGH), 60)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 110, WIDE, HIGH), fill=180)
    pen.polygon([(60 + 1.2 * x, 50 + 1.2 * y) for x, y in HOUSE], fill=170)
    depth = pictures(picture.convert("RGB"))
    views = {"depth": depth, "edges": pictures(house(150, 30))}
    alone = structured({"depth": depth}, plan(), draw_into(drawn), cutouts, usual())
    both = structured(views, plan(), draw_into(drawn), cutouts, usual())
    assert abs(float(alone.rows[0, layouts.columns(0)][0]) - (72 / 144 - REACH[0])) < 0.1
    assert abs(float(both.rows[0, layouts.columns(0)][0]) - middle(150, 30)[0]) < 0.05  # lines say it more exactly
    assert not drawn[0][:2].any() and drawn[0][3].any() and drawn[1][1].any() and drawn[1][3].any()


def test_a_sketch_may_be_dark_on_light_or_light_on_dark() -> None:
    dark = np.array(house(40, 40))
    one, other = structure_of("sketch", dark), structure_of("sketch", 255 - dark)
    assert torch.allclose(one, other, atol=0.02) and one.max() == 1 and (one > 0).float().mean() < 0.1
    faint = structure_of("sketch", np.array(house(40, 40, fill=(190, 190, 190)))[:80])
    assert faint.max() > 0.9
    assert not structure_of("sketch", np.full((8, 8, 3), 200, np.uint8)).any()


def test_depths_are_of_any_scale() -> None:
    ramp = np.repeat(np.arange(100, 140, dtype=np.uint8)[None, :, None], 3, 2).repeat(4, 0)
    assert structure_of("depth", ramp)[0, 0].tolist() == pytest.approx(np.linspace(0, 1, 40).tolist(), abs=1e-5)
    assert not structure_of("depth", np.full((4, 4, 3), 9, np.uint8)).any()


@pytest.mark.parametrize(("kind", "said"), [("edges", "no lines"), ("sketch", "no lines"), ("depth", "one depth")])
def test_a_picture_in_which_nothing_is_drawn_is_refused(
    kind: str, said: str, drawn: list[Tensor], cutouts: Tensor
) -> None:
    blank = pictures(Image.new("RGB", (WIDE, HIGH), "white"))
    with pytest.raises(InputError, match=f"condition '{kind}' shows {said}"):
        structured({kind: blank}, plan(), draw_into(drawn), cutouts, usual())
    assert not drawn
