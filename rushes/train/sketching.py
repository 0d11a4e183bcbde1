"""Structures as people bring them, of places that are known: outlines with gaps, sketches, depths in any scale.

b batch, h w pixels
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from rushes.models._structure import lines

KINDS = (0.5, 0.2, 0.3)  # how many have lines alone, nearness alone, both
GAPPY, HOLED, WHOLE = 0.5, 0.6, 0.2  # how many lines have gaps, how many places have holes, how many no frame
BENT = 0.6  # how many show a place that is laid out as none of the world's is

Draw = Callable[..., Tensor]  # numbers in 0..1 `[b ...]`


def structured(pictures: Tensor, frame: tuple[float, float], random: torch.Generator) -> Tensor:
    """Return a structure `[b 4 h w]` of places `[b 4 h w]` in 0..1, RGB and depth.

    It is known within the `frame`, shares of the height and the width, but where a subject may stand.
    """
    b, _, h, w = pictures.shape

    def draw(*shape: int) -> Tensor:
        return torch.rand(b, *shape, generator=random, device=random.device)

    kind = draw(1, 1, 1)
    has_lines, has_depth = kind < KINDS[0] + KINDS[2], kind >= KINDS[0]
    known = _known(h, w, frame, draw)
    return torch.cat(
        (
            _sketched(lines(pictures[:, :3]), draw) * known * has_lines,
            known * has_lines,
            _nearness(pictures[:, 3:], draw) * known * has_depth,
            known * has_depth,
        ),
        dim=1,
    )


def bent(pictures: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return places `[b 4 h w]`, most of them mirrored, moved, enlarged and bent, and whether they are, bool `[b]`."""
    b, _, h, w = pictures.shape
    is_bent = torch.rand(b, generator=random, device=random.device) < BENT
    draw = torch.rand(b, 8, generator=random, device=random.device) * 2 - 1
    y = torch.linspace(-1, 1, h, device=random.device)[None, :, None].expand(b, h, w)
    x = torch.linspace(-1, 1, w, device=random.device)[None, None].expand(b, h, w)
    side, mirror, zoom, right, down, wave, phase, tilt = (part.view(b, 1, 1) for part in draw.unbind(1))
    zoom = torch.exp2(0.35 * zoom)
    across = torch.where(mirror > 0, x, -x) * zoom * torch.exp2(0.2 * side) + 0.4 * right
    along = y * zoom + 0.15 * down + 0.1 * tilt * x + 0.12 * wave * torch.sin(torch.pi * (2 * x + phase))
    found = F.grid_sample(pictures, torch.stack((across, along), -1), padding_mode="reflection", align_corners=False)
    return torch.where(is_bent.view(b, 1, 1, 1), found, pictures), is_bent


def _known(h: int, w: int, frame: tuple[float, float], draw: Draw) -> Tensor:
    """Return what of the places is known, `[b 1 h w]`: the frame, without the ellipses where subjects may be."""
    y, x = torch.linspace(-1, 1, h)[:, None].expand(h, w), torch.linspace(-1, 1, w)[None].expand(h, w)
    here = ((y.abs() <= frame[0]) & (x.abs() <= frame[1])).float()
    spots = draw(6)
    y, x, here = (each.to(spots.device) for each in (y, x, here))
    middle, side = (spots[:, :2, None, None] * 2 - 1) * 0.8, 0.08 + 0.25 * spots[:, 2:4, None, None]
    hole = (((y - middle[:, :1]) / side[:, :1]) ** 2 + ((x - middle[:, 1:]) / side[:, 1:]) ** 2 < 1)[:, 0]
    hole = hole & (spots[:, 4] < HOLED)[:, None, None]
    inside = torch.where((spots[:, 5] < WHOLE)[:, None, None], torch.ones_like(here), here)
    return (inside * ~hole)[:, None]


def _sketched(drawn: Tensor, draw: Draw) -> Tensor:
    """Return lines `[b 1 h w]` as thick, hard and whole as somebody may draw them."""
    b, _, h, w = drawn.shape
    least, soft, thick, gappy = draw(4).view(b, 4, 1, 1).split(1, dim=1)
    hard = ((drawn - 0.1 - 0.35 * least) / (0.05 + 0.4 * soft)).clamp(0, 1)
    wide = F.max_pool2d(hard, 3, stride=1, padding=1)
    hard = torch.where(thick < 0.4, wide, torch.where(thick < 0.6, F.avg_pool2d(wide, 3, 1, 1), hard))
    gaps = F.interpolate(draw(1, 7, 9), (h, w), mode="bilinear") > 0.3
    return hard * (gaps | (gappy > GAPPY))


def _nearness(depth: Tensor, draw: Draw) -> Tensor:
    """Return depths `[b 1 h w]` in a scale of anybody's: only what is nearer than what is certain."""
    low, high = depth.amin((1, 2, 3), keepdim=True), depth.amax((1, 2, 3), keepdim=True)
    share = (depth - low) / (high - low).clamp(min=1e-3)
    return share.clamp(min=1e-6) ** torch.exp2(2.4 * draw(1, 1, 1) - 1.2)
