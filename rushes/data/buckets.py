"""Buckets: the shapes that batches have; each clip falls into the one that loses least of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from rushes.errors import InputError
from rushes.types import VideoShape

ASPECTS = {"21:9": 21 / 9, "16:9": 16 / 9, "4:3": 4 / 3, "1:1": 1.0, "3:4": 3 / 4, "9:16": 9 / 16, "9:21": 9 / 21}


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketConfig:
    """One shape of batches: `frames` at `fps`, `height` and `width` in pixels."""

    frames: int
    fps: float
    height: int
    width: int

    def __post_init__(self) -> None:
        for name in ("frames", "height", "width"):
            if getattr(self, name) < 1:
                raise InputError(f"a bucket's {name} is {getattr(self, name)}; the nearest legal value is 1")
        if not self.fps > 0:
            raise InputError(f"a bucket's fps is {self.fps}; it must be more than 0")

    @property
    def duration_s(self) -> float:
        """Return the seconds that its frames span, from the first to the end of the last."""
        return self.frames / self.fps


def name_of(shape: VideoShape, fps: Fraction) -> str:
    """Return the natural bucket of a clip, such as `3s 16:9 24fps`: whole seconds, nearest aspect, whole fps."""
    seconds = int(shape.frames / fps) if fps else 0
    return f"{seconds}s {aspect_name(shape.width / shape.height)} {round(fps)}fps"


def aspect_name(aspect: float) -> str:
    """Return the name in ASPECTS whose ratio of width to height is nearest, by proportion."""
    return min(ASPECTS, key=lambda name: abs(_log_ratio(aspect, ASPECTS[name])))


def _log_ratio(a: float, b: float) -> float:
    return max(a / b, b / a) - 1


def choose(buckets: Sequence[BucketConfig], *, duration_s: float, fps: float, aspect: float) -> int | None:
    """Return the index of the bucket that a clip falls into, or None where it fits none.

    A bucket fits where the clip lasts as long (to within half a frame) and has at least 90 % of its frame rate. Of
    those, the one that shows most of the clip wins: share of its seconds times share of its picture after a centred
    crop; the first in the list among equals.
    """
    best, best_share = None, 0.0
    for index, bucket in enumerate(buckets):
        if duration_s < (bucket.frames - 0.5) / bucket.fps or fps < 0.9 * bucket.fps:
            continue
        wanted = bucket.width / bucket.height
        share = min(1.0, bucket.duration_s / duration_s) * min(aspect / wanted, wanted / aspect)
        if share > best_share + 1e-9:
            best, best_share = index, share
    return best
