"""Cuts, dissolves and fades are found in signals alone; shots become clips of legal length."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from rushes.data import shots
from rushes.data.decode.analysis import Analysis, Pictures
from rushes.data.decode.signals import Planes, Signals
from rushes.data.shots import ShotConfig, Transition
from rushes.errors import InputError
from rushes.media.probe import Probe


def picture(seed):
    """Return luma and chroma `[3 90 320]` of a scene of its own: texture in its own range of levels and colours."""
    random = np.random.default_rng(seed)
    low, high = sorted(random.integers(20, 236, 2))
    noise = cv2.GaussianBlur(random.integers(0, 256, (90, 320), dtype=np.uint8), (0, 0), 6)
    luma = cv2.normalize(noise, None, min(int(low), 80), max(int(high), 180), cv2.NORM_MINMAX).astype(float)
    return np.stack([luma, *(128 + slope * (luma - 128) + random.normal(0, 12) for slope in random.normal(0, 0.3, 2))])


def shot(seed, count, *, slide=0.3):
    scene = picture(seed)
    return [scene[..., round(slide * i) : round(slide * i) + 160] for i in range(count)]


def mixed(old, new, count):
    """Dissolve the end of `old` into the start of `new` over `count` mixed frames."""
    parts = np.arange(1, count + 1) / (count + 1)
    return old[:-count] + [(1 - p) * a + p * b for p, a, b in zip(parts, old[-count:], new, strict=False)] + new[count:]


def flat(level):
    return np.array([level, 128, 128])[:, None, None]


def faded(old, new, count, level=0.0):
    level = flat(level)
    out = [(1 - p) * frame + p * level for p, frame in zip(np.arange(1, count + 1) / count, old[-count:], strict=True)]
    into = [p * frame + (1 - p) * level for p, frame in zip(np.arange(count) / count, new, strict=False)]
    return old[:-count] + out + into + new[count:]


def signals(frames):
    random = np.random.default_rng(0)
    collected = None
    for frame in frames:
        luma, u, v = np.clip(frame + random.normal(0, 1.5, frame.shape), 0, 255).astype(np.uint8)
        found = Planes(luma, (u, v), 8, True, 1, 0, False)
        if collected is None:
            collected = Signals(found, fps=24, motion_per_s=0.1, sharpness_per_s=0.1)
        collected.add(found)
    return collected.finish()


def found(frames, **settings):
    return [(one.kind, one.start, one.end) for one in shots.transitions(signals(frames), ShotConfig(**settings))]


def test_one_shot_has_no_transition():
    assert found(shot(1, 80)) == []
    assert found(shot(1, 1)) == [] and found(shot(1, 6)) == []


@pytest.mark.parametrize("seed", range(6))
def test_a_cut_is_found_on_its_frame(seed):
    assert found(shot(seed, 40) + shot(seed + 50, 40)) == [("cut", 40, 40)]


def test_correlation():
    random = np.random.default_rng(0)
    a, b = random.normal(128, 30, (2, 3, 400))
    assert np.abs(shots.correlation(a, b)).max() < 0.2
    np.testing.assert_allclose(shots.correlation(a, 0.5 * a + 9), 1, atol=0.001)
    assert abs(shots.correlation(a, np.full_like(a, 7))).max() < 0.05


def test_cuts_close_together():
    assert found(shot(1, 30) + shot(2, 12) + shot(3, 30)) == [("cut", 30, 30), ("cut", 42, 42)]


@pytest.mark.parametrize("count", [4, 12, 24])
def test_dissolves_are_found_with_their_extents(count):
    # Two textures may have so much in common that their mixture is nothing new: one in ten may be missed.
    films = [found(mixed(shot(seed, 50), shot(seed + 20, 60), count)) for seed in range(10)]
    hits = [film[0] for film in films if len(film) == 1 and film[0][0] == "dissolve"]
    assert len(hits) >= 9 and all(len(film) <= 1 for film in films)
    assert all(abs(start - (50 - count)) <= 3 and abs(end - 50) <= 3 for _, start, end in hits)


@pytest.mark.parametrize("level", [0.0, 255.0])
@pytest.mark.parametrize("count", [6, 12])
def test_a_fade_is_one_transition(level, count):
    ((kind, start, end),) = found(faded(shot(1, 50), shot(2, 50), count, level))
    assert kind == "fade" and abs(start - (50 - count)) <= 3 and abs(end - (50 + count)) <= 3


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_flash_is_no_transition(length):
    frames = shot(1, 80)
    frames[40 : 40 + length] = [0.3 * frame + 0.7 * flat(255) for frame in frames[40 : 40 + length]]
    assert found(frames) == []


def test_a_camera_that_corrects_its_exposure_does_not_cut():
    frames = shot(1, 80)
    light = np.array([0.75, 1, 1])[:, None, None]
    assert found(frames[:40] + [frame * light for frame in frames[40:]]) == []


def test_a_fast_pan_is_no_transition():
    scene = np.stack([cv2.resize(plane, (1600, 90)) for plane in picture(4)])
    pan = [scene[..., 6 * max(0, i - 20) : 6 * max(0, i - 20) + 160] for i in range(80)]
    assert found(pan) == []


def test_blocks_meet_without_a_seam(monkeypatch):
    frames = shot(1, 60) + shot(2, 60) + mixed(shot(3, 60), shot(4, 60), 12) + shot(5, 40)
    measured = signals(frames)
    whole = shots.transitions(measured)
    assert [one.kind for one in whole] == ["cut", "cut", "dissolve", "cut"]
    for size in (41, 100, 119, 120, 121):
        monkeypatch.setattr(shots, "_BLOCK", size)
        assert shots.transitions(measured) == whole


def analysis(frames, fps=24):
    count = len(frames)
    return Analysis(
        probe=Probe(
            container="mp4",
            codec="h264",
            width=160,
            height=90,
            fps=Fraction(fps),
            num_frames=count,
            duration_s=count / fps,
            pix_fmt="yuv420p",
            rotation=0,
        ),
        times_s=np.array([i / fps for i in range(count)]),
        signals=signals(frames),
        pictures=Pictures(times_s=np.zeros(0), jpegs=()),
    )


def test_clips_keep_clear_of_cuts_and_start_on_frames():
    measured = analysis(shot(1, 72) + shot(2, 30) + shot(3, 100))
    first, last = shots.split(measured)
    assert (first.start_s, first.end_s) == (0, Fraction(68, 24))
    assert (last.start_s, last.end_s) == (Fraction(106, 24), Fraction(202, 24))
    assert {float(first.end_s), float(last.start_s)} <= set(measured.times_s)


def test_a_dissolve_is_left_out_whole():
    measured = analysis(mixed(shot(1, 72), shot(2, 72), 12))
    (one,) = shots.transitions(measured.signals)
    assert [span.end_s for span in shots.split(measured)] == [Fraction(one.start, 24), Fraction(132, 24)]
    assert shots.split(measured)[1].start_s == Fraction(one.end, 24)


@pytest.mark.parametrize("count", [47, 48, 384, 385, 800])
def test_long_shots_are_divided_evenly(count):
    clips = shots.split(analysis(shot(1, count, slide=0.1)))
    frames = [round(clip.duration_s * 24) for clip in clips]
    assert sum(frames) == (count if count >= 48 else 0)
    assert all(48 <= each <= 384 for each in frames) and (not frames or max(frames) - min(frames) <= 1)
    assert [clip.start_s for clip in clips[1:]] == [clip.end_s for clip in clips[:-1]]


def test_odd_times_stay_exact():
    measured = analysis(shot(1, 120))
    times_s = np.array([float(Fraction(1001 * i, 30_000)) for i in range(120)])
    moved = Analysis(probe=measured.probe, times_s=times_s, signals=measured.signals, pictures=measured.pictures)
    (span,) = shots.split(moved, ShotConfig(min_s=1))
    assert span.start_s == 0 and abs(float(span.end_s) - 120 * 1001 / 30_000) < 1e-6


def test_thresholds_are_settings():
    cut = shot(1, 40) + shot(51, 40)
    assert found(cut, cut_levels=200.0) == []
    assert all(kind == "cut" for kind, *_ in found(mixed(shot(1, 50), shot(21, 60), 12), mix_score=99.0))


@pytest.mark.parametrize("change", [{"min_s": 0.0}, {"max_s": 3.0}, {"trim_frames": -1}])
def test_illegal_settings(change):
    with pytest.raises(InputError, match="the nearest legal value"):
        ShotConfig(**change)


def test_transitions_read_as_frames():
    one = Transition(kind="cut", start=7, end=7)
    assert one.start == one.end
