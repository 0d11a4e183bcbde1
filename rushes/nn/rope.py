"""Rotary position embedding over several axes at once (time, rows, columns).

b batch, n tokens, k heads, d head width
"""

from __future__ import annotations

import torch
from torch import Tensor


def angles(positions: Tensor, widths: tuple[int, ...], base: float) -> Tensor:
    """Return the rotation angles `[n sum(widths)/2]` of tokens at `positions [n axes]` (any real unit).

    Each axis owns `widths[axis]` channels of a head. Frequencies run geometrically from 1 down to 1/base
    radians per unit.
    Source: RoFormer (arXiv 2104.09864) eq. 15, one block of channels per axis as in M-RoPE (arXiv 2409.12191).
    """
    parts = []
    for axis, width in enumerate(widths):
        half = width // 2
        frequencies = base ** (-torch.arange(half, dtype=torch.float32, device=positions.device) / half)
        parts.append(positions[:, axis, None].float() * frequencies)
    return torch.cat(parts, dim=1)


def rotation(positions: Tensor, widths: tuple[int, ...], base: float = 100.0) -> tuple[Tensor, Tensor]:
    """Return cosine and signed sine, each `[n d]` float32, for `rotate`: a pair's first channel gets minus the sine."""
    turned = angles(positions, widths, base)
    cosine, sine = turned.cos(), turned.sin()
    return torch.cat((cosine, cosine), dim=1), torch.cat((-sine, sine), dim=1)


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn each channel pair (i, i + d/2) of `x [... d]` by its token's angle; the tables broadcast against `x`."""
    return (x * cosine).addcmul_(x.roll(x.shape[-1] // 2, -1), sine)
