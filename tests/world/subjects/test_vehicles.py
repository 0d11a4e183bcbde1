"""Every one of the vehicles fills its box, shows its colour and moves smoothly."""

from __future__ import annotations

import numpy as np
import pytest

from rushes.world.subjects.tone import tone
from rushes.world.subjects.vehicles import VEHICLES


@pytest.mark.parametrize("kind", VEHICLES)
def test_fills_its_box_and_stays_in_it(look, kind):
    for phase_s in (0.0, 0.3, 0.9):
        left, top, right, bottom = look(VEHICLES[kind], phase_s=phase_s).box
        assert min(left, top) >= -0.54 and max(right, bottom) <= 0.54
        assert max(right - left, bottom - top) >= 0.85


@pytest.mark.parametrize("kind", VEHICLES)
def test_named_colour_dominates(look, kind):
    for colour in ("green", "pink"):
        assert look(VEHICLES[kind], colour).share(tone(colour), "base light dark shade") >= 0.64


@pytest.mark.parametrize("kind", VEHICLES)
def test_moves_but_never_jumps(look, kind):
    now, soon, later = (look(VEHICLES[kind], phase_s=t).rgba.astype(float) for t in (0.40, 0.42, 0.55))
    assert np.abs(now - later).max() > 40
    assert np.abs(now - soon).mean() < 4.0


@pytest.mark.parametrize("kind", VEHICLES)
def test_stands_on_the_ground(look, kind):
    for phase_s in (0.0, 0.2, 0.5):
        assert look(VEHICLES[kind], phase_s=phase_s).box[3] == pytest.approx(0.5, abs=0.03)


def test_wheels_turn_clockwise_once_in_1_2_s(look):
    start, quarter, whole = (look(VEHICLES["bicycle"], phase_s=t).rgba.astype(float) for t in (0.0, 0.3, 1.2))
    assert np.array_equal(start, whole)
    assert not np.array_equal(start, quarter)  # the crank has gone a quarter round
