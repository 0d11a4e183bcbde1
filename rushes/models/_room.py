"""How much memory one of our own films takes: Python and torch, the weights, the work, and what waits to be encoded."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from rushes.models.autoencoder import LATENT_FPS, Autoencoder
from rushes.models.transformer import Transformer
from rushes.tiers import Plan

BASE_BYTES = 285_000_000  # Python, torch, FFmpeg
WEIGHT_BYTES = 6  # a number is float32, and is there once more, in part, while it is read
WAITING_FRAMES = 32  # of what x264 looks ahead at and what its threads are at, each about as large as three of RGB
ENCODED_BYTES = 3
PAINTED = 0.45  # of what painting counts: large buffers are given back, so that one half-second's go as the next's come
LEAD_BYTES = 1 << 17  # of a cell and second: the pictures that lead a window, which are there as floats several times
KEPT_BYTES = 1 << 15  # of a cell and second outside of the window that is made


def film_bytes(
    film: Transformer,
    autoencoder: Autoencoder,
    shot: Plan,
    *,
    num_films: int,
    threads: int,
    leading: Sequence[nn.Module] = (),
) -> int:
    """Return about how many bytes a process takes at most for a film; `num_films` go through the model at once.

    `leading` are the models that say beforehand what the film is like, if there are any.
    """
    cells, each = shot.rows * shot.columns, shot.fps // LATENT_FPS
    num_frames = shot.shape.frames - shot.given_s * shot.fps
    at_once = min(threads, -(-num_frames // each))  # half-seconds; a still has one, and a core for it
    painting = autoencoder.decode_bytes(cells, fps=shot.fps, pixels=shot.pixels, threads=at_once)
    unpainted = max(0, (at_once + 2) * each - num_frames)  # of the frames that it counts as finished
    painting -= unpainted * cells * shot.pixels**2 * 3
    waiting = min(num_frames, WAITING_FRAMES) * shot.shape.height * shot.shape.width * ENCODED_BYTES
    numbers = sum(p.numel() for model in (film, autoencoder, *leading) for p in model.parameters())
    # A processor's allocator keeps what leading and denoising free, in pieces that painting has little use for.
    work = film.forward_bytes(num_films * shot.num_tokens) + round(PAINTED * painting) + waiting
    window_s = min(shot.seconds, max(window.seconds for window in shot.windows))
    led = cells * (LEAD_BYTES * window_s + KEPT_BYTES * (shot.seconds - window_s)) if leading else 0
    return BASE_BYTES + WEIGHT_BYTES * numbers + work + led
