"""Samplers: from noise to a film by a velocity and a grid of times. A sampler knows no model."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

Velocity = Callable[[Tensor, Tensor], Tensor]
Watch = Callable[[int, Tensor], None]


def ignore(step: int, clean: Tensor) -> None:
    """Watch nothing."""


@torch.inference_mode()
def euler(velocity: Velocity, noise: Tensor, grid: Tensor, watch: Watch = ignore) -> Tensor:
    """Follow the velocity in straight steps; `watch` gets each step's number (from 1) and the clean estimate.

    Source: forward Euler for the flow ODE (arXiv 2209.03003, section 2).
    """
    x = noise
    for step, (t, following) in enumerate(pairwise(grid), start=1):
        slope = velocity(x, t.expand(x.shape[0]))
        watch(step, x - t * slope)
        x = x + (following - t) * slope
    return x


@torch.inference_mode()
def multistep(velocity: Velocity, noise: Tensor, grid: Tensor, watch: Watch = ignore) -> Tensor:
    """Second order at one evaluation a step: extrapolates the clean estimate from the last two.

    Source: DPM-Solver++(2M) (arXiv 2211.01095, algorithm 2) for alpha = 1 - t, sigma = t; the last step, where
    log(alpha / sigma) is infinite, is the first-order one.
    """
    x, last_clean, last_h = noise, None, 0.0
    for step, (t, following) in enumerate(pairwise(grid), start=1):
        clean = x - t * velocity(x, t.expand(x.shape[0]))
        watch(step, clean)
        if following == 0:
            return clean
        h = float(_log_snr(following) - _log_snr(t)) if t < 1 else 0.0
        estimate = clean
        if last_clean is not None and last_h > 0 and h > 0:
            estimate = clean + (clean - last_clean) * (h / last_h / 2)
        x = following / t * x + (1 - following - following / t * (1 - t)) * estimate
        last_clean, last_h = clean, h
    return x


def _log_snr(t: Tensor) -> Tensor:
    return torch.log((1 - t) / t)
