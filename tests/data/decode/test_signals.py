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
    camera = signals.Camera((80, 45), 1)
    design = camera._design
    truth = np.stack([*random.normal(0, 1.5, (2, 50)), *random.normal(0, 0.02, (2, 50))], 1)
    flow = truth @ design.T + random.normal(0, 0.025, (50, len(design)))
    count = len(design) // 2
    stray = random.random((50, count)) < 0.25
    flow[:, :count] += stray * random.normal(0, 4, stray.shape)
    found, follow = signals.agreed(flow, np.full((50, count), 20.0), design)
    np.testing.assert_allclose(found, truth, atol=0.05)
    assert 0.7 < follow.mean() < 0.9


@pytest.mark.parametrize("px", [1, 4, 24, 80])
def test_the_camera_measures_a_slide(px):
    noise = np.random.default_rng(0).integers(0, 256, (720, 1440), dtype=np.uint8)
    wide = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 12), None, 0, 255, cv2.NORM_MINMAX)
    camera = signals.Camera((80, 45), 1)
    camera.add(3, *(signals.halve(signals.shrink(wide[:, x : x + 1280], 80, 45)) for x in (0, px)))
    indices, rows = camera.finish()
    row = dict(zip(signals.MOTION, rows[0], strict=True))
    assert indices == [3] and row["pan"] == pytest.approx(px / 2000, rel=0.06 if px > 8 else 0.2, abs=0.00003)
    assert abs(row["tilt"]) < 0.0004 and abs(row["zoom"]) < 0.003 and row["follow"] > 0.9


def film(count: int) -> list[signals.Planes]:
    """Return frames of noise in colour."""
    random = np.random.default_rng(count)
    sizes = ((96, 160), (48, 80), (48, 80))
    drawn = [[random.integers(0, 256, size, dtype=np.uint8) for size in sizes] for _ in range(count)]
    return [signals.Planes(luma, (u, v), 8, False, 1, 0, False) for luma, u, v in drawn]


@pytest.mark.parametrize("count", [1, 15, 16, 17, 40])
def test_how_many_frames_are_measured_together_changes_nothing(monkeypatch, count):
    found = []
    for together in (1, 16):
        monkeypatch.setattr(signals, "MEASURE_TOGETHER", together)
        frames = film(count)
        measured = signals.Signals(frames[0], fps=24, motion_per_s=6, sharpness_per_s=1)
        for frame in frames:
            measured.add(frame)
        found.append(measured.finish())
    for name, values in found[0].items():
        np.testing.assert_array_equal(values, found[1][name], err_msg=name)
    assert len(found[0]["luma"]) == count


def test_chroma_far_from_grey_falls_into_the_end_bins():
    planes = [np.full((48, 80), level, np.uint8) for level in (0, 99, 100, 155, 156, 255)]
    frames = [signals.Planes(np.full((96, 160), 90, np.uint8), (u, u), 8, False, 1, 0, False) for u in planes]
    measured = signals.Signals(frames[0], fps=24, motion_per_s=6, sharpness_per_s=1)
    for frame in frames:
        measured.add(frame)
    chroma = measured.finish()["histogram"][:, signals.LUMA_BINS :].reshape(-1, 2, signals.CHROMA_BINS)
    assert chroma.argmax(axis=2).tolist() == [[0, 0], [0, 0], [1, 1], [14, 14], [15, 15], [15, 15]]


@pytest.mark.parametrize("bars", [(0, 0, 0, 0), (12, 9, 0, 0), (0, 0, 7, 0), (0, 0, 0, 1), (5, 0, 0, 3)])
def test_bars_are_counted_from_each_edge(bars):
    top, bottom, left, right = bars
    luma = np.full((72, 128), 16, np.uint8)
    luma[top : 72 - bottom, left : 128 - right] = 120
    assert signals.bar_px(signals.Planes(luma, None, 8, False, 1, 0, False)).tolist() == list(bars)


def test_a_black_frame_has_no_bars_to_count():
    black = signals.Planes(np.full((72, 128), 16, np.uint8), None, 8, False, 1, 0, False)
    assert np.isnan(signals.bar_px(black)).all()
