"""A layer moves by itself as its drift and sway say."""

import pytest

from rushes.world.places.layer import Layer


def test_offset_adds_drift_and_sway() -> None:
    layer = Layer(depth=0.5, draw=lambda canvas: None, drift=(0.1, -0.2), sway_amplitude=0.03, sway_period_s=4.0)
    assert layer.offset(0.0) == (0.0, 0.0)
    assert layer.offset(1.0) == pytest.approx((0.13, -0.2))
    assert layer.offset(3.0) == pytest.approx((0.27, -0.6))
