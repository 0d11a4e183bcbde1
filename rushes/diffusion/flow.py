"""Rectified flow: how films are noised for training, and the loss.

b batch, c channels, t h w latent grid
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rushes.diffusion.schedule import shifted


def draw_t(num: int, generator: torch.Generator, *, mean: float, deviation: float, shift: float) -> Tensor:
    """Draw `[num]` training times in (0, 1): the logistic of a normal, then shifted.

    Source: SD3 (arXiv 2403.03206) eq. 19 and 23.
    """
    normal = torch.randn(num, generator=generator, device=generator.device) * deviation + mean
    return shifted(torch.sigmoid(normal), shift)


def noised(clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """Return `(1 - t) clean + t noise`. Source: Flow Matching (arXiv 2210.02747), straight paths."""
    t = t.view(-1, 1, 1, 1, 1).to(clean.dtype)
    return (1 - t) * clean + t * noise


def loss(
    velocity: Callable[[Tensor, Tensor], Tensor], clean: Tensor, noise: Tensor, t: Tensor, weight: Tensor
) -> Tensor:
    """Return the mean weighted squared error of the velocity, per sample `[b]` float32.

    `weight [b 1 t h w]` says how much each cell counts (1 is usual).
    """
    error = velocity(noised(clean, noise, t), t).float() - (noise - clean).float()
    return (error.square() * weight).mean((1, 2, 3, 4))
