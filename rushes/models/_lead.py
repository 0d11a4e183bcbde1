"""What leads a film: a plan of where its subjects are, and a draft that shows what they look like there.

q quarters of a second, p pixels of a cut-out, c channels, t h w latent grid
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from rushes import layouts
from rushes.errors import InputError
from rushes.models._draft import draft, pixels
from rushes.models.autoencoder import PatchTransform
from rushes.models.cutout import CutoutModel
from rushes.models.layout import LayoutModel
from rushes.models.transformer import Lead, TransformerConfig
from rushes.tiers import Plan
from rushes.types import GenerationRequest

UNHEARD = 0.5
CUTOUTS_APART = 500_009  # between the seed of a film's layout and that of its cut-outs


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """The models that plan a film and cut out its subjects, where there are any, and the encoder of drafts."""

    planner: LayoutModel | None = None
    cutter: CutoutModel | None = None
    transform: PatchTransform | None = None

    @classmethod
    def load(cls, folder: Path, film: TransformerConfig, transform: PatchTransform) -> Self:
        """Load what the film model can be led by and `folder` has. Raises: WeightsError."""
        plans, cuts = film.layout and (folder / "layout").is_dir(), film.draft and (folder / "cutout").is_dir()
        return cls(
            planner=LayoutModel.from_pretrained(folder / "layout") if plans else None,
            cutter=CutoutModel.from_pretrained(folder / "cutout") if cuts else None,
            transform=transform,
        )

    @property
    def parts(self) -> list[str]:
        """Return the names of the models that are there, which are those of their families."""
        return [name for name, model in (("layout", self.planner), ("cutout", self.cutter)) if model is not None]

    def leads(self, request: GenerationRequest, shot: Plan, subject: np.ndarray | None = None) -> list[Lead]:
        """Return what leads each window that a film is made in.

        `subject`, float32 `[4 p p]` in 0..1, colours times alpha, stands in for the first one.

        Raises:
            InputError: a path, and no model that plans; a subject, and no film model that is shown any.
        """
        rows = planned(self.planner, request, shot)
        if self.cutter is None and subject is not None:
            raise InputError("these weights can't be shown a subject; take others, or name none")
        if self.cutter is None or self.transform is None or not any(each.any() for each in rows):
            return [Lead(each) for each in rows]
        random = torch.Generator().manual_seed((request.seed + CUTOUTS_APART) % 2**63)
        cutouts = self.cutter.cut(request.prompt, random)
        if subject is not None:
            cutouts = torch.stack((torch.from_numpy(subject), *cutouts[1:]))
        corner = (torch.zeros(1), torch.zeros(1))
        cell = self.transform.config.cell
        places = pixels(shot.rows, shot.columns, cell, corner, (shot.rows, shot.columns))
        device = self.transform.mean.device
        where = (cutouts[None].to(device), places.to(device), self.transform)
        return [Lead(each, draft(each[None].to(device), *where)) for each in rows]


def planned(model: LayoutModel | None, request: GenerationRequest, shot: Plan) -> list[Tensor]:
    """Return the layout `[q 17]` of each window that a film is made in, its first subject led along the path if any.

    There is none, but zeros, where pictures or films say where things are, nor where a film's end runs into its
    beginning.

    Raises:
        InputError: a path, and no model that plans.
    """
    path, subject = request.condition("path"), request.condition("subject")
    if path is not None and model is None:
        raise InputError("these weights can't lead a subject along a path; take others, or name no path")
    if model is None or (path is None and subject is None and request.conditions):
        return [torch.zeros(window.seconds * layouts.PER_SECOND, layouts.COLUMNS) for window in shot.windows]
    random = torch.Generator().manual_seed(request.seed)
    rows = torch.zeros(0, layouts.COLUMNS)
    for window in shot.windows:
        known = rows[len(rows) - window.known_s * layouts.PER_SECOND :]
        drawn = model.plan(request.prompt, window.seconds, random, known if len(known) else None)
        rows = torch.cat((rows, drawn[len(known) :]))
    first = rows[:, layouts.columns(0)]
    if subject is not None and not first[:, layouts.PRESENT].any():
        first[:, layouts.PRESENT] = 1.0  # it was asked for, whatever the prompt says
    if path is not None:
        rows = torch.from_numpy(layouts.led(rows.numpy(), path.points, layouts.reach(shot.rows, shot.columns)))
    found: list[Tensor] = []
    at = 0
    for window in shot.windows:
        start = at - window.known_s
        found.append(rows[start * layouts.PER_SECOND :][: window.seconds * layouts.PER_SECOND])
        at += window.fresh_s
    return found


def told(lead: Lead, hears: Sequence[bool], device: torch.device, num: int) -> list[Lead]:
    """Return what several velocities are told of what leads the film, `num` of them at a time.

    Only the prompted one should hear of the layout, so that guidance leads where it does as well. The others are shown
    the draft at UNHEARD of its strength: a subject that they do not see at all comes out of guidance too gaudy.
    """
    heard = torch.tensor(hears, device=device).float()
    layout = (lead.layout.to(device) * heard.view(-1, 1, 1)).split(num)
    if lead.draft is None:
        return [Lead(each) for each in layout]
    shown = heard + UNHEARD * (1 - heard)
    drafts = (lead.draft.to(device) * shown.view(-1, 1, 1, 1, 1)).split(num)
    return [Lead(*each) for each in zip(layout, drafts, strict=True)]
