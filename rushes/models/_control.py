"""How a film model is told where its subjects are: each token sees itself in the subjects' own coordinates.

b batch, s seconds-long token frames, n = s h w tokens, q quarters of a second (4 per token), k subjects, d width,
f features

A token that knows that it shows the upper left of a boat, and not only where it lies in the frame, has the same thing
to draw wherever the boat is and however large: one example teaches what many would have to. Normalised object
coordinates (NOCS, arXiv 1901.02970) of a layout instead of a network's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rushes import layouts

WAVES = 3  # of a subject's own coordinates: half a period to two per side
NEAR, SOFT = 1.0, 0.1  # in sides from the middle: where a subject's neighbourhood ends, and how softly
_FEATURES = 4 * WAVES + 5
_CAMERA = 5


class Control(nn.Module):
    """A layout `[b n_rows 17]` and the tokens' places to what is added to the tokens, `[b n d]`; nothing at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        q = layouts.PER_SECOND
        self.into = nn.Linear(q * _FEATURES, width, bias=False)
        self.which = nn.Parameter(torch.zeros(layouts.NUM_SUBJECTS, width))
        self.out = nn.Linear(width, width, bias=False)
        self.camera = nn.Linear(q * _CAMERA, width, bias=False)
        nn.init.normal_(self.which, std=0.5)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.camera.weight)

    def forward(self, layout: Tensor, places: Tensor) -> Tensor:
        """`places [b s hw 2]` are (x, y) of the tokens' middles in units. A layout of zeros adds nothing."""
        b, s, cells, _ = places.shape
        rows = layout.view(b, s, 1, layouts.PER_SECOND, layouts.COLUMNS)
        at = places.unsqueeze(3)  # [b s hw 1 2]
        subjects = torch.stack([rows[..., layouts.columns(each)] for each in range(layouts.NUM_SUBJECTS)], dim=3)
        features, near = self._seen(subjects, at.unsqueeze(3))
        hidden = F.silu(self.into(features.flatten(4).to(self.into.weight.dtype)) + self.which)
        hidden = (hidden * near.amax(-1, keepdim=True).to(hidden.dtype)).sum(3)
        added = self.camera(self._flow(rows, at).flatten(3).to(hidden.dtype)) + self.out(hidden)
        return added.view(b, s * cells, -1)

    @staticmethod
    def _seen(subject: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
        """`subject [b s 1 k q 7]`, `at [b s hw 1 1 2]` -> features `[b s hw k q f]`, nearness 0..1 `[b s hw k q]`."""
        x, y, size, sine, cosine, facing, present = subject.unbind(-1)
        side = layouts.USUAL_SIDE * torch.exp2(size)
        dx, dy = (at[..., 0] - x) / side, (at[..., 1] - y) / side
        across, down = (cosine * dx + sine * dy) * facing, cosine * dy - sine * dx
        own = torch.stack((across, down), dim=-1).clamp(-1.5, 1.5)
        near = present * torch.sigmoid((NEAR - own.abs().amax(-1)) / SOFT)
        phase = own.unsqueeze(-1) * (torch.pi * 2.0 ** torch.arange(WAVES, device=own.device))
        waves = torch.cat((phase.sin(), phase.cos()), dim=-1).flatten(-2)
        rest = torch.stack((torch.ones_like(near), size.expand_as(near), facing.expand_as(near)), dim=-1)
        return torch.cat((waves, own, rest), dim=-1) * near.unsqueeze(-1), near

    @staticmethod
    def _flow(rows: Tensor, at: Tensor) -> Tensor:
        """Return the camera's speed and what its zoom does to this place, `[b s hw q 5]`."""
        camera = rows[..., : layouts.CAMERA].expand(-1, -1, at.shape[2], -1, -1)
        return torch.cat((camera, camera[..., 2:3] * at), dim=-1)
