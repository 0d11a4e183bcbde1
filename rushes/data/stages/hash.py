"""A clip's perceptual hash: what it looks like in its first, middle and last third, as three tiny luma pictures.

Each third is a weighted mean of the clip's pictures, not one frame: pictures of a re-timed or differently trimmed copy
are taken at other instants, and where something moves single frames then differ more than two shots of one place do.
`rushes.data.dedup` compares hashes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from rushes.data.decode.analysis import Pictures, View
from rushes.data.stages import Measure, Stage
from rushes.errors import InputError

REVISION = "1"
NUM_MEANS, HEIGHT, WIDTH = 3, 27, 48
NUM_BYTES = NUM_MEANS * HEIGHT * WIDTH
CENTRES = (1 / 6, 1 / 2, 5 / 6)  # of the clip
HALF_WIDTH = 0.5  # of the clip: neighbouring means overlap, so that none hangs on where a third begins
BAR_LEVEL = 24  # luma below which a border row or column is a letterbox bar
LARGEST_BAR = 0.3  # of the side: a dark scene is no bar


def pack(means: np.ndarray) -> bytes:
    """Return uint8 `[3 27 48]` as bytes, row by row."""
    return np.ascontiguousarray(means, np.uint8).tobytes()


def unpack(hashes: Sequence[bytes]) -> np.ndarray:
    """Return the hashes as uint8 `[n 3 27 48]`.

    Raises:
        InputError: one of them has another length.
    """
    for index, value in enumerate(hashes):
        if len(value) != NUM_BYTES:
            raise InputError(f"hash {index} has {len(value)} bytes; a hash has {NUM_BYTES}")
    return np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, NUM_MEANS, HEIGHT, WIDTH)


def means(pictures: Pictures, start_s: float, end_s: float) -> np.ndarray:
    """Return the three mean pictures of a clip that lasts from `start_s` to `end_s`, uint8 luma `[3 27 48]`.

    Raises:
        InputError: there is no picture, or one is no JPEG.
    """
    if not pictures.jpegs:
        raise InputError("the clip has no pictures")
    gray = [_gray(index, jpeg) for index, jpeg in enumerate(pictures.jpegs)]
    rows, columns = content(gray)
    small = np.stack([_shrink(picture[rows, columns]) for picture in gray])
    at = (pictures.times_s - start_s) / (end_s - start_s)
    away = np.clip((at[None] - np.array(CENTRES)[:, None]) / HALF_WIDTH, -1, 1)
    weights = 1 + np.cos(np.pi * away) + 1e-3  # Hann windows; never all nothing
    weights /= weights.sum(axis=1, keepdims=True)
    return np.round(np.tensordot(weights, small, 1)).astype(np.uint8)


def _gray(index: int, jpeg: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE) if jpeg else None
    if picture is None:
        raise InputError(f"picture {index} is no JPEG")
    return picture


def content(gray: Sequence[np.ndarray]) -> tuple[slice, slice]:
    """Return the rows and columns inside letterbox bars, which are dark in all pictures and at most 30 % a side."""
    brightest = np.max(np.stack(gray), axis=0)
    return _inside(brightest.max(axis=1)), _inside(brightest.max(axis=0))


def _inside(peaks: np.ndarray) -> slice:
    bright = np.flatnonzero(peaks >= BAR_LEVEL)
    most = int(len(peaks) * LARGEST_BAR)
    if not len(bright) or bright[0] > most or len(peaks) - 1 - bright[-1] > most:
        return slice(0, len(peaks))
    return slice(int(bright[0]), int(bright[-1]) + 1)


def _shrink(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)


def measure(views: Sequence[View]) -> list[dict[str, Any]]:
    """Return one row per clip."""
    rows: list[dict[str, Any]] = []
    for view in views:
        span = view.clip.span
        try:
            rows.append({"means": pack(means(view.analysis.pictures, float(span.start_s), float(span.end_s)))})
        except InputError as error:
            rows.append({"failed": str(error)})
    return rows


def version(argument: str) -> str:
    """Return our revision; there is no setting."""
    return REVISION


def load(argument: str) -> Measure:
    """Return the function that measures; there is nothing to load."""
    return measure


SPEC = Stage(name="hash", columns={"means": "binary"}, version=version, load=load)
