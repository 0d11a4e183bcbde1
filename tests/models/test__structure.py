"""Tests of structures: lines are where pictures change, and each patch hears of those that lie in it."""

import torch

from rushes.models._structure import Structure, lines


def test_a_line_is_where_two_colours_meet() -> None:
    picture = torch.zeros(1, 3, 20, 40)
    picture[..., 20:] = 1.0
    found = lines(picture)[0, 0]
    assert found.shape == (20, 40) and found[:, 19:21].all() and not found[:, :19].any() and not found[:, 21:].any()
    assert 0.8 < float(found.max()) < 1 and not lines(torch.full((1, 3, 8, 8), 0.3)).any()


def test_a_faint_edge_is_a_faint_line() -> None:
    picture = torch.zeros(2, 3, 8, 8)
    picture[0, ..., 4:], picture[1, ..., 4:] = 0.05, 0.6
    faint, hard = lines(picture).amax((1, 2, 3))
    assert 0.1 < faint < 0.6 < hard


def test_each_patch_hears_of_its_own_lines_alone() -> None:
    layer, told = Structure(8, 16), torch.zeros(1, 4, 32, 48)
    assert not layer(told).any()
    torch.nn.init.normal_(layer.into.weight)
    told[0, 0, 16:, 32:] = torch.rand(16, 16)
    added = layer(told)
    assert added.shape == (1, 6, 8) and not added[0, :5].any() and added[0, 5].any()
