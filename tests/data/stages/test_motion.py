"""Motion is read in fractions of width + height per frame, jitter apart from even moves."""

import numpy as np
import pytest

from rushes.data.stages.motion import jitter


@pytest.mark.parametrize("px", [0.0, 0.5, 2.0, 4.0])
def test_a_slide_reads_as_its_speed(measure, moving, px):
    row = measure("motion", moving(x=px))
    assert row["median"] == pytest.approx(px / 500, rel=0.1 if px >= 1 else 0.3, abs=0.00006)
    assert row["p10"] <= row["median"] <= row["p90"] and row["jitter"] < 0.0002


def test_a_trembling_camera_jitters(measure, moving):
    even, trembling = measure("motion", moving(x=2.0)), measure("motion", moving(shake=2.0))
    assert trembling["jitter"] > 0.003 > 10 * even["jitter"]


def test_jitter_is_the_spread_of_random_moves():
    random = np.random.default_rng(0)
    pan, tilt = random.normal(0, 0.003, (2, 20_000))
    assert jitter(pan, tilt) == pytest.approx(0.003 * np.sqrt(2), rel=0.02)
    assert jitter(np.full(9, 0.01), np.linspace(0, 1, 9)) == pytest.approx(0, abs=1e-12)
    assert jitter(pan[:2], tilt[:2]) == 0


def test_too_small_or_too_short_to_compare(measure):
    small = np.zeros((8, 8, 3), np.uint8)
    assert "below 16 px" in measure("motion", [small] * 12)["failed"]
    assert "failed" in measure("motion", [np.zeros((64, 64, 3), np.uint8)])
