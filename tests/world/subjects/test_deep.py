"""Every one of the deep fills its box, shows its colour and moves smoothly."""

from __future__ import annotations

import numpy as np
import pytest

from rushes.world.subjects.deep import DEEP
from rushes.world.subjects.tone import tone


@pytest.mark.parametrize("kind", DEEP)
def test_fills_its_box_and_stays_in_it(look, kind):
    for phase_s in (0.0, 0.3, 0.9):
        left, top, right, bottom = look(DEEP[kind], phase_s=phase_s).box
        assert min(left, top) >= -0.54 and max(right, bottom) <= 0.54
        assert max(right - left, bottom - top) >= 0.85


@pytest.mark.parametrize("kind", DEEP)
def test_named_colour_dominates(look, kind):
    for colour in ("green", "pink"):
        assert look(DEEP[kind], colour).share(tone(colour), "base light dark shade") >= 0.64


@pytest.mark.parametrize("kind", DEEP)
def test_moves_but_never_jumps(look, kind):
    now, soon, later = (look(DEEP[kind], phase_s=t).rgba.astype(float) for t in (0.40, 0.42, 0.55))
    assert np.abs(now - later).max() > 40
    assert np.abs(now - soon).mean() < 4.0


def test_octopus_arms_wave_and_head_does_not(look):
    one, two = (look(DEEP["octopus"], phase_s=t).rgba.astype(int) for t in (0.0, 0.5))
    changed = np.abs(one - two).max(axis=(1, 2)) > 40
    assert changed[150:].any() and not changed[:90].any()
