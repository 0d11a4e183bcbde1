"""Every one of the water fills its box, shows its colour and moves smoothly."""

from __future__ import annotations

import numpy as np
import pytest

from rushes.world.subjects.tone import tone
from rushes.world.subjects.water import WATER


@pytest.mark.parametrize("kind", WATER)
def test_fills_its_box_and_stays_in_it(look, kind):
    for phase_s in (0.0, 0.3, 0.9):
        left, top, right, bottom = look(WATER[kind], phase_s=phase_s).box
        assert min(left, top) >= -0.54 and max(right, bottom) <= 0.54
        assert max(right - left, bottom - top) >= 0.85


@pytest.mark.parametrize("kind", WATER)
def test_named_colour_dominates(look, kind):
    for colour in ("green", "pink"):
        assert look(WATER[kind], colour).share(tone(colour), "base light dark shade") >= 0.64


@pytest.mark.parametrize("kind", WATER)
def test_moves_but_never_jumps(look, kind):
    now, soon, later = (look(WATER[kind], phase_s=t).rgba.astype(float) for t in (0.40, 0.42, 0.55))
    assert np.abs(now - later).max() > 40
    assert np.abs(now - soon).mean() < 4.0


@pytest.mark.parametrize("kind", WATER)
def test_hull_crosses_the_waterline(look, kind):
    rgba = look(WATER[kind]).rgba
    row = rgba[round(100 + 0.35 * 160), :, 3] > 128
    assert row.mean() > 0.3  # wide at y = 0.35
    assert 0.4 < look(WATER[kind]).box[3] <= 0.5
