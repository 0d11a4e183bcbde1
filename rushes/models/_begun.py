"""What leads a film that begins, ends, goes on or is made anew from pictures: their place, and who is where in them.

q quarters of a second, h w view pixels, p pixels of a cut-out, P Q pixels of a backdrop
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rushes import layouts
from rushes.models._draft import PER_ROW, Stage, field, pixels, seen
from rushes.models._found import Spot, covered, find
from rushes.models.backdrop import PATCH
from rushes.tiers import Plan
from rushes.types import Area

KINDS = ("first", "extend", "last", "remix")
Views = Mapping[str, np.ndarray]  # of "first", "last", "extend" and "remix", uint8 [t h w 3], 8 a second
Draw = Callable[[Tensor, Tensor | None], Tensor]  # a backdrop, as `BackdropModel.draw` with `like` and `known`
WIDEST = field(layouts.BACKDROP_REACH, PATCH)
SURE = 0.35  # of what sets a picture apart from its place, that a subject must explain to be there
PLAIN = 0.7  # the same, where it need not be sought in another look
JUMP = (0.3, 0.3, 0.8)  # in half a second: x, y (units) and log2 of its side
AROUND = 5  # view pixels about a subject that are not its place: its shadow, and what was found a little beside it
PLACED = (layouts.X, layouts.Y, layouts.SIDE, layouts.FACING, layouts.PRESENT)


class Begun(NamedTuple):
    """What pictures say of a film: `rows [q 17]`, NaN where they say nothing, and the place `backdrop [4 P Q]`.

    The camera looks at the backdrop's middle at `at_s`, in seconds of what is made; `travel` is how far it may go.
    """

    rows: Tensor
    backdrop: Tensor
    at_s: float
    travel: tuple[float, float, float]


def begun(views: Views, shot: Plan, draw: Draw, cutouts: Tensor, usual: Tensor, area: Area | None = None) -> Begun:
    """Return what `views` say of a film whose subjects look like `cutouts [2 4 p p]`.

    `usual [q 17]` is a layout of the prompt's: the subjects that are there are sought, and about where they are. The
    place is the first picture's, or that of a film's end, or else the last one's: what it shows of it, and around that
    and behind the subjects what the prompt says. Of a film that is made anew only where things are is kept, and, where
    it is made anew in one `area` alone, the place around that; there the subject comes.
    """
    reach, kind = layouts.reach(shot.rows, shot.columns), next(kind for kind in KINDS if kind in views)
    like = within(colours(views[kind][-1]), WIDEST, reach)
    behind, rows = _behind(draw(like, None), shot, views[kind].shape[1]), torch.full_like(usual, torch.nan)
    looks = [cutouts]
    if kind == "remix":  # the place and the colours may be others now: what moves is the subject, in any colour
        behind = colours(np.median(views[kind], axis=0).astype(np.uint8))
        looks.append(cutouts[:, 3:].expand(-1, 4, -1, -1))
    taken, there = torch.zeros(1, *views[kind].shape[1:3]), present(usual)
    for name, pictures in views.items() if area is None else ():
        for row, picture in _rows(name, pictures, len(rows)):
            view = colours(picture)
            found = spots(view, behind, {index: [look[index] for look in looks] for index in there}, reach, usual[row])
            for index, spot in found.items():
                rows[row, layouts.columns(index)][list(PLACED)] = torch.tensor([*spot[:4], 1.0])
            if name == kind:
                taken = taken_up(found, cutouts, (view.shape[1], view.shape[2]), reach)
    for index in there:
        smooth(rows[:, layouts.columns(index)])
    if kind == "remix":
        rows[:, : layouts.CAMERA] = 0.0
        if area is not None:
            taken = _inside(area, taken)
            rows[len(rows) // 2, layouts.columns(0)][:2] = _middle(area, reach)
        free = like[3] * (area is not None)
    else:
        _come_in(rows, usual, _rows(kind, views[kind], len(rows))[-1][0], reach)
        free = like[3]
    if {"first", "last"} <= set(views):
        rows[:, : layouts.CAMERA] = 0.0  # where it would go between two pictures nobody can say
    backdrop = draw(like, free * (1 - within(taken, WIDEST, reach)[0]))
    return Begun(rows, backdrop, float(shot.seconds) if kind == "last" else 0.0, travel(reach))


def smooth(subject: Tensor) -> None:
    """Take out of a subject's rows `[q 7]` those that are far from where it was just before and is just after."""
    known = torch.nonzero(~subject[:, layouts.X].isnan())[:, 0]
    if len(known) < 3:
        return
    places = subject[known][:, (layouts.X, layouts.Y, layouts.SIDE)]
    for at, row in enumerate(known):
        first = min(max(at - 1, 0), len(known) - 3)
        if bool(((places[at] - places[first : first + 3].median(0).values).abs() > torch.tensor(JUMP)).any()):
            subject[row] = torch.nan


def _come_in(rows: Tensor, usual: Tensor, at: int, reach: tuple[float, float]) -> None:
    """Let who is not in the picture of row `at`, and would be, not be there; others come in later, or have gone."""
    for index in present(usual):
        subject, x = rows[:, layouts.columns(index)], float(usual[at, layouts.columns(index)][layouts.X])
        if subject.isnan().all() and abs(x) < reach[0]:
            subject[:, layouts.PRESENT] = 0.0


