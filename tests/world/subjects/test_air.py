"""Every one of the air fills its box, shows its colour and moves smoothly."""

from __future__ import annotations

import numpy as np
import pytest

from rushes.world.subjects.air import AIR
from rushes.world.subjects.tone import tone


@pytest.mark.parametrize("kind", AIR)
def test_fills_its_box_and_stays_in_it(look, kind):
    for phase_s in (0.0, 0.3, 0.9):
        left, top, right, bottom = look(AIR[kind], phase_s=phase_s).box
        assert min(left, top) >= -0.54 and max(right, bottom) <= 0.54
        assert max(right - left, bottom - top) >= 0.85


@pytest.mark.parametrize("kind", AIR)
def test_named_colour_dominates(look, kind):
    for colour in ("green", "pink"):
        assert look(AIR[kind], colour).share(tone(colour), "base light dark shade") >= 0.64


@pytest.mark.parametrize("kind", AIR)
def test_moves_but_never_jumps(look, kind):
    now, soon, later = (look(AIR[kind], phase_s=t).rgba.astype(float) for t in (0.40, 0.42, 0.55))
    assert np.abs(now - later).max() > 40
    assert np.abs(now - soon).mean() < 4.0


def test_bird_beats_its_wings_above_and_below(look):
    tops = [look(AIR["bird"], phase_s=k * 0.05).box[1] for k in range(12)]
    assert max(tops) - min(tops) > 0.1


def test_star_points_up(look):
    rgba = look(AIR["star"]).rgba
    assert (rgba[:60, :, 3] > 128).sum() < (rgba[100:160, :, 3] > 128).sum()
