"""The cut-out model: from a prompt to a picture of each subject on nothing, before a film is made.

b batch, p pixels of a cut-out, n patches, m text tokens, d width

A flow-matching transformer over patches of RGBA; inside, it predicts the clean picture. Transparent pictures of one
thing, made apart from what is behind it: LayerDiffuse (arXiv 2402.17113). Colours are in 0..1, times alpha.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from rushes.config import from_dict
from rushes.layouts import CUTOUT_PX, NUM_SUBJECTS
from rushes.models import Family
from rushes.models import text as texts
from rushes.models.layout import Block, LayoutConfig
from rushes.models.text import TextConfig, TextEncoder, Vocabulary
from rushes.nn import weights
from rushes.nn.attention import timestep_features

SMALLEST_T = 0.02
STEPS = 10
CHANNELS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CutoutConfig:
    """A patch is `patch` x `patch` pixels. The text's width is that of the patches: both are tokens of one sequence."""

    patch: int = 6
    width: int = 128
    depth: int = 4
    heads: int = 4
    hidden: int = 352
    text: TextConfig = field(default_factory=lambda: TextConfig(width=128, heads=4, depth=1))


class CutoutModel(nn.Module):
    """`forward(pictures, t, text, which) -> velocity`; pictures are whitened by `mean` and `deviation`, per channel."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: CutoutConfig) -> None:
        super().__init__()
        d, size = config.width, CHANNELS * config.patch**2
        self.config = config
        self.vocabulary = Vocabulary(config.text.words, config.text.length)
        self.text = TextEncoder(config.text)
        self.into = nn.Linear(size, d)
        self.places = nn.Parameter(torch.randn((CUTOUT_PX // config.patch) ** 2, d) * 0.3)
        self.which = nn.Parameter(torch.randn(NUM_SUBJECTS, d) * 0.5)
        self.time = nn.Sequential(nn.Linear(128, d), nn.SiLU(), nn.Linear(d, d))
        block = LayoutConfig(width=d, heads=config.heads, hidden=config.hidden)
        self.blocks = nn.ModuleList(Block(block) for _ in range(config.depth))
        self.out = nn.Linear(d, size)
        self.register_buffer("mean", torch.zeros(CHANNELS, 1, 1))
        self.register_buffer("deviation", torch.ones(CHANNELS, 1, 1))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    @classmethod
    def from_pretrained(cls, folder: Path) -> Self:
        """Load the weights in `folder`. Raises: WeightsError."""
        record = weights.read_config(folder, family="cutout")
        model = cls(from_dict(CutoutConfig, record["config"]))
        weights.load(model, folder, family="cutout")
        return model

    def clean(self, pictures: Tensor, t: Tensor, text: Tensor, which: Tensor) -> Tensor:
        """Predict clean pictures `[b 4 p p]` from noised ones; `t [b]`, `text [b m d]`, which subject (0, 1) `[b]`."""
        b, p, s = len(pictures), CUTOUT_PX // self.config.patch, self.config.patch
        patches = pictures.view(b, CHANNELS, p, s, p, s).permute(0, 2, 4, 1, 3, 5).reshape(b, p * p, -1)
        x = torch.cat((text, self.into(patches) + self.places), dim=1)
        condition = nn.functional.silu(self.time(timestep_features(t, 128)) + self.which[which])
        for block in self.blocks:
            x = block(x, condition)
        drawn = self.out(x[:, text.shape[1] :]).view(b, p, p, CHANNELS, s, s)
        return drawn.permute(0, 3, 1, 4, 2, 5).reshape(b, CHANNELS, CUTOUT_PX, CUTOUT_PX)

    def forward(self, pictures: Tensor, t: Tensor, text: Tensor, which: Tensor) -> Tensor:
        """Return the velocity `noise - clean` `[b 4 p p]` at `t [b]` in (0, 1]."""
        return (pictures - self.clean(pictures, t, text, which)) / t.clamp(min=SMALLEST_T).view(-1, 1, 1, 1)

    @torch.inference_mode()
    def cut(self, prompt: str, random: torch.Generator) -> Tensor:
        """Draw what a prompt's first and second subject look like, `[2 4 p p]` float32 in 0..1.

        One that the prompt does not name looks like anything; whether it is there is the layout's to say.
        """
        ids = torch.tensor([self.vocabulary.encode(prompt)])
        text = self.text(ids).expand(NUM_SUBJECTS, -1, -1)
        x = torch.randn(NUM_SUBJECTS, CHANNELS, CUTOUT_PX, CUTOUT_PX, generator=random)
        which = torch.arange(NUM_SUBJECTS)
        for t, following in pairwise(torch.linspace(1.0, 0.0, STEPS + 1)):  # straight steps to the clean estimate
            x = torch.lerp(self.clean(x, t.expand(NUM_SUBJECTS), text, which), x, following / t)
        return settled(x * self.deviation + self.mean)


def settled(pictures: Tensor) -> Tensor:
    """Return pictures `[b 4 p p]` whose alpha is in 0..1 and whose colours are no brighter than it."""
    alpha = pictures[:, 3:].clamp(0, 1)
    alpha = torch.where(alpha < 0.02, torch.zeros_like(alpha), alpha)  # nothing, but for rounding
    return torch.cat((torch.minimum(pictures[:, :3].clamp(min=0), alpha), alpha), dim=1)


def tiny() -> CutoutConfig:
    """Return a config for tests: one block, large patches and the tiny vocabulary."""
    return CutoutConfig(patch=12, width=16, depth=1, heads=1, hidden=32, text=texts.tiny())


SPEC = Family(name="cutout", config=CutoutConfig, model=CutoutModel, full=CutoutConfig, tiny=tiny)
