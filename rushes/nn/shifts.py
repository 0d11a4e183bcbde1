"""How the picture shifts from frame to frame, region by region: what a camera's move looks like, with nothing learned.

b batch, f frames, h w pixels, p pairs of frames (f - 1)
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

GRID = (45, 80)  # pixels of the picture that is compared with itself, rows and columns
TILES = (3, 4)
REACH = 4  # pixels of that grid
SURENESS = 12.0
WIDTH = TILES[0] * TILES[1] * 4


def shifts(frames: Tensor) -> Tensor:
    """Return `[b p 48]` for frames `[b f 3 h w]` in [-1, 1]: each tile's shift across and down, sureness, texture.

    A blurred copy of the picture is taken away from it, so that light does not count. Each tile is laid over the next
    frame in 81 places; the shift is the mean of the places, weighted by how well they fit.
    Source: block matching with a soft argmin, as in GC-Net's cost volumes (arXiv 1703.04309, section 3.4).
    """
    b, f = frames.shape[:2]
    x = F.adaptive_avg_pool2d(frames.flatten(0, 1).float().mean(1, keepdim=True) / 2, GRID)
    x = (x - F.avg_pool2d(F.pad(x, (4, 4, 4, 4), mode="replicate"), 9, 1)).unflatten(0, (b, f)).squeeze(2)
    before, after = x[:, :-1].flatten(0, 1), x[:, 1:].flatten(0, 1)
    padded = F.pad(after[:, None], (REACH,) * 4, mode="replicate").squeeze(1)
    reach, (h, w) = 2 * REACH + 1, GRID
    places = [(down, across) for down in range(reach) for across in range(reach)]
    cost = torch.stack([_tiles((before - padded[:, y : y + h, z : z + w]).abs()) for y, z in places], dim=-1)
    texture = _tiles(before.abs())
    fit = (-SURENESS * cost / (texture[..., None] + 0.004)).softmax(-1)
    offsets = torch.tensor(places, dtype=fit.dtype, device=fit.device) - REACH
    down, across = (fit @ offsets).unbind(-1)
    spread = fit @ offsets.square().sum(1) - down.square() - across.square()
    sureness = (1 / (1e-3 + spread)).clamp(max=20) / 20
    return torch.stack((across, down, sureness, 10 * texture), dim=-1).flatten(1).unflatten(0, (b, f - 1))


def _tiles(x: Tensor) -> Tensor:
    """Return the means `[n 12]` of the tiles of pictures `[n h w]`."""
    return F.adaptive_avg_pool2d(x[:, None], TILES).flatten(1)
