"""The camera's class is the one it was moved with."""

import numpy as np
import pytest

MOVES = {
    "still": {},
    "pan_right": {"x": 2.0},
    "pan_left": {"x": -2.0},
    "tilt_down": {"y": 1.5},
    "tilt_up": {"y": -1.5},
    "zoom_in": {"zoom": 1.008},
    "zoom_out": {"zoom": 1 / 1.008},
    "shake": {"shake": 2.0},
}


@pytest.mark.parametrize("kind", MOVES)
def test_the_class_is_the_move(measure, moving, kind):
    row = measure("camera", moving(**MOVES[kind]))
    assert row["kind"] == kind and row["confidence"] > (0.6 if kind == "shake" else 0.9)


def test_speeds_are_per_second(measure, moving):
    row = measure("camera", moving(x=2.0, zoom=1.004), fps=30)
    assert row["pan_per_s"] == pytest.approx(2 / 500 * 30, rel=0.1)
    assert row["zoom_per_s"] == pytest.approx(0.004 * 30, rel=0.3)


def test_something_that_moves_before_a_standing_camera_is_no_pan(measure, moving):
    pictures = moving()
    for index, picture in enumerate(pictures):
        picture[60:120, 4 * index : 4 * index + 60] = np.random.default_rng(5).integers(0, 255, (60, 60, 3))
    assert measure("camera", pictures)["kind"] == "still"
