"""What leads a film: a plan of where its subjects are, a draft that shows them there, and the place behind them.

q quarters of a second, p pixels of a cut-out, c channels, t h w latent grid
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from rushes import layouts
from rushes.errors import InputError
from rushes.models._begun import WIDEST, Begun, Views, begun
from rushes.models._draft import PER_ROW, Stage, draft, field, pixels, way
from rushes.models._structured import KINDS as STRUCTURES
from rushes.models._structured import structured
from rushes.models.autoencoder import LATENT_FPS, PatchTransform
from rushes.models.backdrop import PATCH, BackdropModel
from rushes.models.cutout import CutoutModel
from rushes.models.layout import LayoutModel
from rushes.models.transformer import Lead, TransformerConfig
from rushes.tiers import Plan
from rushes.types import GenerationRequest

UNHEARD = 0.5
CUTOUTS_APART = 500_009  # between the seed of a film's layout and that of its cut-outs
BACKDROP_APART = 700_001  # and that of its backdrop
BLANK = torch.zeros(0, layouts.COLUMNS)  # of a layout nothing is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """The models that plan a film, cut out its subjects and draw its place, if there are any; the drafts' encoder."""

    planner: LayoutModel | None = None
    cutter: CutoutModel | None = None
    stager: BackdropModel | None = None
    transform: PatchTransform | None = None

    @classmethod
    def load(cls, folder: Path, film: TransformerConfig, transform: PatchTransform) -> Self:
        """Load what the film model can be led by and `folder` has. Raises: WeightsError."""
        there = {
            name: can and (folder / name).is_dir()
            for name, can in (("layout", film.layout), ("cutout", film.draft), ("backdrop", film.backdrop))
        }
        return cls(
            planner=LayoutModel.from_pretrained(folder / "layout") if there["layout"] else None,
            cutter=CutoutModel.from_pretrained(folder / "cutout") if there["cutout"] else None,
            stager=BackdropModel.from_pretrained(folder / "backdrop") if there["backdrop"] else None,
            transform=transform,
        )

    @property
    def models(self) -> list[nn.Module]:
        """Return the models that are there; the drafts' encoder is part of the autoencoder."""
        return [model for model in (self.planner, self.cutter, self.stager) if model is not None]

    @property
    def parts(self) -> list[str]:
        """Return the names of the models that are there, which are those of their families."""
        models = {"layout": self.planner, "cutout": self.cutter, "backdrop": self.stager}
        return [name for name, model in models.items() if model is not None]

    def leads(
        self, request: GenerationRequest, shot: Plan, subject: np.ndarray | None = None, views: Views | None = None
    ) -> list[Lead]:
        """Return what leads each window that a film is made in.

        `subject`, float32 `[4 p p]` in 0..1, colours times alpha, stands in for the first one; `views` are the pictures
        that the film begins, ends or goes on with, or that say how it is laid out.

        Raises:
            InputError: a path, and no model that plans; a subject, and no film model that is shown any; edges, a
                sketch or depths, and no model that draws places like them.
        """
        if self.cutter is None and subject is not None:
            raise InputError("these weights can't be shown a subject; take others, or name none")
        cutouts = self._cutouts(request, subject)
        start = self._start(request, shot, cutouts[0], views) if views else None
        rows = planned(self.planner, request, shot, start and start.rows)
        stretches = cut_up(rows, shot)
        if (self.cutter is None and self.stager is None) or self.transform is None or not rows.any():
            return [Lead(each) for _, each in stretches]
        corner = (torch.zeros(1), torch.zeros(1))
        places = pixels(shot.rows, shot.columns, self.transform.config.cell, corner, (shot.rows, shot.columns))
        device = self.transform.mean.device
        length_s = float(shot.seconds - shot.given_s)
        at_s, travel, backdrop = length_s / 2, layouts.TRAVEL, None
        if start is not None:
            backdrop, at_s, travel = start.backdrop[None], start.at_s, start.travel
        elif self.stager is not None:
            backdrop = self._place(request, field(layouts.reach(shot.rows, shot.columns), PATCH))[None]
        speed = torch.from_numpy(layouts.steady(rows.numpy(), length_s, travel))[None].to(device)
        found = []
        for start_s, each in stretches:
            since_s = torch.tensor([start_s - at_s], device=device)
            camera = way(speed, since_s, PER_ROW * len(each))
            stage = None if backdrop is None else Stage(backdrop.to(device), camera)
            layout, where = each[None].to(device), places.to(device)
            found.append(Lead(each, *draft(layout, cutouts.to(device), where, self.transform, stage)))
        return found

    def _start(self, request: GenerationRequest, shot: Plan, cutouts: Tensor, views: Views) -> Begun | None:
        """Return what the pictures that are given say of a film; nothing, where a model that draws it is missing."""
        laid_out = [kind for kind in STRUCTURES if kind in views]
        if laid_out and (self.stager is None or self.stager.structure is None):
            raise InputError(f"these weights can't follow condition {laid_out[0]!r}; take others, or name none")
        if self.planner is None or self.cutter is None or self.stager is None:
            return None
        usual, remix = planned(self.planner, request, shot, BLANK), request.condition("remix")
        draw = functools.partial(self._place, request, WIDEST)
        if laid_out:
            return structured(views, shot, lambda structure: draw(structure=structure), cutouts, usual)
        return begun(views, shot, draw, cutouts, usual, None if remix is None else remix.area)

    def _cutouts(self, request: GenerationRequest, subject: np.ndarray | None) -> Tensor:
        """Return what the subjects look like, `[1 2 4 p p]`; nothing, where no model draws them."""
        if self.cutter is None:
            return torch.zeros(1, layouts.NUM_SUBJECTS, 4, layouts.CUTOUT_PX, layouts.CUTOUT_PX)
        random = torch.Generator().manual_seed((request.seed + CUTOUTS_APART) % 2**63)
        cutouts = self.cutter.cut(request.prompt, random)
        if subject is not None:
            cutouts = torch.stack((torch.from_numpy(subject), *cutouts[1:]))
        return cutouts[None]

    def _place(
        self,
        request: GenerationRequest,
        size: tuple[int, int],
        like: Tensor | None = None,
        known: Tensor | None = None,
        structure: Tensor | None = None,
    ) -> Tensor:
        """Return the prompt's place, `[4 P Q]`, as `BackdropModel.draw` does."""
        assert self.stager is not None
        random = torch.Generator().manual_seed((request.seed + BACKDROP_APART) % 2**63)
        return self.stager.draw(request.prompt, size, random, like, known, structure)


