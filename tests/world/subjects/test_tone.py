"""Tones hang together for every colour, and a wrong name gets the nearest one."""

from __future__ import annotations

import itertools

import pytest

from rushes.errors import InputError
from rushes.world.subjects.tone import Tone, tone
from rushes.world.vocabulary import COLOURS


def brightness(colour: int) -> int:
    return sum(colour >> shift & 255 for shift in (16, 8, 0))


@pytest.mark.parametrize("name", COLOURS)
def test_sheets_are_opaque_and_in_order(name):
    paper = tone(name)
    assert isinstance(paper, Tone)
    assert all(getattr(paper, field) >> 24 == 255 for field in paper.__slots__)
    order = [brightness(sheet) for sheet in (paper.light, paper.base, paper.dark, paper.shade)]
    assert order == sorted(order, reverse=True) and len(set(order)) == 4


@pytest.mark.parametrize("name", COLOURS)
def test_marks_and_windows_stand_out_on_the_base(name):
    paper = tone(name)
    assert abs(brightness(paper.mark) - brightness(paper.base)) > 110
    assert paper.cream != paper.base


def test_bases_are_the_table_and_far_apart():
    for name, rgb in COLOURS.items():
        assert tuple(tone(name).base >> shift & 255 for shift in (16, 8, 0)) == rgb
    for one, two in itertools.combinations(COLOURS.values(), 2):
        assert sum((a - b) ** 2 for a, b in zip(one, two, strict=True)) > 50**2


def test_unknown_colour_names_the_nearest():
    with pytest.raises(InputError, match=r"no colour 'gren'; known: green"):
        tone("gren")
