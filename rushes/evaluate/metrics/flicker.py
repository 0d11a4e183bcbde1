"""How much films flicker: the second difference of their luma over time, beside that of real films."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rushes.errors import InputError
from rushes.evaluate.metric import Metric, Row
from rushes.types import Video

LEAST_FRAMES = 3


def flicker(frames: np.ndarray) -> float:
    """Return the mean of |x[t-1] - 2 x[t] + x[t+1]| / 2 over pixels and times, in levels of luma (0..255).

    Steady fades score 0 and a picture that jumps by a level and back scores 1, so what is left is flicker and the
    edges of what moves. VBench takes the first difference, which mostly measures motion.

    Raises:
        InputError: fewer than 3 frames.
    """
    if len(frames) < LEAST_FRAMES:
        raise InputError(f"flicker needs {LEAST_FRAMES} frames, not {len(frames)}")
    luma = frames.astype(np.float32) @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    return float(np.abs(luma[:-2] - 2 * luma[1:-1] + luma[2:]).mean() / 2)


def measure(films: Sequence[Video], against: Sequence[Video]) -> list[Row]:
    """Score consecutive frames of films beside the real films of the same scenes, a row each.

    Raises:
        InputError: another number of films, or films with fewer than 3 frames.
    """
    if len(films) != len(against):
        raise InputError(f"there are {len(films)} films for {len(against)} real ones")
    pairs = zip(films, against, strict=True)
    return [{"flicker": flicker(film.frames), "real": flicker(real.frames)} for film, real in pairs]


SPEC = Metric(
    name="flicker",
    source="after VBench (arXiv 2311.17982), temporal flickering",
    measure=measure,
)
