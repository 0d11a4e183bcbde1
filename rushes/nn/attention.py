"""Multi-head attention whose keys and values may be joined by read-only ones (a prompt's), and the gated MLP.

b batch, n tokens, m extra keys, d width, k heads, e head width
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-6


def rms(x: Tensor) -> Tensor:
    """Divide by the root mean square over the last axis (no gain). Source: RMSNorm, arXiv 1910.07467 eq. 4."""
    if x.device.type == "cpu" and x.dtype == torch.float32:  # where torch's own takes four passes
        return x * _inverse_rms(x)
    return F.rms_norm(x, (x.shape[-1],), eps=EPSILON)


def scaled_rms(x: Tensor, gain: Tensor) -> Tensor:
    """Return `gain * rms(x)` for a gain per row `[... 1]`, in one pass over x where `rms` and a product take two."""
    return x * (_inverse_rms(x) * gain).to(x.dtype)


def _inverse_rms(x: Tensor) -> Tensor:
    square = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).square()
    return square.mul_(1 / x.shape[-1]).add_(EPSILON).rsqrt_()


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Return `rms(x) * (1 + scale) + shift`. Source: adaptive layer norm, DiT (arXiv 2212.09748, section 3.2)."""
    return torch.addcmul(shift, rms(x), 1 + scale)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """`[b n d] -> [b k n e]`."""
    b, n, d = x.shape
    return x.view(b, n, heads, d // heads).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """`[b k n e] -> [b n d]`."""
    b, k, n, e = x.shape
    return x.transpose(1, 2).reshape(b, n, k * e)


class GatedMLP(nn.Module):
    """SwiGLU: `out(silu(gate(x)) * up(x))`. Source: GLU variants, arXiv 2002.05202 eq. 6."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.into = nn.Linear(width, 2 * hidden, bias=False)
        self.out = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.into(x).split(self.hidden, dim=-1)
        return self.out(F.silu(gate) * up)


class SelfAttention(nn.Module):
    """Plain bidirectional attention with normalised queries and keys, for short sequences without positions."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        mixed = F.scaled_dot_product_attention(rms(q), rms(k), v)
        return self.out(join_heads(mixed))


def timestep_features(t: Tensor, width: int, scale: float = 1000.0) -> Tensor:
    """Return cosines and sines `[... width]` float32 of `t` at geometric frequencies.

    Source: DDPM / Transformer sinusoids (arXiv 1706.03762, section 3.5), with t stretched by `scale`.
    """
    half = width // 2
    frequencies = torch.exp(-torch.arange(half, dtype=torch.float32, device=t.device) * (9.21034 / half))
    turned = t.float()[..., None] * scale * frequencies
    return torch.cat((turned.cos(), turned.sin()), dim=-1)
