"""Tests of buckets: names, and which shape loses least of a clip."""

from fractions import Fraction

import pytest

from rushes.data import buckets
from rushes.data.buckets import BucketConfig
from rushes.errors import InputError
from rushes.types import VideoShape

WIDE = BucketConfig(frames=24, fps=8, height=90, width=160)
SQUARE = BucketConfig(frames=24, fps=8, height=96, width=96)
SHORT = BucketConfig(frames=8, fps=8, height=90, width=160)


def test_names_say_seconds_aspect_and_rate():
    shape = VideoShape(frames=90, height=720, width=1280)
    assert buckets.name_of(shape, Fraction(30000, 1001)) == "3s 16:9 30fps"
    assert (
        buckets.aspect_name(1.0) == "1:1" and buckets.aspect_name(0.57) == "9:16" and buckets.aspect_name(9) == "21:9"
    )


@pytest.mark.parametrize(
    ("duration_s", "fps", "aspect", "chosen"),
    [
        (3.0, 24, 16 / 9, 0),
        (2.95, 24, 16 / 9, 0),  # half a frame short of three seconds
        (2.5, 24, 16 / 9, 2),
        (5.0, 24, 1.1, 1),
        (0.5, 24, 16 / 9, None),
        (3.0, 6, 16 / 9, None),
    ],
)
def test_a_clip_falls_where_it_loses_least(duration_s, fps, aspect, chosen):
    assert buckets.choose((WIDE, SQUARE, SHORT), duration_s=duration_s, fps=fps, aspect=aspect) == chosen


def test_illegal_buckets_are_refused():
    with pytest.raises(InputError, match="frames is 0; the nearest legal value is 1"):
        BucketConfig(frames=0, fps=8, height=8, width=8)
    with pytest.raises(InputError, match="fps is 0"):
        BucketConfig(frames=1, fps=0, height=8, width=8)
