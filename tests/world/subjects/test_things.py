"""Every one of the things fills its box, shows its colour and moves smoothly."""

from __future__ import annotations

import numpy as np
import pytest

from rushes.world.subjects.things import THINGS
from rushes.world.subjects.tone import tone


@pytest.mark.parametrize("kind", THINGS)
def test_fills_its_box_and_stays_in_it(look, kind):
    for phase_s in (0.0, 0.3, 0.9):
        left, top, right, bottom = look(THINGS[kind], phase_s=phase_s).box
        assert min(left, top) >= -0.54 and max(right, bottom) <= 0.54
        assert max(right - left, bottom - top) >= 0.85


@pytest.mark.parametrize("kind", THINGS)
def test_named_colour_dominates(look, kind):
    for colour in ("green", "pink"):
        assert look(THINGS[kind], colour).share(tone(colour), "base light dark shade") >= 0.64


@pytest.mark.parametrize("kind", THINGS)
def test_moves_but_never_jumps(look, kind):
    now, soon, later = (look(THINGS[kind], phase_s=t).rgba.astype(float) for t in (0.40, 0.42, 0.55))
    assert np.abs(now - later).max() > 40
    assert np.abs(now - soon).mean() < 4.0


@pytest.mark.parametrize("kind", THINGS)
def test_stands_on_the_ground(look, kind):
    for phase_s in (0.0, 0.2, 0.5):
        assert look(THINGS[kind], phase_s=phase_s).box[3] == pytest.approx(0.5, abs=0.03)


def test_windmill_looks_the_same_after_a_quarter_turn(look):
    start, part, quarter = (look(THINGS["windmill"], phase_s=t).rgba.astype(int) for t in (0.0, 0.5, 1.2))
    assert np.abs(start - quarter).mean() < 0.2 < np.abs(start - part).mean()
