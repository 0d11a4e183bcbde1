"""The structure that a place can be given: its lines, and how near each pixel is.

b batch, h w pixels

A structure is `[b 4 h w]` in 0..1: lines, where they are known, nearness (1 is nearest), and where that is known. A
place follows it as ControlNet's pictures do (arXiv 2302.05543), by what a layer of its own adds to each patch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRUCTURE = 4
FINENESS = 2  # pixels a side that are one number of a structure
LUMA = (0.2126, 0.7152, 0.0722)
HALF = 0.06  # of the gradient, in shares of white a pixel, that is half a line
NEAR = 5  # pixels: lines that lie so near each other agree
_SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))


class Structure(nn.Module):
    """What a structure adds to the tokens of patches; nothing at first."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.side = patch // FINENESS
        self.into = nn.Linear(STRUCTURE * self.side**2, width, bias=False)
        nn.init.zeros_(self.into.weight)

    def forward(self, structure: Tensor) -> Tensor:
        """`[b 4 h w]` -> `[b n d]`, patch by patch, row after row."""
        small = F.avg_pool2d(structure, FINENESS)
        return self.into(F.pixel_unshuffle(small, self.side).flatten(2).transpose(1, 2))


def lines(pictures: Tensor) -> Tensor:
    """Return how much of a line each pixel of pictures `[b 3 h w]` in 0..1 is, `[b 1 h w]` in [0, 1).

    The gradient of luma by Sobel's filters, g / (g + HALF): a faint edge is a faint line, a hard one is not brighter.
    """
    luma = torch.tensor(LUMA, device=pictures.device).view(1, 3, 1, 1)
    padded = F.pad((pictures * luma).sum(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    sobel = torch.tensor(_SOBEL, device=pictures.device) / 8
    across, down = F.conv2d(padded, torch.stack((sobel, sobel.T))[:, None]).unbind(1)
    length = torch.hypot(across, down)[:, None]
    return length / (length + HALF)


def likeness(pictures: Tensor, structure: Tensor) -> tuple[Tensor, bool]:
    """Return how much places `[b 4 h w]` in 0..1 are laid out like a structure `[4 h w]`, `[b]` in [-1, 1].

    That is the correlation of their lines, or of their depths where no lines are known; then, which of the two.
    """
    by_lines = bool(structure[1].any())
    wanted, known = structure[None, :1] if by_lines else structure[None, 2:3], structure[1 if by_lines else 3]
    found = lines(pictures[:, :3]) if by_lines else pictures[:, 3:]
    if by_lines:
        found, wanted = (F.avg_pool2d(each, NEAR, 1, NEAR // 2) for each in (found, wanted))
    share = known / known.sum().clamp(min=1e-6)
    found, wanted = (each - (each * share).sum((2, 3), keepdim=True) for each in (found, wanted))
    spread = ((found.square() * share).sum((1, 2, 3)) * (wanted.square() * share).sum((1, 2, 3))).sqrt()
    return (found * wanted * share).sum((1, 2, 3)) / spread.clamp(min=1e-6), by_lines
