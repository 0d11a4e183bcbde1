"""What leads a film whose outlines or depths are given: a place laid out like them, and who stands where in them.

q quarters of a second, h w view pixels, p pixels of a cut-out
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rushes import layouts
from rushes.errors import InputError
from rushes.models._begun import PLACED, WIDEST, Begun, Views, colours, present, smooth, spots, taken_up, travel, within
from rushes.models._draft import PER_ROW
from rushes.models._structure import lines
from rushes.tiers import Plan

LINES = ("edges", "sketch")
KINDS = (*LINES, "depth")
PER_PICTURE = 2  # rows of a layout for each picture of a film that subjects are sought in
Draw = Callable[[Tensor], Tensor]  # a backdrop, of a structure as `BackdropModel.draw` takes it
SURE = 0.15  # of the lines or the depth about a subject, that it must explain to be there
FAINTEST_LINE, HARD_LINE = 0.2, 0.5  # of a line: fainter ones are left out as in drawings, harder ones are whole
HARDEST = 0.99  # of a sketch's strokes: the share that is no fainter than a whole line
FAINTEST = 0.05  # difference of a stroke from its paper that is none


def structured(views: Views, shot: Plan, draw: Draw, cutouts: Tensor, usual: Tensor) -> Begun:
    """Return what `views` of KINDS say of a film whose subjects look like `cutouts [2 4 p p]`.

    A picture says how the film begins; a film says where things are in each half-second, and that the camera stands
    still. The subjects of `usual [q 17]`, a layout of the prompt's, are sought in the first of KINDS that there is;
    where they stand the place is free.

    Raises:
        InputError: a picture in which nothing is drawn.
    """
    shown = {kind: structure_of(kind, each[0]) for kind, each in views.items()}
    for kind, seen in shown.items():
        if not seen.any():
            what = "one depth alone" if kind == "depth" else "no lines"
            raise InputError(f"the picture of condition {kind!r} shows {what}; give one that something is drawn in")
    reach, kind = layouts.reach(shot.rows, shot.columns), next(kind for kind in KINDS if kind in views)
    pictures = _pictures(views[kind], len(usual))
    looks = {index: [_look(kind, cutouts[index])] for index in present(usual)}
    rows, size = torch.full_like(usual, torch.nan), (pictures.shape[1], pictures.shape[2])
    taken = torch.zeros(1, *size)
    for number, picture in enumerate(pictures):
        view = structure_of(kind, picture).expand(3, -1, -1)
        found = spots(view, torch.zeros_like(view), looks, reach, usual[PER_PICTURE * number], SURE)
        for index, spot in found.items():
            rows[PER_PICTURE * number, layouts.columns(index)][list(PLACED)] = torch.tensor([*spot[:4], 1.0])
        if number == 0:
            taken = taken_up(found, cutouts, size, reach)
    for index in looks:
        smooth(rows[:, layouts.columns(index)])
    if len(pictures) > 1:
        rows[:, : layouts.CAMERA] = 0.0
    return Begun(rows, draw(_structure(shown, taken, reach)), 0.0, travel(reach))


def structure_of(kind: str, picture: np.ndarray) -> Tensor:
    """Return what a picture, uint8 `[h w 3]`, says as one of KINDS, `[1 h w]` in 0..1: lines, or nearness.

    Edges are taken off whatever the picture shows. A sketch's strokes are its lines, dark on light or light on dark.
    Depths are of any scale, bright is near.
    """
    seen = colours(picture)
    if kind == "edges":
        return ((lines(seen[None])[0] - FAINTEST_LINE) / (HARD_LINE - FAINTEST_LINE)).clamp(0, 1)
    grey = seen.mean(0, keepdim=True)
    if kind == "depth":
        return (grey - grey.min()) / (grey.max() - grey.min()).clamp(min=FAINTEST)
    strokes = (grey - grey.median()).abs()
    hardest = torch.quantile(strokes[strokes > FAINTEST], HARDEST) if bool((strokes > FAINTEST).any()) else 1.0
    return ((strokes - FAINTEST) / (0.6 * hardest)).clamp(0, 1)


def _pictures(views: np.ndarray, num: int) -> np.ndarray:
    """Return the pictures of a layout of `num` rows, one for every two; one alone of what never changes."""
    if (views == views[:1]).all():
        return views[:1]
    return views[:: PER_PICTURE * PER_ROW][: -(-num // PER_PICTURE)]


def _look(kind: str, cutout: Tensor) -> Tensor:
    """Return what a cut-out `[4 p p]` looks like in a structure, as a cut-out."""
    alpha = cutout[3:]
    if kind == "depth":
        return alpha.expand(4, -1, -1)
    over = torch.maximum(lines((cutout[:3] + 0.5 * (1 - alpha))[None]), lines(alpha.expand(1, 3, -1, -1)))[0]
    around = F.max_pool2d(alpha, 3, stride=1, padding=1)
    return torch.cat((over.expand(3, -1, -1) * around, around))


def _structure(shown: dict[str, Tensor], taken: Tensor, reach: tuple[float, float]) -> Tensor:
    """Return the structure `[4 P Q]` of a backdrop whose frame shows pictures `[1 h w]` of KINDS.

    Nothing is known of where somebody stands.
    """
    parts = []
    for kinds in (LINES, ("depth",)):
        picture = next((shown[kind] for kind in kinds if kind in shown), None)
        seen = torch.zeros_like(taken) if picture is None else picture
        drawn, free, inside = within(torch.cat((seen, 1 - taken)), WIDEST, reach).split(1)
        known = inside * free * (picture is not None)
        parts += [drawn * known, known]
    return torch.cat(parts)
