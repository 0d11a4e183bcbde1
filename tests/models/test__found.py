"""Tests of finding subjects: at the right place, side and facing, in any light, as much as they explain."""

import pytest
import torch
from torch import Tensor

from rushes import layouts
from rushes.models._draft import laid, pixels
from rushes.models._found import Spot, covered, find

GRID, CELL = (9, 16), 16
REACH = layouts.reach(*GRID)
SIZE = (GRID[0] * CELL, GRID[1] * CELL)


@pytest.fixture
def cutout() -> Tensor:
    """A thing that faces right: a square with a bright head at its right and a dark foot."""
    sheet = torch.zeros(4, layouts.CUTOUT_PX, layouts.CUTOUT_PX)
    sheet[:, 16:36, 8:32] = torch.tensor([0.8, 0.3, 0.2, 1.0])[:, None, None]
    sheet[:, 8:20, 28:40] = torch.tensor([0.9, 0.9, 0.4, 1.0])[:, None, None]
    sheet[:, 36:40, 10:14] = torch.tensor([0.1, 0.1, 0.2, 1.0])[:, None, None]
    return sheet


@pytest.fixture
def place() -> Tensor:
    """Sky over ground, with something that stands about."""
    place = torch.linspace(0.9, 0.4, SIZE[0])[None, :, None].expand(3, *SIZE).clone()
    place[:, 96:] = torch.tensor([0.2, 0.5, 0.2])[:, None, None]
    place[:, 40:100, 200:220] = 0.3
    return place


def shown(place: Tensor, cutout: Tensor, spot: Spot, light: float = 1.0) -> Tensor:
    """Return a place with a subject before it."""
    row = torch.tensor([spot.x, spot.y, spot.side, 0.0, 1.0, spot.facing, 1.0])
    rows = torch.zeros(1, 4, layouts.COLUMNS)
    rows[:, :, layouts.columns(0)] = row
    pair = torch.stack((cutout, torch.zeros_like(cutout)))[None]
    corner = (torch.zeros(1), torch.zeros(1))
    colours, alpha = laid(rows, pair, pixels(*GRID, CELL, corner, GRID))
    colours = (colours[0, :, 0] + alpha[0, :, 0]) / 2
    return light * colours + (1 - alpha[0, :, 0]) * place


@pytest.mark.parametrize(("facing", "light", "side"), [(1.0, 1.0, 0.0), (-1.0, 0.4, -0.6), (-1.0, 1.0, 0.45)])
def test_a_subject_is_found_in_any_light(
    cutout: Tensor, place: Tensor, facing: float, light: float, side: float
) -> None:
    there = Spot(-0.35, 0.1, side, facing, 1.0)
    found = find(shown(place, cutout, there, light), place, cutout, REACH, (0.0, 0.0))
    within = 0.06 * layouts.USUAL_SIDE * 2**side
    assert found.x == pytest.approx(there.x, abs=within) and found.y == pytest.approx(there.y, abs=within)
    assert found.side == pytest.approx(side, abs=0.16) and found.facing == facing and found.share > 0.7


def test_a_subject_at_the_edge_is_found(cutout: Tensor, place: Tensor) -> None:
    there = Spot(REACH[0] - 0.02, 0.1, 0.0, 1.0, 1.0)
    found = find(shown(place, cutout, there), place, cutout, REACH, (0.0, 0.0))
    assert found.x == pytest.approx(there.x, abs=0.06) and found.y == pytest.approx(0.1, abs=0.06)


def test_where_nothing_is_little_is_explained(cutout: Tensor, place: Tensor) -> None:
    torch.manual_seed(0)
    grainy = (place + 0.02 * torch.randn(place.shape)).clamp(0, 1)
    assert find(grainy, place, cutout, REACH, (0.0, 0.0)).share < 0.2


def test_of_two_that_are_alike_the_usual_one_is_found(cutout: Tensor, place: Tensor) -> None:
    low, high = Spot(-0.4, 0.25, 0.0, 1.0, 1.0), Spot(0.4, -0.3, 0.0, 1.0, 1.0)
    both = shown(shown(place, cutout, low), cutout, high)
    assert find(both, place, cutout, REACH, (0.25, 0.0)).x == pytest.approx(low.x, abs=0.03)
    assert find(both, place, cutout, REACH, (-0.3, 0.0)).x == pytest.approx(high.x, abs=0.03)


@pytest.mark.parametrize("spot", [Spot(0.2, -0.1, -0.3, -1.0, 1.0), Spot(-REACH[0], 0.5, 0.3, 1.0, 1.0)])
def test_what_a_subject_covers_is_where_it_is(cutout: Tensor, place: Tensor, spot: Spot) -> None:
    mask = covered(spot, cutout, SIZE, REACH)
    apart = (shown(place, cutout, spot) - place).abs().sum(0) > 0.02
    assert mask.shape == SIZE and float(mask.max()) > 0.9
    assert float((apart & (mask < 0.02)).sum()) < 0.12 * float(apart.sum())