def _middle(area: Area, reach: tuple[float, float]) -> Tensor:
    """Return the middle of an area, (x, y) in units."""
    left, top, right, bottom = area
    return torch.tensor([(left + right - 1) * reach[0], (top + bottom - 1) * reach[1]])


def _inside(area: Area, view: Tensor) -> Tensor:
    """Return which pixels of a view `[1 h w]` an area has, as ones."""
    left, top, right, bottom = area
    mask = torch.zeros_like(view)
    high, wide = view.shape[1:]
    mask[:, round(top * high) : round(bottom * high), round(left * wide) : round(right * wide)] = 1.0
    return mask


def travel(reach: tuple[float, float]) -> tuple[float, float, float]:
    """Return how far a camera may go from a backdrop's middle: across, down, log2 of the zoom."""
    wide, high = layouts.BACKDROP_REACH
    room = wide - reach[0], high - reach[1], math.log2(min(wide / reach[0], high / reach[1]))
    across, down, zoom = (min(pair) for pair in zip(layouts.TRAVEL, room, strict=True))
    return across, down, zoom


def present(rows: Tensor) -> list[int]:
    """Return which subjects are in a layout."""
    return [index for index in range(layouts.NUM_SUBJECTS) if rows[:, layouts.columns(index)][:, layouts.PRESENT].any()]


def _behind(backdrop: Tensor, shot: Plan, height: int) -> Tensor:
    """Return a place as a camera that stands still sees it, `[3 h w]` in 0..1."""
    corner, grid = (torch.zeros(1), torch.zeros(1)), (shot.rows, shot.columns)
    places = pixels(*grid, height // shot.rows, corner, grid)
    return (seen(Stage(backdrop[None], torch.zeros(1, 1, layouts.CAMERA)), places)[0, :, 0] + 1) / 2


def spots(
    view: Tensor,
    behind: Tensor,
    looks: dict[int, list[Tensor]],
    reach: tuple[float, float],
    usual: Tensor,
    sure: float = SURE,
) -> dict[int, Spot]:
    """Return where subjects are in a view, each in one of its looks, the surest first: where one is is no other.

    One that explains less than `sure` of what sets the view apart from what is `behind` is not there.
    """
    found: dict[int, Spot] = {}
    while len(found) < len(looks):
        tried = {}
        for index in looks.keys() - found.keys():
            subject = usual[layouts.columns(index)]
            about = float(subject[layouts.Y]), float(subject[layouts.SIDE])
            seen_as = []
            for look in looks[index]:
                seen_as.append(find(view, behind, look, reach, about))
                if seen_as[-1].share >= PLAIN:
                    break
            tried[index] = max(seen_as, key=lambda spot: spot.share)
        best = max(tried, key=lambda index: tried[index].share)
        if tried[best].share < sure:
            break
        found[best] = tried[best]
        gone = taken_up({best: tried[best]}, {best: looks[best][0]}, (view.shape[1], view.shape[2]), reach)
        view = torch.lerp(view, behind, gone)
    return found


def taken_up(
    spots: Mapping[int, Spot], cutouts: Mapping[int, Tensor] | Tensor, size: tuple[int, int], reach: tuple[float, float]
) -> Tensor:
    """Return how much of a view's pixels subjects and what is just beside them take, `[1 h w]`."""
    taken = torch.zeros(1, *size)
    for index, spot in spots.items():
        taken = torch.maximum(taken, covered(spot, cutouts[index], size, reach))
    return F.max_pool2d(taken[None], 2 * AROUND + 1, stride=1, padding=AROUND)[0]


def _rows(kind: str, pictures: np.ndarray, num: int) -> list[tuple[int, np.ndarray]]:
    """Return which of a layout's `num` rows the pictures of a condition show, and the picture of each."""
    shown = list(enumerate(pictures[PER_ROW - 1 :: PER_ROW]))
    if kind == "extend":
        return shown
    if kind == "remix":
        return shown[::2]
    return [(0 if kind == "first" else num - 1, pictures[-1])]


def colours(picture: np.ndarray) -> Tensor:
    """`[h w 3]` -> `[3 h w]` in 0..1."""
    return torch.from_numpy(picture).permute(2, 0, 1).float() / 255


def within(view: Tensor, size: tuple[int, int], reach: tuple[float, float]) -> Tensor:
    """Return a view `[c h w]` as the middle of a backdrop of `size` patches, `[c+1 P Q]`; last, where it is."""
    lines = []
    for num, extent in zip(size, reach[::-1], strict=True):
        at = torch.arange(num * PATCH) + 0.5 - num * PATCH / 2
        lines.append(at / layouts.BACKDROP_UNIT_PX / extent)
    spots = torch.stack(torch.meshgrid(lines[1], lines[0], indexing="xy"), dim=-1)
    found = F.grid_sample(view[None], spots[None], padding_mode="border", align_corners=False)[0]
    return torch.cat((found, (spots.abs() <= 1).all(-1)[None].to(view)))
