"""How a rendered film looks: the grain of paper, and restyling of flat frames as pixels, ink, neon and watercolour."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageFilter

_GRAIN_LEVELS = 3  # 1.2 % of 255: the darkest dot of the grain
_PIXELS_PER_UNIT = 120  # the grid of the pixel style, one sixth of 720 rows


def _noise(seed: int, height: int, width: int, cells: float) -> np.ndarray:
    """Return smooth noise in 0..1, float32 `[h w]`, with about `cells` blobs along the long side."""
    rng = np.random.default_rng(seed)
    longest = max(height, width)
    rows, cols = (max(2, round(cells * side / longest)) for side in (height, width))
    coarse = Image.fromarray(rng.random((rows, cols), dtype=np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).clip(0.0, 1.0)


@lru_cache(maxsize=16)
def grain(height: int, width: int) -> np.ndarray:
    """Return how much darker the paper's grain makes each pixel, uint8 `[h w 3]`: the same for every film of a size."""
    longest = max(height, width)
    fine, blot = _noise(1, height, width, min(longest, 640)), _noise(2, height, width, min(longest / 2, 90))
    dots = np.round(_GRAIN_LEVELS * (0.7 * fine + 0.3 * blot)).astype(np.uint8)
    return np.repeat(dots[..., None], 3, axis=2)


def add_grain(frame: np.ndarray) -> None:
    """Darken a uint8 frame `[h w 3]` by the grain, in place."""
    dots = grain(*frame.shape[:2])
    np.maximum(frame, dots, out=frame)
    np.subtract(frame, dots, out=frame)


def pixel_grid(height: int, width: int, unit_px: float) -> tuple[int, int]:
    """Return the rows and columns of big pixels in a frame: six to a side at 720 rows, never fewer than two."""
    factor = max(2, round(unit_px / _PIXELS_PER_UNIT))
    return max(16, -(-height // factor)), max(16, -(-width // factor))


def enlarge(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return uint8 `[t h w 3]` frames at another size with hard pixel edges."""
    rows = np.arange(height) * frames.shape[1] // height
    cols = np.arange(width) * frames.shape[2] // width
    return np.ascontiguousarray(frames[:, rows][:, :, cols])


def restyle(style: str, frames: np.ndarray, unit_px: float) -> np.ndarray:
    """Return flat uint8 `[t h w 3]` frames drawn in "ink", "neon" or "watercolour"; widths scale with `unit_px`."""
    draw = {"ink": _ink, "neon": _neon, "watercolour": _watercolour}[style]
    return np.stack([draw(frame.astype(np.float32) / 255.0, unit_px) for frame in frames])


def _to_bytes(frame: np.ndarray) -> np.ndarray:
    return (np.clip(frame, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def _luma(frame: np.ndarray) -> np.ndarray:
    return frame @ np.array([0.299, 0.587, 0.114], np.float32)


def _blur(frame: np.ndarray, sigma_px: float) -> np.ndarray:
    """Return a float frame `[h w 3]` in 0..1 blurred; eight bits are plenty for what is blurred here."""
    soft = Image.fromarray(_to_bytes(frame)).filter(ImageFilter.GaussianBlur(sigma_px))
    return np.asarray(soft, np.float32) / 255.0


def _edges(frame: np.ndarray, width_px: float) -> np.ndarray:
    """Return how much each pixel lies on the border of a shape, 0..1, `[h w]`; the strongest channel counts."""
    soft = np.pad(_blur(frame, width_px), ((1, 1), (1, 1), (0, 0)), mode="edge")
    across = np.abs(soft[1:-1, 2:] - soft[1:-1, :-2])
    down = np.abs(soft[2:, 1:-1] - soft[:-2, 1:-1])
    strength = np.hypot(across, down).max(axis=2) * width_px
    return np.clip(6.0 * strength - 0.12, 0.0, 1.0)


def _ink(frame: np.ndarray, unit_px: float) -> np.ndarray:
    tones = 0.34 + 0.62 * np.round(_luma(frame) * 5) / 5
    drawn = tones * (1 - 0.9 * _edges(frame, max(0.5, 0.0025 * unit_px)))
    return _to_bytes(drawn[..., None] * np.array([1.0, 0.985, 0.95], np.float32))


def _neon(frame: np.ndarray, unit_px: float) -> np.ndarray:
    edges = _edges(frame, max(0.5, 0.003 * unit_px))
    size = 2 * round(max(1.0, 0.004 * unit_px)) + 1
    around = np.asarray(Image.fromarray(_to_bytes(frame)).filter(ImageFilter.MaxFilter(size)), np.float32) / 255.0
    grey = _luma(around)[..., None]
    vivid = np.clip(grey + (around - grey) * 2.6, 0.0, 1.0)
    vivid = np.clip(vivid / np.maximum(vivid.max(axis=2, keepdims=True), 0.25), 0.0, 1.0)
    lines = vivid * edges[..., None]
    dark = frame * 0.16 + np.array([0.02, 0.01, 0.05], np.float32)
    return _to_bytes(dark + lines + 0.9 * _blur(lines, 0.014 * unit_px))


def _watercolour(frame: np.ndarray, unit_px: float) -> np.ndarray:
    height, width = frame.shape[:2]
    bend = 0.02 * unit_px  # the brush does not follow the line
    rows = np.arange(height)[:, None] + bend * (_field(3, height, width, 40) - 0.5)
    cols = np.arange(width)[None, :] + bend * (_field(4, height, width, 40) - 0.5)
    bent = frame[np.rint(rows).astype(int).clip(0, height - 1), np.rint(cols).astype(int).clip(0, width - 1)]
    soft = _blur(bent, 0.005 * unit_px)
    rim = _edges(soft, max(0.5, 0.004 * unit_px))[..., None]
    wash = (0.65 * _field(5, height, width, 14) + 0.35 * _field(6, height, width, 60))[..., None]
    pale = 1 - (1 - soft) * (0.70 + 0.32 * wash)
    return _to_bytes(pale * (1 - 0.22 * rim))


@lru_cache(maxsize=32)
def _field(seed: int, height: int, width: int, cells: int) -> np.ndarray:
    return _noise(seed, height, width, min(cells, max(height, width) // 2))
