"""A film's draft: its subjects' cut-outs laid where the layout says, frame by frame, for a film model to paint over.

b batch, q quarters of a second, k subjects, p pixels of a cut-out, T frames at 8 per second, H W view pixels,
P Q pixels of a backdrop, c channels, t h w latent grid, n tokens, d width

A cut-out's colours are in 0..1, times its alpha, so that laying one over another is a sum. The encoder is linear too:
a film with a subject on it is the film with a hole and the subject's draft, added. So what a model has to do is to find
the light: the draft's colours times how bright it is there, plus its alpha times how much the zero of [-1, 1] shifts.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rushes import layouts
from rushes.models.autoencoder import PatchTransform

PER_ROW = 2  # frames of the draft for each quarter of a second
NEAREST, NUM_DEPTHS = 1.3, 12  # where a ray from the camera looks for something in a backdrop, nearest first


class Tracing(nn.Module):
    """How a film model goes over its draft: it sees it, and says how much of each channel it takes as it is."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.into = nn.Linear(2 * patch, width, bias=False)
        self.kept = nn.Linear(width, 2 * patch)
        nn.init.zeros_(self.into.weight)
        nn.init.zeros_(self.kept.weight)
        nn.init.zeros_(self.kept.bias)
        with torch.no_grad():  # in daylight a subject looks as it is drawn
            self.kept.bias[:patch] = 1.0

    def tokens(self, draft: Tensor, frames: int) -> Tensor:
        """`[b 2c t h w]` -> `[b n 2 patch]`, `frames` of them a token: its colours, then its alpha."""
        b, both, t, h, w = draft.shape
        x = draft.view(b, 2, both // 2, t // frames, frames, h * w).permute(0, 3, 5, 1, 4, 2)
        return x.reshape(b, t // frames * h * w, 2 * self.patch)

    def forward(self, hidden: Tensor, own: Tensor, tokens: Tensor) -> Tensor:
        """Return the estimate `[b n patch]`: the model's `own`, and what it takes of the draft `[b n 2 patch]`.

        `hidden [b n d]` is what it thinks.
        """
        for kept, part in zip(self.kept(hidden).split(self.patch, -1), tokens.split(self.patch, -1), strict=True):
            own = torch.addcmul(own, kept, part)
        return own


class Staging(nn.Module):
    """How a film model takes its backdrop: it sees it, and says how much of its own estimate gives way to it."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.into = nn.Linear(patch, width, bias=False)
        self.kept = nn.Linear(width, patch)
        nn.init.zeros_(self.into.weight)
        nn.init.zeros_(self.kept.weight)
        nn.init.constant_(self.kept.bias, 0.25)  # two guesses at one film

    @staticmethod
    def tokens(backdrop: Tensor, frames: int) -> Tensor:
        """`[b c t h w]` -> `[b n patch]`, `frames` of them a token."""
        b, c, t, h, w = backdrop.shape
        return backdrop.view(b, c, t // frames, frames, h * w).permute(0, 2, 4, 3, 1).reshape(b, -1, frames * c)

    @staticmethod
    def shown(tokens: Tensor) -> Tensor:
        """Return which films are shown a backdrop, `[b 1 1]`: 1, or 0 where there is nothing in it."""
        return tokens.ne(0).flatten(1).any(1).to(tokens.dtype).view(-1, 1, 1)

    def forward(self, hidden: Tensor, own: Tensor, tokens: Tensor, shown: Tensor) -> Tensor:
        """Return the estimate `[b n patch]`; `hidden [b n d]` is what the model thinks, unshown films keep `own`."""
        return torch.lerp(own, tokens, self.kept(hidden) * shown)


class Stage(NamedTuple):
    """A film's backdrops `[b 4 P Q]` in 0..1, RGB and depth as a share of the deepest, and its camera's way `[b T 3]`.

    A backdrop's middle is where the camera looks in the middle of the film. The way has x, y (units) and log2 of the
    zoom. A backdrop of zeros shows nothing.
    """

    backdrop: Tensor
    camera: Tensor


def draft(
    layout: Tensor, cutouts: Tensor, places: Tensor, transform: PatchTransform, stage: Stage | None = None
) -> tuple[Tensor, Tensor | None]:
    """Return the draft as a film model sees it, `[b 2c t h w]`: the latents of its colours and of its alpha.

    Then, with a stage, those of the place as its camera sees it with the subjects before it, `[b c t h w]`.
    """
    found = []
    colours, alpha = laid(layout, cutouts, places)
    for views in (colours, alpha):
        basis = transform.basis if views.shape[1] == 3 else transform.basis.view(len(transform.basis), -1, 3).sum(-1)
        found.append((transform.patches(views) @ basis.T / transform.divisor).permute(0, 4, 1, 2, 3))
    if stage is None:
        return torch.cat(found, dim=1), None
    behind = seen(stage, places)
    shown = stage.backdrop.flatten(1).any(1).view(-1, 1, 1, 1, 1)
    return torch.cat(found, dim=1), transform.encode(torch.addcmul(colours, 1 - alpha, behind)) * shown


def seen(stage: Stage, places: Tensor) -> Tensor:
    """Return a place as its camera sees it at `places [b H W 2]`, `[b 3 T H W]` in [-1, 1].

    A pixel at (x, y) shows what lies at (x, y) / 2^(depth zoom) + depth camera of the backdrop, at the nearest depth
    at which something lies there: relief mapping's linear search (Policarpo et al. 2005). What is farther out than the
    backdrop is its edge.
    """
    b, frames, _ = stage.camera.shape
    film = torch.empty(b, 3, frames, *places.shape[1:3], device=places.device)
    moves = (stage.camera != stage.camera[:, :1]).flatten(1).any(1)
    for some, num in ((moves, frames), (~moves, 1)):  # most cameras stand still
        which = some.nonzero()[:, 0]
        if len(which):
            film[which] = _seen(stage.backdrop[which], stage.camera[which, :num], places[which])
    return film


def _seen(backdrop: Tensor, camera: Tensor, places: Tensor) -> Tensor:
    """The same at a camera's places `[b f 3]`, `[b 3 f H W]`."""
    (b, frames, _), (rows, columns) = camera.shape, places.shape[1:3]
    camera = camera.view(b, frames, 1, 1, 3)
    reach = torch.tensor(backdrop.shape[:1:-1], device=places.device) / (2 * layouts.BACKDROP_UNIT_PX)

    def sampled(channels: slice, depth: Tensor, mode: str = "bilinear") -> Tensor:
        spot = places[:, None] * torch.exp2(-depth * camera[..., 2:]) + depth * camera[..., :2]
        spot = (spot / reach).view(b, frames * rows, columns, 2)
        found = F.grid_sample(backdrop[:, channels], spot, mode, padding_mode="border", align_corners=False)
        return found.view(b, -1, frames, rows, columns)

    depth = torch.zeros(b, frames, rows, columns, 1, device=places.device)
    if bool(camera.any()):
        step = NEAREST / NUM_DEPTHS
        is_found = torch.zeros_like(depth, dtype=torch.bool)
        for index in range(NUM_DEPTHS):
            near = torch.full_like(camera[..., :1], NEAREST - index * step)
            lying = sampled(slice(3, 4), near, "nearest")[:, 0, ..., None] * layouts.DEEPEST
            here = (lying >= near - step / 2) & ~is_found
            depth = torch.where(here, lying, depth)
            is_found |= here
    return sampled(slice(0, 3), depth).mul_(2).sub_(1)


def way(speed: Tensor, since_s: Tensor, num_frames: int) -> Tensor:
    """Return the way `[b T 3]` of cameras that move steadily, `speed [b 3]` a second, from `since_s [b]` on.

    At 0 s, the middle of the film, they look at the middle of the backdrop.
    """
    times = since_s[:, None] + torch.arange(num_frames, device=speed.device) / (PER_ROW * layouts.PER_SECOND)
    return times[:, :, None] * speed[:, None]


def field(reach: tuple[float, float], patch_px: int) -> tuple[int, int]:
    """Return the rows and columns of patches of a backdrop that a camera may see in a frame that reaches `reach`."""
    side = patch_px / layouts.BACKDROP_UNIT_PX
    sizes = []
    for frame, most, travel in zip(reach, layouts.BACKDROP_REACH, layouts.TRAVEL[:2], strict=True):
        sizes.append(2 * min(math.ceil((frame + travel / 2) / side - 1e-6), round(most / side)))
    return sizes[1], sizes[0]


def laid(layout: Tensor, cutouts: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Lay cut-outs along a layout.

    Args:
        layout: `[b q 17]`.
        cutouts: `[b k 4 p p]`, RGB times alpha and alpha, in 0..1; a subject without one is all zeros.
        places: (x, y) of the view's pixels in a layout's units, `[b H W 2]`.

    Returns:
        Colours as a view has them, [-1, 1] times alpha and 0 where nothing lies, `[b 3 T H W]`; alpha `[b 1 T H W]`.
    """
    rows, alpha = frames(layout), cutouts[:, :, 3:]
    sheets = torch.cat((2 * cutouts[:, :, :3] - alpha, alpha), dim=2)
    b, t, _ = rows.shape
    high, wide = places.shape[1:3]
    film = torch.zeros(b, t, 4, high, wide, device=layout.device)
    for index in range(layouts.NUM_SUBJECTS):
        subject = rows[:, :, layouts.columns(index)]
        there = (subject[..., layouts.PRESENT].amax(1) * alpha[:, index].amax((1, 2, 3))).nonzero()[:, 0]
        sheet = sheets[there, index, None].expand(-1, t, -1, -1, -1).flatten(0, 1)
        seen = F.grid_sample(sheet, _own(subject[there], places[there]).flatten(0, 1), align_corners=False)
        seen = seen.mul_(subject[there][..., layouts.PRESENT].reshape(-1, 1, 1, 1)).unflatten(0, (-1, t))
        if index:  # it lies nearer than the first
            seen = seen.addcmul_(film[there], 1 - seen[:, :, 3:])
        film[there] = seen
    colours, alpha = film.transpose(1, 2).split((3, 1), dim=1)
    return colours, alpha


def frames(layout: Tensor) -> Tensor:
    """Return the layout `[b q 17]` at the view's frames, `[b 2q 17]`: in between, along straight lines."""
    q = layout.shape[1]
    at = (torch.arange(PER_ROW * q, device=layout.device) - (PER_ROW - 1)) / PER_ROW  # a row is its quarter's middle
    before = at.floor().clamp(0, max(0, q - 2)).long()
    after = (before + 1).clamp(max=q - 1)
    rows = torch.lerp(layout[:, before], layout[:, after], (at - before)[:, None])
    for index in range(layouts.NUM_SUBJECTS):
        subject = rows[:, :, layouts.columns(index)]
        subject[..., layouts.PRESENT].clamp_(0, 1)
        subject[..., layouts.FACING] = torch.where(subject[..., layouts.FACING] < 0, -1.0, 1.0)
    return rows


def _own(subject: Tensor, places: Tensor) -> Tensor:
    """`subject [b T 7]`, `places [b H W 2]` -> where each pixel lies in the cut-out, -1..1, `[b T H W 2]`."""
    x, y, size, sine, cosine, facing = (part[..., None, None] for part in subject.unbind(-1)[:6])
    near = 1 / (layouts.CUTOUT_REACH * layouts.USUAL_SIDE * torch.exp2(size))
    along, down = (places[:, None, :1, :, 0] - x) * near, (places[:, None, :, :1, 1] - y) * near
    across = torch.add(cosine * facing * along, sine * facing * down)
    return torch.stack((across, torch.sub(cosine * down, sine * along)), dim=-1)


def pixels(rows: int, columns: int, cell: int, corner: tuple[Tensor, Tensor], size: tuple[int, int]) -> Tensor:
    """Return (x, y) of a window's pixels in a layout's units, `[b H W 2]`.

    The frame has `rows` x `columns` cells of `cell` pixels; the window of `size` cells begins at `corner`, which is
    (row, column), `[b]` each.
    """
    across, down = layouts.reach(rows, columns)
    top, left = corner
    y = (torch.arange(size[0] * cell, device=top.device) + 0.5) / cell
    x = (torch.arange(size[1] * cell, device=top.device) + 0.5) / cell
    y, x = top[:, None] + y, left[:, None] + x
    y, x = (2 * y / rows - 1) * down, (2 * x / columns - 1) * across
    return torch.stack((x[:, None, :].expand(-1, y.shape[1], -1), y[:, :, None].expand(-1, -1, x.shape[1])), dim=-1)
