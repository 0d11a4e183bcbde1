"""Show the captioner a clip of a dataset or a file: ten small pictures, a detail, when they were, how long it lasts."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from rushes.data.decode.analysis import View
from rushes.errors import InputError
from rushes.media import decode
from rushes.media.probe import probe
from rushes.models.captioner import HEIGHT, NUM_FRAMES, WIDTH, reading_times

STILL_S = 3.0  # a still is shown as a film in which nothing moves
MOST_BYTES = 2**20  # of one kept picture; they have about ten thousand


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Showing:
    """Pictures uint8 `[10 90 160 3]` at `times_s` float32 `[10]`, ascending, of a film of `duration_s` seconds.

    `detail [90 160 3]` is part of the sixth picture before it was made small.
    """

    frames: np.ndarray
    detail: np.ndarray
    times_s: np.ndarray
    duration_s: float
    is_still: bool = False


def fit(picture: np.ndarray) -> np.ndarray:
    """Return a picture uint8 `[h w 3]` at 160x90; what another aspect leaves free repeats the picture's edge."""
    h, w = picture.shape[:2]
    scale = min(HEIGHT / h, WIDTH / w)
    rows, columns = min(HEIGHT, max(1, round(h * scale))), min(WIDTH, max(1, round(w * scale)))
    small = Image.fromarray(picture).resize(
        (columns, rows), Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    )
    top, left = (HEIGHT - rows) // 2, (WIDTH - columns) // 2
    around = ((top, HEIGHT - rows - top), (left, WIDTH - columns - left), (0, 0))
    return np.pad(np.asarray(small), around, mode="edge")


def detail(picture: np.ndarray) -> np.ndarray:
    """Return the middle of a picture uint8 `[h w 3]`, `[90 160 3]`; what a smaller one lacks repeats its edge."""
    h, w = picture.shape[:2]
    top, left = max(0, (h - HEIGHT) // 2), max(0, (w - WIDTH) // 2)
    part = picture[top : top + HEIGHT, left : left + WIDTH]
    rows, columns = HEIGHT - part.shape[0], WIDTH - part.shape[1]
    return np.pad(part, ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2), (0, 0)), mode="edge")


def show_clip(view: View) -> Showing:
    """Show a clip by the pictures that analysis kept of it.

    Raises:
        InputError: there are none, or one is no picture.
    """
    kept = view.analysis.pictures
    if not kept.jpegs:
        raise InputError("analysis kept no picture of this clip")
    start_s, duration_s = float(view.clip.span.start_s), float(view.clip.span.duration_s)
    wanted = start_s + reading_times(duration_s)
    nearest = np.abs(kept.times_s[:, None] - wanted).argmin(0)
    pictures = {int(index): unpack(kept.jpegs[index]) for index in set(nearest.tolist())}
    small = {index: fit(picture) for index, picture in pictures.items()}
    return Showing(
        frames=np.stack([small[int(index)] for index in nearest]),
        detail=detail(pictures[int(nearest[NUM_FRAMES // 2])]),
        times_s=(kept.times_s[nearest] - start_s).astype(np.float32),
        duration_s=duration_s,
    )


def unpack(jpeg: bytes) -> np.ndarray:
    """Return a kept picture, uint8 RGB `[h w 3]`.

    Raises:
        InputError: it is none.
    """
    if len(jpeg) > MOST_BYTES:
        raise InputError(f"a kept picture has {len(jpeg)} bytes; the most legal is {MOST_BYTES}")
    try:
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError) as error:
        raise InputError(f"a kept picture cannot be read ({error})") from None


def to_jpeg(picture: np.ndarray) -> bytes:
    """Return a picture uint8 `[h w 3]` as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def show_file(path: Path) -> Showing:
    """Show a film or a still.

    Raises:
        InputError: missing, empty, cut short, damaged, or nothing that holds pictures.
    """
    found = probe(path)
    scale = min(1.0, 2 * HEIGHT / found.height, 2 * WIDTH / found.width)
    size = (max(1, round(found.height * scale)), max(1, round(found.width * scale)))
    duration_s = float(found.duration_s)
    if found.is_still or found.num_frames < 2 or duration_s <= 0:
        picture = next(decode.frames(path, size=size))
        times = reading_times(STILL_S).astype(np.float32)
        frames = np.stack([fit(picture)] * len(times))
        return Showing(frames=frames, detail=detail(picture), times_s=times, duration_s=STILL_S, is_still=True)
    fps = found.num_frames / duration_s
    wanted = np.floor(reading_times(duration_s) * fps + 1e-6).astype(int).clip(0, found.num_frames - 1)
    kept: dict[int, np.ndarray] = {}
    for index, picture in enumerate(decode.frames(path, size=size)):
        if index in wanted:
            kept[index] = picture
        if index >= wanted[-1]:
            break
    # A header may promise more frames than there are.
    at = [int(index) if int(index) in kept else max(kept) for index in wanted]
    times_s = (np.array(at) / fps).astype(np.float32)
    return Showing(
        frames=np.stack([fit(kept[index]) for index in at]),
        detail=detail(kept[at[NUM_FRAMES // 2]]),
        times_s=times_s,
        duration_s=duration_s,
    )
