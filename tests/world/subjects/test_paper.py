"""Scissors and glue: unions, holes, strips, turns and cycles do what they say."""

from __future__ import annotations

import pytest
import skia

from rushes.world.subjects.paper import cut, cycle, frame, join, moved, outline, strip, turned, wave


def test_cut_unites_parts_and_removes_holes():
    path = cut("R -0.4 -0.1 0 0.1 0", "O 0.1 0 0.2 0.2", holes=("O 0.1 0 0.05 0.05",))
    assert path.contains(-0.3, 0.0) and path.contains(0.25, 0.0)
    assert not path.contains(0.1, 0.0) and not path.contains(-0.3, 0.2)


def test_strip_is_as_wide_as_asked():
    bounds = strip(0.1, "M -0.3 0 L 0.3 0").getBounds()
    assert (bounds.left(), bounds.top()) == pytest.approx((-0.35, -0.05), abs=0.003)


def test_outline_matches_strip():
    line = skia.Path()
    line.moveTo(-0.3, 0.0)
    line.lineTo(0.3, 0.0)
    assert outline(line, 0.1).getBounds() == strip(0.1, "M -0.3 0 L 0.3 0").getBounds()


def test_turned_is_clockwise_about_the_pin():
    bounds = turned(cut("R 0 -0.05 0.4 0.05 0"), 90.0, 0.0, 0.0).getBounds()
    assert bounds.bottom() == pytest.approx(0.4, abs=1e-4) and bounds.left() == pytest.approx(-0.05, abs=1e-4)


def test_join_leaves_the_originals_alone():
    square = cut("R -0.1 -0.1 0.1 0.1 0")
    whole = join(square, moved(square, skia.Matrix.Translate(0.3, 0.0)))
    assert whole.contains(0.3, 0.0) and whole.contains(0.0, 0.0) and not square.contains(0.3, 0.0)


def test_frames_follow_the_wave():
    assert frame(0.0, 0.8) == frame(0.8, 0.8) == 0
    for phase_s in (0.1, 0.33, 1.7):
        assert cycle(frame(phase_s, 0.8)) == pytest.approx(wave(phase_s, 0.8), abs=0.07)


def test_an_unknown_verb_is_our_own_mistake():
    with pytest.raises(KeyError):
        cut("X 1 2")
