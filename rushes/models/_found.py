"""Where a subject is in a given picture: its cut-out is laid everywhere, and lies where it explains the picture best.

h w view pixels, p pixels of a cut-out, n a sheet's side in pixels

Template matching by least squares, in any light: each colour has a gain of its own (von Kries' diagonal model).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from rushes import layouts

SIDES = tuple(-1.2 + 0.15 * number for number in range(13))  # log2, of the usual one
COARSE, FINE = 4, 2  # view pixels a pixel, of the search everywhere and of that about the best place
ABOUT = 3  # places either side, of the second
LEAST = 0.002  # squared difference of a picture from its place that is more than noise
OPEN, HEIGHTS, SIZES = 0.4, 0.2, 0.5  # odds of any place; deviations from the usual height (units) and side (log2)
LIGHT = (0.1, 1.3)  # how bright a cut-out's colours may be in a film
SMOOTH = 14.0  # view pixels: what is larger may lie otherwise in a place than it was drawn


class Spot(NamedTuple):
    """Where a subject is: x, y (units), log2 of its side, the way it faces.

    `share` of what sets the picture apart from its place there is the subject, at most 1.
    """

    x: float
    y: float
    side: float
    facing: float
    share: float


def find(view: Tensor, behind: Tensor, cutout: Tensor, reach: tuple[float, float], usual: tuple[float, float]) -> Spot:
    """Return where a `cutout [4 p p]` most likely is in a `view [3 h w]` of a frame that reaches `reach`.

    `behind [3 h w]` is the place without it; all colours are in 0..1. How high (y) and how large (log2) such a subject
    `usual`ly is counts as well.
    """
    behind = behind + _blurred(view - behind)
    both = torch.cat((view, behind, torch.ones_like(view[:1])))
    unit = view.shape[1] / (2 * reach[1])
    coarse, best = _smaller(both, COARSE), (-torch.inf, 0, 0, 0.0, 1.0)
    for side in SIDES:
        for facing in (1.0, -1.0):
            sheet = _sheet(cutout, side, facing, unit / COARSE)
            away = (torch.arange(coarse.shape[1]) + 0.5) * COARSE / unit - reach[1] - usual[0]
            odds = OPEN + (1 - OPEN) * torch.exp(-0.5 * ((away / HEIGHTS) ** 2 + ((side - usual[1]) / SIZES) ** 2))
            value, row, column, _ = _best(F.pad(coarse, (sheet.shape[-1] // 2,) * 4), sheet, odds)
            best = max(best, (value, row, column, side, facing))
    fine, facing = _smaller(both, FINE), best[4]
    corner = [round((at + 0.5) * COARSE / FINE - 0.5) - ABOUT for at in best[1:3]]
    found = (-torch.inf, 0, 0, 0.0, 0.0)
    for side in (best[3] - 0.1, best[3], best[3] + 0.1):
        sheet = _sheet(cutout, side, facing, unit / FINE)
        near = _window(fine, corner, sheet.shape[-1] // 2)
        value, row, column, share = _best(near, sheet, torch.ones(2 * ABOUT + 1))
        found = max(found, (value, row, column, side, share))
    _, row, column, side, share = found
    y, x = ((start + at + 0.5) * FINE / unit for start, at in zip(corner, (row, column), strict=True))
    return Spot(x - reach[0], y - reach[1], side, facing, share)


def covered(spot: Spot, cutout: Tensor, size: tuple[int, int], reach: tuple[float, float]) -> Tensor:
    """Return how much of each pixel of a view of `size` a subject covers, `[h w]` in 0..1."""
    unit = size[0] / (2 * reach[1])
    sheet = _sheet(cutout, spot.side, spot.facing, unit)[3]
    half = len(sheet) // 2
    row, column = int((spot.y + reach[1]) * unit), int((spot.x + reach[0]) * unit)
    mask = F.pad(torch.zeros(size), (half + 1,) * 4)
    top, left = (min(max(at, 0), most) for at, most in zip((row, column), size, strict=True))
    mask[top : top + len(sheet), left : left + len(sheet)] = sheet
    return mask[half + 1 : -half - 1, half + 1 : -half - 1]


def _best(both: Tensor, sheet: Tensor, odds: Tensor) -> tuple[float, int, int, float]:
    """Return by how much a sheet `[4 n n]` explains a view better than the place does, where most, and its share.

    `both [7 h w]` is the view, the place, and where the picture is; `odds [h-n+1]` weigh the rows.
    """
    view, behind, inside = both.split((3, 3, 1))
    colours, alpha = sheet[:3], sheet[3:]
    squares = torch.stack((view.square().sum(0), (view - behind).square().sum(0)))
    whole, apart = F.conv2d(squares[:, None], alpha[None])[:, 0]
    alike = F.conv2d(view[None], colours[:, None], groups=3)[0]
    own = F.conv2d(inside[None].expand(1, 3, -1, -1), (colours.square() / alpha.clamp(min=0.05))[:, None], groups=3)[0]
    light = (alike / own.clamp(min=1e-4)).clamp(*LIGHT)
    left = whole - (2 * light * alike - light.square() * own).sum(0)
    gained = apart - left
    share = (1 - left / apart.clamp(min=LEAST * float(alpha.sum()))).clamp(0, 1)
    weighed = gained * odds[:, None] * share
    row, column = divmod(int(weighed.argmax()), gained.shape[1])
    return float(weighed[row, column]), row, column, float(share[row, column])


def _sheet(cutout: Tensor, side: float, facing: float, unit: float) -> Tensor:
    """Return a cut-out `[4 n n]` as it is in a picture of `unit` pixels a unit; n is odd."""
    length = 2 * layouts.CUTOUT_REACH * layouts.USUAL_SIDE * 2**side * unit
    n = max(3, round(length) // 2 * 2 + 1)
    sheet = F.interpolate(cutout[None], (n, n), mode="bilinear", antialias=True)[0]
    return sheet if facing > 0 else sheet.flip(-1)


def _window(both: Tensor, corner: list[int], half: int) -> Tensor:
    """Return the part of a picture `[7 h w]` that a sheet may touch whose middle is about `corner`; zeros outside."""
    top, left = (at + ABOUT for at in corner)
    reach = half + ABOUT
    return F.pad(both, (reach,) * 4)[:, top : top + 2 * reach + 1, left : left + 2 * reach + 1]


def _smaller(picture: Tensor, by: int) -> Tensor:
    return F.avg_pool2d(picture[None], by)[0]


def _blurred(picture: Tensor) -> Tensor:
    """Return a picture `[3 h w]` without what is smaller than SMOOTH."""
    reach = int(2.5 * SMOOTH)
    bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / SMOOTH) ** 2)
    line = (bell / bell.sum()).to(picture)
    padded = F.pad(picture[None], (reach,) * 4, mode="replicate")[0, :, None]
    return F.conv2d(F.conv2d(padded, line.view(1, 1, -1, 1)), line.view(1, 1, 1, -1))[:, 0]