def planned(model: LayoutModel | None, request: GenerationRequest, shot: Plan, known: Tensor | None = None) -> Tensor:
    """Return a film's layout `[q 17]` from the first window's beginning, its first subject led along the path.

    `known [q 17]` is what is known of it, NaN where nothing is. There is none, but zeros, where pictures or films
    say where things are and nothing of it is known.

    Raises:
        InputError: a path, and no model that plans.
    """
    path, subject = request.condition("path"), request.condition("subject")
    if path is not None and model is None:
        raise InputError("these weights can't lead a subject along a path; take others, or name no path")
    loop = None if request.condition("remix") else request.condition("loop")
    num = (shot.windows[0].known_s + shot.seconds - shot.given_s) * layouts.PER_SECOND
    is_free = not request.conditions or any((path, subject, loop))
    if model is None or not (is_free or known is not None):
        return torch.zeros(num, layouts.COLUMNS)
    random = torch.Generator().manual_seed(request.seed)
    rows, held = torch.zeros(0, layouts.COLUMNS), torch.full((num, layouts.COLUMNS), torch.nan)
    if known is not None:
        held[: len(known)] = known
    for window in shot.windows:
        start = max(0, len(rows) - window.known_s * layouts.PER_SECOND)
        there = held[start : start + window.seconds * layouts.PER_SECOND].clone()
        there[: len(rows) - start] = rows[start:]
        drawn = model.plan(request.prompt, window.seconds, random, there)
        rows = torch.cat((rows, drawn[len(rows) - start :]))
    first = rows[:, layouts.columns(0)]
    if subject is not None and not first[:, layouts.PRESENT].any():
        first[:, layouts.PRESENT] = 1.0  # it was asked for, whatever the prompt says
    if path is not None:
        rows = torch.from_numpy(layouts.led(rows.numpy(), path.points, layouts.reach(shot.rows, shot.columns)))
    return rows if loop is None else torch.from_numpy(layouts.looped(rows.numpy()))


def cut_up(rows: Tensor, shot: Plan) -> list[tuple[float, Tensor]]:
    """Return, per window that a film is made in, when it begins (s) in what is made, and its layout `[q 17]`.

    What is known of a film that somebody gave is before 0 s.
    """
    found, before = [], shot.windows[0].known_s
    at = before
    for window in shot.windows:
        start = at - window.known_s
        stretch = rows[start * layouts.PER_SECOND :][: window.seconds * layouts.PER_SECOND]
        found.append((float(start - before), stretch))
        at += window.fresh_s
    return found


def told(lead: Lead, hears: Sequence[bool], device: torch.device, num: int) -> list[Lead]:
    """Return what several velocities are told of what leads the film, `num` of them at a time.

    Only the prompted one should hear of the layout, so that guidance leads where it does as well. The others are shown
    the draft at UNHEARD of its strength: a subject that they do not see at all comes out of guidance too gaudy. All see
    the place.
    """
    here = Lead(*(None if part is None else part.to(device) for part in (lead.layout[None], *lead[1:])))  # type: ignore[arg-type]
    each = [here if one else unheard(here) for one in hears]
    return [_together(each[start : start + num]) for start in range(0, len(each), num)]


def turned(lead: Lead, by: int) -> Lead:
    """Return what leads a film that begins `by` latent frames later, what was before that at its end."""
    rows = lead.layout.roll(-by * layouts.PER_SECOND // LATENT_FPS, dims=1)
    return Lead(rows, *(None if part is None else part.roll(-by, dims=2) for part in lead[1:]))


def unheard(lead: Lead) -> Lead:
    """Return what a velocity without the prompt is told of what leads films, layouts `[b q 17]`."""
    return Lead(torch.zeros_like(lead.layout), None if lead.draft is None else UNHEARD * lead.draft, lead.backdrop)


def _together(leads: Sequence[Lead]) -> Lead:
    plans, *shown = zip(*leads, strict=True)
    return Lead(torch.cat(plans), *(None if part[0] is None else torch.cat(part) for part in shown))
