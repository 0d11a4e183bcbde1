"""The layout model: from a prompt to where its subjects are and how the camera moves, before a film is made.

b batch, n rows (quarters of a second), f the 17 columns of `rushes.layouts`, m text tokens, d width

A flow-matching transformer over rows; inside, it predicts the clean rows. A plan first and pixels after it: LVD
(arXiv 2309.17444) asks a language model for the plan, this one has learned it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from rushes import layouts
from rushes.config import from_dict
from rushes.models import Family
from rushes.models import text as texts
from rushes.models.text import TextConfig, TextEncoder, Vocabulary
from rushes.nn import weights
from rushes.nn.attention import GatedMLP, SelfAttention, modulate, timestep_features

SMALLEST_T = 0.02
STEPS = 20
HALF = 0.5  # present more than this, a subject is there
FASTEST = 12.0  # of the waves that tell a row its time, in radians per second: half a turn from row to row
WAVES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutConfig:
    """The text's width is that of the rows: both are tokens of one sequence."""

    width: int = 160
    depth: int = 4
    heads: int = 5
    hidden: int = 416
    text: TextConfig = field(default_factory=lambda: TextConfig(width=160, heads=5, depth=1))


class Block(nn.Module):
    """Attention over text and rows together, and a gated MLP, both modulated by time and duration."""

    def __init__(self, config: LayoutConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(config.width, config.heads)
        self.mlp = GatedMLP(config.width, config.hidden)
        self.modulation = nn.Linear(config.width, 6 * config.width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        with torch.no_grad():  # gates start half open
            self.modulation.bias.view(6, -1)[2::3] = 0.5

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        shift, scale, gate, shift2, scale2, gate2 = self.modulation(condition).unsqueeze(1).chunk(6, dim=-1)
        x = x + gate * self.attention(modulate(x, shift, scale))
        return x + gate2 * self.mlp(modulate(x, shift2, scale2))


class LayoutModel(nn.Module):
    """`forward(rows, t, ids, seconds) -> velocity`; rows are whitened by `mean` and `deviation`."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: LayoutConfig) -> None:
        super().__init__()
        d = config.width
        self.config = config
        self.vocabulary = Vocabulary(config.text.words, config.text.length)
        self.text = TextEncoder(config.text)
        self.into = nn.Linear(layouts.COLUMNS + 2 * WAVES, d)
        self.time = nn.Sequential(nn.Linear(128 + 64, d), nn.SiLU(), nn.Linear(d, d), nn.SiLU())
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.out = nn.Linear(d, layouts.COLUMNS)
        self.register_buffer("mean", torch.zeros(layouts.COLUMNS))
        self.register_buffer("deviation", torch.ones(layouts.COLUMNS))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    @classmethod
    def from_pretrained(cls, folder: Path) -> Self:
        """Load the weights in `folder`. Raises: WeightsError."""
        record = weights.read_config(folder, family="layout")
        model = cls(from_dict(LayoutConfig, record["config"]))
        weights.load(model, folder, family="layout")
        return model

    def clean(self, rows: Tensor, t: Tensor, text: Tensor, seconds: Tensor) -> Tensor:
        """Predict the clean rows `[b n f]` from noised ones; `t [b]`, `text [b m d]`, the film's `seconds [b]`."""
        b, n, _ = rows.shape
        at = (torch.arange(n, device=rows.device) + 0.5) / layouts.PER_SECOND
        absolute = timestep_features(at, WAVES, FASTEST).expand(b, -1, -1)
        share = timestep_features(at / seconds[:, None], WAVES, FASTEST)  # of its film that lies before a row
        x = torch.cat((text, self.into(torch.cat((rows, absolute, share), dim=-1))), dim=1)
        condition = self.time(torch.cat((timestep_features(t, 128), timestep_features(seconds, 64, 1.0)), dim=-1))
        for block in self.blocks:
            x = block(x, condition)
        return self.out(x[:, text.shape[1] :])

    def forward(self, rows: Tensor, t: Tensor, text: Tensor, seconds: Tensor) -> Tensor:
        """Return the velocity `noise - clean` `[b n f]` at `t [b]` in (0, 1]."""
        return (rows - self.clean(rows, t, text, seconds)) / t.clamp(min=SMALLEST_T).view(-1, 1, 1)

    @torch.inference_mode()
    def plan(self, prompt: str, seconds: float, random: torch.Generator, known: Tensor | None = None) -> Tensor:
        """Draw a layout, float32 `[n 17]`, of a film of `seconds`, that holds `known [n 17]` wherever it is no NaN.

        What is known of a row moves those of which nothing is known.
        """
        text = self.text(torch.tensor([self.vocabulary.encode(prompt)]))
        num = round(seconds * layouts.PER_SECOND)
        rows = torch.randn(1, num, layouts.COLUMNS, generator=random)
        lasting = torch.tensor([float(seconds)])
        held = torch.full_like(rows[0], torch.nan) if known is None else (known - self.mean) / self.deviation
        times = torch.linspace(1.0, 0.0, STEPS + 1)
        for t, following in pairwise(times):  # straight steps towards the clean estimate
            clean = self._emptied(moved(self.clean(rows, t.view(1), text, lasting)[0], held)[None])
            rows = torch.lerp(clean, rows, following / t)
        return settled(rows[0] * self.deviation + self.mean)

    def _emptied(self, clean: Tensor) -> Tensor:
        """Return clean rows `[1 n f]` in which a subject that is not there is nothing, as training saw it.

        Training leaves open what such a subject would look like; noise that goes on as if it were one would call it up.
        """
        present = clean * self.deviation + self.mean
        for index in range(layouts.NUM_SUBJECTS):
            columns = layouts.columns(index)
            if present[0, :, columns][:, layouts.PRESENT].mean() < HALF:
                clean[:, :, columns] = (-self.mean / self.deviation)[columns]
        return clean


def moved(rows: Tensor, held: Tensor) -> Tensor:
    """Return `rows [n f]`, each column moved so that it is `held [n f]` where that is no NaN.

    Between two rows that are held it is moved evenly, before the first and after the last as they are.
    """
    rows = rows.clone()
    for column in range(rows.shape[1]):
        where = torch.nonzero(~held[:, column].isnan())[:, 0].numpy()
        if len(where):
            away = (held[where, column] - rows[where, column]).numpy()
            rows[:, column] += torch.from_numpy(np.interp(np.arange(len(rows)), where, away)).to(rows)
    return rows


def settled(layout: Tensor) -> Tensor:
    """Return the layout `[n 17]` with what can only be one of two things decided, and turns that are turns.

    Which way a subject faces is decided for the whole film, whether it is there at all as well.
    """
    layout = layout.clone()
    for index in range(layouts.NUM_SUBJECTS):
        subject = layout[:, layouts.columns(index)]
        facing, present = subject[:, layouts.FACING], subject[:, layouts.PRESENT]
        turn = torch.atan2(subject[:, layouts.SINE], subject[:, layouts.COSINE])
        subject[:, layouts.SINE], subject[:, layouts.COSINE] = turn.sin(), turn.cos()
        subject[:, layouts.FACING] = torch.where(facing.mean() < 0, -1.0, 1.0)
        subject[:, layouts.PRESENT] = present.clamp(0, 1) if present.mean() >= HALF else 0.0
    return layout


def tiny() -> LayoutConfig:
    """Return a config for tests: one block and the tiny vocabulary."""
    return LayoutConfig(width=16, depth=1, heads=1, hidden=32, text=texts.tiny())


SPEC = Family(name="layout", config=LayoutConfig, model=LayoutModel, full=LayoutConfig, tiny=tiny)
