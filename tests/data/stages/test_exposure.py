"""Black and blown frames are counted; luma and contrast are shares of full scale."""

import numpy as np
import pytest


def level(value):
    return np.full((90, 160, 3), value, np.uint8)


def test_black_and_blown_frames_are_counted(measure):
    row = measure("exposure", [level(0)] * 12 + [level(255)] * 6 + [level(128)] * 6)
    assert (row["black"], row["blown"]) == (0.5, 0.25)
    assert row["luma"] == pytest.approx((6 * 255 + 6 * 128) / 24 / 255, abs=0.01)


def test_half_a_frame_of_contrast(measure):
    picture = level(0)
    picture[:, 80:] = 200
    row = measure("exposure", [picture] * 6)
    assert row["contrast"] == pytest.approx(100 / 255, abs=0.02) and row["black"] == row["blown"] == 0
