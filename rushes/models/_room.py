"""How much memory one of our own films takes: Python and torch, the weights, the work, and what waits to be encoded."""

from __future__ import annotations

from rushes.models.autoencoder import LATENT_FPS, Autoencoder
from rushes.models.transformer import Transformer
from rushes.tiers import Plan

BASE_BYTES = 285_000_000  # Python, torch, FFmpeg
WEIGHT_BYTES = 6  # a number is float32, and is there once more, in part, while it is read
WAITING_FRAMES = 24  # of what x264 looks ahead at and what its threads are at, each about as large as three of RGB
ENCODED_BYTES = 3


def film_bytes(film: Transformer, autoencoder: Autoencoder, shot: Plan, *, num_films: int, threads: int) -> int:
    """Return about how many bytes a process takes at most for a film; `num_films` go through the model at once."""
    cells, each = shot.rows * shot.columns, shot.fps // LATENT_FPS
    num_frames = shot.shape.frames - shot.given_s * shot.fps
    at_once = min(threads, -(-num_frames // each))  # half-seconds; a still has one, and a core for it
    painting = autoencoder.decode_bytes(cells, fps=shot.fps, pixels=shot.pixels, threads=at_once)
    unpainted = max(0, (at_once + 2) * each - num_frames)  # of the frames that it counts as finished
    painting -= unpainted * cells * shot.pixels**2 * 3
    waiting = min(num_frames, WAITING_FRAMES) * shot.shape.height * shot.shape.width * ENCODED_BYTES
    numbers = sum(p.numel() for model in (film, autoencoder) for p in model.parameters())
    # A processor's allocator keeps what denoising frees, in pieces that painting has little use for.
    work = film.forward_bytes(num_films * shot.num_tokens) + painting + waiting
    return BASE_BYTES + WEIGHT_BYTES * numbers + work
