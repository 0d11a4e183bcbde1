"""The hash: three mean pictures that hardly change when a clip is copied."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from rushes.data.decode.analysis import Analysis, Pictures, View
from rushes.data.stages import hash as hashes
from rushes.errors import InputError
from rushes.media.probe import Probe
from rushes.types import Clip, Span, VideoShape


def picture(seed: int, shift: int = 0) -> np.ndarray:
    """Return smooth noise, uint8 `[180 320 3]`, moved right by `shift` px."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 16, 3)).astype(np.uint8)
    return np.roll(cv2.resize(coarse, (320, 180), interpolation=cv2.INTER_CUBIC), shift, axis=1)


def pictures(frames: list[np.ndarray], per_s: float = 4.0, start_s: float = 0.0, quality: int = 85) -> Pictures:
    jpegs = tuple(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes() for frame in frames)
    return Pictures(times_s=start_s + np.arange(len(frames)) / per_s, jpegs=jpegs)


def view_of(shown: Pictures) -> View:
    """Return a clip of 3 s of which these pictures were kept."""
    shape, fps = VideoShape(frames=72, height=180, width=320), Fraction(24)
    clip = Clip(id="a", source="b", span=Span(start_s=Fraction(0), end_s=Fraction(3)), shape=shape, fps=fps)
    probe = Probe(
        container="mp4",
        codec="h264",
        width=320,
        height=180,
        fps=fps,
        num_frames=72,
        duration_s=3.0,
        pix_fmt="yuv420p",
        rotation=0,
    )
    return View(clip=clip, analysis=Analysis(probe=probe, times_s=np.arange(72) / 24, signals={}, pictures=shown))


MOVING = [picture(1, 4 * i) for i in range(12)]


def test_a_hash_survives_packing() -> None:
    means = hashes.means(pictures(MOVING), 0.0, 3.0)
    assert means.shape == (3, 27, 48) and means.dtype == np.uint8
    np.testing.assert_array_equal(hashes.unpack([hashes.pack(means)] * 2), np.stack([means] * 2))


def test_thirds_follow_time() -> None:
    dark_to_bright = [np.full((180, 320, 3), 20 + 18 * i, np.uint8) for i in range(12)]
    levels = hashes.means(pictures(dark_to_bright), 0.0, 3.0).mean(axis=(1, 2))
    assert levels[0] + 30 < levels[1] < levels[2] - 30


def test_another_place_on_the_timeline_and_another_rate_change_little() -> None:
    plain = hashes.means(pictures(MOVING), 0.0, 3.0).astype(int)
    later = hashes.means(pictures(MOVING, start_s=70.0), 70.0, 73.0)
    slower = hashes.means(pictures(MOVING, per_s=4 / 1.04), 0.0, 3.12)
    np.testing.assert_array_equal(plain, later)
    assert np.abs(plain - slower).max() <= 1


def test_compression_changes_little() -> None:
    plain, poor = (hashes.means(pictures(MOVING, quality=quality), 0.0, 3.0).astype(int) for quality in (95, 25))
    assert np.abs(plain - poor).mean() < 2


def test_letterbox_bars_are_left_out() -> None:
    boxed = [cv2.copyMakeBorder(frame, 30, 30, 0, 0, cv2.BORDER_CONSTANT) for frame in MOVING]
    plain, without = (hashes.means(pictures(frames), 0.0, 3.0).astype(int) for frames in (MOVING, boxed))
    assert np.abs(plain - without).mean() < 3


def test_a_dark_scene_has_no_bars() -> None:
    dark = np.zeros((180, 320), np.uint8)
    dark[85:95, 150:170] = 90
    assert hashes.content([dark]) == (slice(0, 180), slice(0, 320))


def test_one_picture_is_enough() -> None:
    means = hashes.means(pictures(MOVING[:1]), 0.0, 0.2)
    np.testing.assert_array_equal(means[0], means[2])


@pytest.mark.parametrize("jpegs", [(), (b"",), (b"no jpeg",)])
def test_a_clip_without_usable_pictures_fails_with_a_reason(jpegs: tuple[bytes, ...]) -> None:
    spoiled = Pictures(times_s=np.arange(len(jpegs), dtype=float), jpegs=jpegs)
    (row,) = hashes.SPEC.load("")([view_of(spoiled)])
    assert set(row) == {"failed"} and "picture" in row["failed"]


def test_the_stage_gives_its_columns() -> None:
    (row,) = hashes.SPEC.load("")([view_of(pictures(MOVING))])
    assert set(row) == set(hashes.SPEC.columns) and len(row["means"]) == hashes.NUM_BYTES
    assert hashes.SPEC.version("") == hashes.REVISION


def test_a_hash_of_another_length_is_refused() -> None:
    with pytest.raises(InputError, match="hash 1 has 3 bytes"):
        hashes.unpack([b"\0" * hashes.NUM_BYTES, b"abc"])
