"""Reductions keep what they average, and the camera's fit finds a similarity among outliers."""

import cv2
import numpy as np
import pytest

from rushes.data.decode import signals


@pytest.mark.parametrize(("height", "width"), [(720, 1280), (97, 161), (1, 1), (60, 500)])
def test_shrinking_keeps_the_mean(height, width):
    random = np.random.default_rng(0)
    plane = cv2.resize(random.integers(0, 256, (5, 9), dtype=np.uint8), (width, height))
    small = signals.shrink(plane, *signals.fit(width, height, 160, 160))
    assert max(small.shape) <= 160 and abs(float(small.mean()) - plane.mean()) < 2.5


def test_ten_bits_read_like_eight():
    plane = np.random.default_rng(0).integers(16, 236, (64, 64), dtype=np.uint8)
    deep = (plane.astype(np.uint16) << 2).view("<u2")
    assert np.abs(signals.to_eight_bits(signals.halve(deep), 10).astype(int) - signals.halve(plane)).max() <= 1


@pytest.mark.parametrize(("size", "wanted"), [((1280, 720), (160, 90)), ((90, 160), (90, 160)), ((5000, 1), (160, 1))])
def test_fitting_never_enlarges(size, wanted):
    assert signals.fit(*size, 160, 160) == wanted


def test_a_similarity_is_found_among_outliers():
    random = np.random.default_rng(0)
    camera = signals.Camera((160, 90), 1)
    design = camera._design
    truth = np.stack([random.normal(0, 3, 50), random.normal(0, 3, 50), *random.normal(0, 0.02, (2, 50))], 1)
    flow = truth @ design.T + random.normal(0, 0.05, (50, len(design)))
    count = len(design) // 2
    stray = random.random((50, count)) < 0.25
    flow[:, :count] += stray * random.normal(0, 8, stray.shape)
    found, follow = signals.agreed(flow, np.full((50, count), 20.0), design)
    np.testing.assert_allclose(found, truth, atol=0.05)
    assert 0.7 < follow.mean() < 0.9


@pytest.mark.parametrize("px", [1, 4, 24, 80])
def test_the_camera_measures_a_slide(px):
    noise = np.random.default_rng(0).integers(0, 256, (720, 1440), dtype=np.uint8)
    wide = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 12), None, 0, 255, cv2.NORM_MINMAX)
    camera = signals.Camera((160, 90), 1)
    camera.add(3, signals.shrink(wide[:, 0:1280], 160, 90), signals.shrink(wide[:, px : px + 1280], 160, 90))
    indices, rows = camera.finish()
    row = dict(zip(signals.MOTION, rows[0], strict=True))
    assert indices == [3] and row["pan"] == pytest.approx(px / 2000, rel=0.06 if px > 8 else 0.2, abs=0.00003)
    assert abs(row["tilt"]) < 0.0004 and abs(row["zoom"]) < 0.003 and row["follow"] > 0.9
