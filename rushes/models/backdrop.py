"""The backdrop model: from a prompt to a picture of its place with nobody in it, and how far away each pixel is.

b batch, r c rows and columns of patches, n = r c, m text tokens, d width

A flow-matching transformer over patches of RGB and depth; inside, it predicts the clean picture. Convolutions draw
across the patches' seams. With its depth, a camera can move through one picture: 3D photography (arXiv 2004.04727).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rushes import layouts
from rushes.config import from_dict
from rushes.models import Family
from rushes.models import text as texts
from rushes.models._structure import Structure, likeness
from rushes.models.layout import Block, LayoutConfig
from rushes.models.text import TextConfig, TextEncoder, Vocabulary
from rushes.nn import weights
from rushes.nn.attention import timestep_features

SMALLEST_T = 0.02
STEPS = 16
SHIFT = 4.0  # of the times that steps end at: what is where is decided while nearly all is noise
CHANNELS = 4
PATCH = 16
SPLIT = 4  # squares a side that a patch is drawn from
TAKES = 8  # ways that a place can be laid out; the seed says which, so the noise has little left to decide
NO_TAKE = -1  # where a structure alone says how it is laid out
LIKE = {"lines": 0.47, "depth": 0.95}  # a structure's likeness to a take, from which on it is that take's
FOLLOWED = 2.0  # guidance by a structure: how far a place goes from one without it towards one with it, and beyond


@dataclass(frozen=True, slots=True, kw_only=True)
class BackdropConfig:
    """`brush` channels draw the picture. The text's width is that of the patches: both are tokens of one sequence.

    `structure` says whether a place can be laid out as somebody says (`rushes.models._structure`).
    """

    width: int = 128
    depth: int = 4
    heads: int = 4
    hidden: int = 352
    brush: int = 32
    structure: bool = False
    text: TextConfig = field(default_factory=lambda: TextConfig(width=128, heads=4, depth=1))


class BackdropModel(nn.Module):
    """`forward(pictures, t, text, take, structure) -> velocity`.

    Pictures are whitened by `mean` and `deviation`, per channel.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: BackdropConfig) -> None:
        super().__init__()
        d, brush = config.width, config.brush
        self.config = config
        self.vocabulary = Vocabulary(config.text.words, config.text.length)
        self.text = TextEncoder(config.text)
        self.into = nn.Linear(CHANNELS * PATCH**2, d)
        across, down = (round(2 * reach * layouts.BACKDROP_UNIT_PX / PATCH) for reach in layouts.BACKDROP_REACH)
        self.rows = nn.Parameter(torch.randn(down, d) * 0.3)
        self.columns = nn.Parameter(torch.randn(across, d) * 0.3)
        self.takes = nn.Parameter(torch.zeros(TAKES, d))
        self.structure = Structure(d, PATCH) if config.structure else None
        self.time = nn.Sequential(nn.Linear(128, d), nn.SiLU(), nn.Linear(d, d), nn.SiLU())
        block = LayoutConfig(width=d, heads=config.heads, hidden=config.hidden)
        self.blocks = nn.ModuleList(Block(block) for _ in range(config.depth))
        self.split = nn.Linear(d, brush * SPLIT**2)
        self.brush = nn.Conv2d(brush, brush, 3, padding=1)
        self.out = nn.Conv2d(brush, CHANNELS * (PATCH // SPLIT) ** 2, 3, padding=1)
        self.register_buffer("mean", torch.zeros(CHANNELS, 1, 1))
        self.register_buffer("deviation", torch.ones(CHANNELS, 1, 1))
        nn.init.zeros_(self.out.weight)
        assert self.out.bias is not None
        nn.init.zeros_(self.out.bias)

    @classmethod
    def from_pretrained(cls, folder: Path) -> Self:
        """Load the weights in `folder`. Raises: WeightsError."""
        record = weights.read_config(folder, family="backdrop")
        model = cls(from_dict(BackdropConfig, record["config"]))
        weights.load(model, folder, family="backdrop")
        return model

    def clean(self, pictures: Tensor, t: Tensor, text: Tensor, take: Tensor, structure: Tensor | None = None) -> Tensor:
        """Predict clean pictures `[b 4 16r 16c]`, the middles of whole ones, from noised ones.

        `t [b]`, `text [b m d]` or the same for all, `take [b]` in 0..7 or NO_TAKE, `structure [b 4 16r 16c]` as in
        `rushes.models._structure`; `r` and `c` are even, at most 16 and 18.
        """
        b, (r, c) = len(pictures), (side // PATCH for side in pictures.shape[2:])
        patches = F.pixel_unshuffle(pictures, PATCH).flatten(2).transpose(1, 2)
        places = _middle(self.rows, r)[:, None] + _middle(self.columns, c)
        places = places.flatten(0, 1) + (self.takes[take.clamp(min=0)] * (take[:, None] != NO_TAKE))[:, None]
        if structure is not None and self.structure is not None:
            places = places + self.structure(structure)
        x = torch.cat((text.expand(b, -1, -1), self.into(patches) + places), dim=1)
        condition = self.time(timestep_features(t, 128))
        for block in self.blocks:
            x = block(x, condition)
        squares = self.split(x[:, text.shape[1] :]).transpose(1, 2).view(b, -1, r, c)
        drawn = F.silu(F.pixel_shuffle(squares, SPLIT))
        drawn = drawn + F.silu(self.brush(drawn))
        return F.pixel_shuffle(self.out(drawn), PATCH // SPLIT)

    def forward(
        self, pictures: Tensor, t: Tensor, text: Tensor, take: Tensor, structure: Tensor | None = None
    ) -> Tensor:
        """Return the velocity `noise - clean` `[b 4 16r 16c]` at `t [b]` in (0, 1]."""
        return (pictures - self.clean(pictures, t, text, take, structure)) / t.clamp(min=SMALLEST_T).view(-1, 1, 1, 1)

    @torch.inference_mode()
    def draw(
        self,
        prompt: str,
        size: tuple[int, int],
        random: torch.Generator,
        like: Tensor | None = None,
        known: Tensor | None = None,
        structure: Tensor | None = None,
    ) -> Tensor:
        """Draw a prompt's place, `[4 16r 16c]` float32 in 0..1, its middle `size` = (r, c) patches.

        Each clean estimate is noised anew, so that no step carries on what the one before mistook: half of one layout
        and half of another. Source: multistep consistency sampling, arXiv 2303.01469, algorithm 1.

        `like [4 16r 16c]`, RGB and how much each pixel of it counts, is a picture of the place: the take is the one
        that is nearest to it. Where `known [16r 16c]` is 1 the place is that picture, and its depth alone is drawn. It
        is laid out as `structure [4 16r 16c]` says, if there is one: by the take that is like it, or none.
        """
        text = self.text(torch.tensor([self.vocabulary.encode(prompt)]))
        x = torch.randn(1, CHANNELS, *(PATCH * side for side in size), generator=random)
        take = torch.randint(TAKES, (1,), generator=random)
        wanted = x[0, :3] if like is None else (like[:3] - self.mean[:3]) / self.deviation[:3]
        if like is not None:
            unlike = (self._every_take(x, text)[:, :3] - wanted).square() * like[3]
            take = unlike.sum((1, 2, 3)).argmin()[None]
        if structure is not None:
            alike, by_lines = likeness((self._every_take(x, text) * self.deviation + self.mean).clamp(0, 1), structure)
            is_one = float(alike.max()) >= LIKE["lines" if by_lines else "depth"]
            take, structure = alike.argmax()[None] if is_one else torch.full_like(take, NO_TAKE), structure[None]
        even = torch.linspace(1.0, 0.0, STEPS + 1)
        for t, following in pairwise(SHIFT * even / (1 + (SHIFT - 1) * even)):
            clean = self.clean(x, t.view(1), text, take, structure)
            if structure is not None:
                clean = torch.lerp(self.clean(x, t.view(1), text, take), clean, FOLLOWED)
            if known is not None:
                clean[:, :3] = torch.lerp(clean[:, :3], wanted, known)
            x = torch.lerp(clean, torch.randn(x.shape, generator=random), following)
        return (x[0] * self.deviation + self.mean).clamp(0, 1)

    def _every_take(self, x: Tensor, text: Tensor) -> Tensor:
        """Return the first estimate of each take, `[8 4 16r 16c]`, of noise `x [1 4 16r 16c]`."""
        return self.clean(x.expand(TAKES, -1, -1, -1), torch.ones(TAKES), text, torch.arange(TAKES))


def _middle(whole: Tensor, num: int) -> Tensor:
    return whole.narrow(0, (len(whole) - num) // 2, num)


def middle(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the middle `size` = (r, c) patches of pictures `[... h w]`."""
    high, wide = (PATCH * side for side in size)
    top, left = (pictures.shape[-2] - high) // 2, (pictures.shape[-1] - wide) // 2
    return pictures[..., top : top + high, left : left + wide]


def tiny() -> BackdropConfig:
    """Return a config for tests: one block and the tiny vocabulary."""
    return BackdropConfig(width=16, depth=1, heads=1, hidden=32, brush=4, text=texts.tiny())


SPEC = Family(name="backdrop", config=BackdropConfig, model=BackdropModel, full=BackdropConfig, tiny=tiny)
