"""A frozen stretch is found with its length; repeated frames of a cartoon are no freeze."""

import numpy as np
import pytest

from rushes.data.stages.freeze import runs


def test_a_stretch_that_stands_is_frozen(measure, moving):
    pictures = moving(48, x=1.0)
    row = measure("freeze", pictures[:12] + [pictures[12]] * 24 + pictures[12:24])
    assert row["longest_s"] == pytest.approx(1.0, abs=0.1) and row["share"] == pytest.approx(0.5, abs=0.05)


def test_a_moving_film_is_not_frozen(measure, moving):
    assert measure("freeze", moving(24, x=0.5))["share"] == 0


def test_drawn_on_twos_is_not_frozen(measure, moving):
    row = measure("freeze", [picture for picture in moving(24, x=2.0) for _ in range(2)])
    assert row["share"] == 0 and row["repeated"] == pytest.approx(0.5, abs=0.1)


def test_noise_of_a_standing_camera_is_not_frozen(measure, moving):
    random = np.random.default_rng(0)
    still = moving(1)[0].astype(int)
    noisy = [np.clip(still + random.normal(0, 4, still.shape), 0, 255).astype(np.uint8) for _ in range(24)]
    assert measure("freeze", noisy)["share"] == 0


def test_runs():
    assert runs(np.array([True, True, False, True])).tolist() == [[0, 2], [3, 4]]
    assert runs(np.zeros(3, bool)).tolist() == [] and runs(np.zeros(0, bool)).tolist() == []
