"""Tests what is known of a viewer: their taste, how long they have sat, and when a break is due."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from rushes.studio.feed.films import empty
from rushes.studio.feed.viewer import Viewer
from rushes.studio.feed.words import embed

MIN = 60.0


def test_taste_goes_where_one_liked_and_away_from_what_one_did_not() -> None:
    prompts = ("a boat", "a cat", "night")
    films = dataclasses.replace(
        empty(3), row_of={text: i for i, text in enumerate(prompts)}, vector=np.array([embed(text) for text in prompts])
    )
    viewer = Viewer(reactions=(("a boat", "like"), ("night", "not_interested"), ("gone", "like"), ("a cat", "follow")))
    taste = viewer.taste(films)
    assert np.linalg.norm(taste) == pytest.approx(1, abs=1e-5)
    assert taste @ embed("boat") > 0.3 > -0.3 > taste @ embed("night")
    assert viewer.near(films).tolist() == [0]
    assert not Viewer().taste(films).any()


def watched(*minutes: float, **changed) -> Viewer:
    return Viewer(seen=tuple((f"p{m}", m * MIN) for m in sorted(minutes, reverse=True)), **changed)


def test_a_sitting_ends_with_a_pause() -> None:
    assert watched(0, 5, 10).sitting_s(12 * MIN) == 12 * MIN
    assert watched(0, 5, 30, 35).sitting_s(36 * MIN) == 6 * MIN
    assert watched(0).sitting_s(60 * MIN) == 0


def test_a_break_is_due_once_every_so_many_minutes() -> None:
    said = [watched(*range(minute), break_min=20).is_break_due(minute * MIN) for minute in range(1, 62)]
    assert [minute for minute, due in enumerate(said, 1) if due] == [20, 40, 60]
    assert not watched(*range(30), break_min=0).is_break_due(30 * MIN)
    assert not Viewer().is_break_due(0.0)
