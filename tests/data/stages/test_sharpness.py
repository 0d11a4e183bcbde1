"""Sharpness falls with every blur, and is the variance of the Laplacian."""

import cv2
import numpy as np
import pytest


def test_blur_lowers_it(measure):
    noise = np.random.default_rng(0).integers(0, 256, (512, 640, 1), dtype=np.uint8).repeat(3, axis=2)
    sharp = [cv2.GaussianBlur(noise, (0, 0), sigma) for sigma in (1.0, 1.5, 2.5, 5.0)]
    rows = [measure("sharpness", [picture] * 24) for picture in sharp]
    medians = [row["median"] for row in rows]
    assert medians == sorted(medians, reverse=True) and medians[0] > 20 * medians[-1]
    grey = cv2.cvtColor(sharp[0], cv2.COLOR_RGB2GRAY)
    assert medians[0] == pytest.approx(cv2.Laplacian(grey, cv2.CV_64F).var(), rel=0.15)
    assert rows[0]["at_px"] == 512 and rows[0]["lowest"] <= medians[0] <= rows[0]["highest"]


def test_a_small_film_is_measured_as_it_is(measure, moving):
    assert measure("sharpness", moving(24))["at_px"] == 180
