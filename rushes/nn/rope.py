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
    """Return cosine and sine, each `[n d/2]` float32, for `rotate`."""
    turned = angles(positions, widths, base)
    return turned.cos(), turned.sin()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn each channel pair (i, i + d/2) of `x [... n d]` by its token's angle."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, first * sine + second * cosine), dim=-1)
