"""How faithful a repainted film is: PSNR and edge-F1 of each frame against the true one.

Edge-F1. Luma is Y = 0.2126 R + 0.7152 G + 0.0722 B in levels (0..255). It is smoothed by the 5x5 binomial filter
(standard deviation 1 pixel), then 3x3 Sobel filters divided by 8 give its gradient in levels per pixel. A pixel is an
edge where the gradient's length is at least 6 and no smaller than at both neighbours along the gradient (one of four
directions), as in Canny's detector without hysteresis; so a sharp step of 20 levels is an edge and one of 19 is none.
Precision is the share of the painted frame's edge pixels that have a true edge pixel within 1 pixel (in the 3x3
square), recall the share of the true ones that have a painted one; F1 is their harmonic mean. Unlike the Berkeley
benchmark the matching is not one to one. A frame without edges in either picture scores 1, without edges in one of
them 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rushes.errors import InputError
from rushes.evaluate.metric import Metric, Row
from rushes.types import Video

LEAST_GRADIENT = 6.0  # levels per pixel: above paper grain, glows and the gradients of skies
MOST_DB = 100.0  # what identical frames score
_SOBEL = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
_BINOMIAL = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
_STEPS = ((0, 1), (1, 1), (1, 0), (1, -1))  # (rows, columns) along a gradient of 0, 45, 90 and 135 degrees


def psnr_db(frame: np.ndarray, truth: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of two uint8 frames over all channels, in dB, at most 100."""
    square = float(np.mean((frame.astype(np.float32) - truth.astype(np.float32)) ** 2))
    return MOST_DB if square == 0 else min(MOST_DB, 10 * math.log10(255**2 / square))


@torch.inference_mode()
def edges(frame: np.ndarray) -> Tensor:
    """Return where a uint8 frame `[h w 3]` has edges, bool `[h w]`; the module says how."""
    luma = torch.from_numpy(frame.astype(np.float32)) @ torch.tensor([0.2126, 0.7152, 0.0722])
    smooth = F.pad(luma[None, None], (2, 2, 2, 2), mode="replicate")
    smooth = F.conv2d(F.conv2d(smooth, _BINOMIAL.view(1, 1, 1, 5)), _BINOMIAL.view(1, 1, 5, 1))
    padded = F.pad(smooth, (1, 1, 1, 1), mode="replicate")
    across, down = F.conv2d(padded, torch.stack((_SOBEL, _SOBEL.T))[:, None])[0]
    length = torch.hypot(across, down)
    # the sector of the gradient, 0..3, is its angle modulo 180 degrees in steps of 45
    sector = (torch.atan2(down, across) / (math.pi / 4)).round().long() % 4
    around = F.pad(length[None, None], (1, 1, 1, 1))[0, 0]
    h, w = length.shape
    is_edge = length >= LEAST_GRADIENT
    for index, (rows, columns) in enumerate(_STEPS):
        ahead = around[1 + rows : 1 + rows + h, 1 + columns : 1 + columns + w]
        behind = around[1 - rows : 1 - rows + h, 1 - columns : 1 - columns + w]
        is_edge &= (sector != index) | ((length >= ahead) & (length >= behind))
    return is_edge


def edge_f1(frame: np.ndarray, truth: np.ndarray) -> float:
    """Return the edge-F1 of a uint8 frame `[h w 3]` against the true one, in [0, 1]."""
    painted, true = edges(frame), edges(truth)
    if not painted.any() or not true.any():
        return float(painted.any() == true.any())
    precision = float(_near(true)[painted].float().mean())
    recall = float(_near(painted)[true].float().mean())
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def _near(is_edge: Tensor) -> Tensor:
    return F.max_pool2d(is_edge[None, None].float(), 3, stride=1, padding=1)[0, 0] > 0


def measure(films: Sequence[Video], against: Sequence[Video]) -> list[Row]:
    """Score repainted films against the true ones, a row each: means over the frames.

    Raises:
        InputError: another number of films, or films of different shapes.
    """
    if len(films) != len(against):
        raise InputError(f"there are {len(films)} films for {len(against)} true ones")
    rows = []
    for film, truth in zip(films, against, strict=True):
        if film.shape != truth.shape:
            raise InputError(f"a film is {film.shape}; the true one is {truth.shape}")
        pairs = list(zip(film.frames, truth.frames, strict=True))
        rows.append(
            {
                "psnr_db": float(np.mean([psnr_db(*pair) for pair in pairs])),
                "edge_f1": float(np.mean([edge_f1(*pair) for pair in pairs])),
            }
        )
    return rows


SPEC = Metric(
    name="reconstruction",
    source="Canny, A Computational Approach to Edge Detection (TPAMI 1986); boundary F-measure: Martin, Fowlkes and "
    "Malik, Learning to Detect Natural Image Boundaries (TPAMI 2004)",
    measure=measure,
)
