"""The film model: a flow-matching transformer over space-time latents that reads a prompt as extra keys and values.

b batch, c channels, t h w latent grid, s seconds-long token frames (t / patch_frames), n = s h w tokens,
m text tokens, d width, k heads
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rushes import layouts
from rushes.config import from_dict
from rushes.errors import InputError
from rushes.models import Family
from rushes.models import text as texts
from rushes.models._control import Control
from rushes.models._draft import Staging, Tracing
from rushes.models.text import TextConfig, TextEncoder, Vocabulary
from rushes.nn import weights
from rushes.nn.attention import GatedMLP, modulate, rms, scaled_rms, timestep_features
from rushes.nn.rope import rotate, rotation
from rushes.types import nearest_multiple

COORDINATE_WAVES = 8
HEAD_UNIT = 16  # the axes share a head's channels 2:3:3, in pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerConfig:
    """`patch_frames` latent frames share one token; every second block sees the whole film, the others one frame.

    `layout` says whether the model can be told where its subjects are, in `rushes.layouts`' terms, `draft` whether it
    can be shown what they look like there, `backdrop` whether it can be shown the place.
    """

    channels: int = 160
    patch_frames: int = 2
    width: int = 256
    depth: int = 8
    heads: int = 4
    hidden: int = 704
    layout: bool = False
    draft: bool = False
    backdrop: bool = False
    text: TextConfig = field(default_factory=TextConfig)

    def __post_init__(self) -> None:
        if self.width % (unit := HEAD_UNIT * self.heads):
            problem = f"width {self.width} is no multiple of {HEAD_UNIT} per head, {unit}"
            raise InputError(f"{problem}; the nearest legal value is {nearest_multiple(self.width, unit)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt ready for every step: per block keys and values `[b m k e]`, and one vector `[b d]`."""

    keys: list[Tensor]
    values: list[Tensor]
    pooled: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """Where a crop lies: its upper left cells `top [b]`, `left [b]` in a frame of `rows` x `columns` cells."""

    top: Tensor
    left: Tensor
    rows: int
    columns: int


class Lead(NamedTuple):
    """What a film is led by: `layout [b 2t 17]` says where its subjects are, `draft [b 2c t h w]` shows them there.

    `backdrop [b c t h w]` shows the place behind them. Zeros, or none, say or show nothing.
    """

    layout: Tensor
    draft: Tensor | None = None
    backdrop: Tensor | None = None


class Block(nn.Module):
    """Attention and a gated MLP, modulated by one shared projection plus a table of its own (adaLN-single).

    Source: PixArt-alpha (arXiv 2310.00426, section 2.3); value residual: arXiv 2410.17897.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        d = config.width
        self.heads = config.heads
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.text_kv = nn.Linear(config.text.width, 2 * d, bias=False)
        self.out = nn.Linear(d, d, bias=False)
        self.mlp = GatedMLP(d, config.hidden)
        self.modulation = nn.Parameter(torch.zeros(6, d))
        self.value_mix = nn.Parameter(torch.tensor(0.0))
        self.query_gain = nn.Parameter(torch.tensor(1.5))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.mlp.out.weight)

    def text(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return this block's keys and values `[b m k e]` of the text tokens `[b m d]`."""
        k, v = self.text_kv(tokens).unflatten(-1, (2, self.heads, -1)).unbind(2)
        return rms(k), v

    def forward(
        self,
        x: Tensor,
        shared: Tensor,
        turn: tuple[Tensor, Tensor],
        text: tuple[Tensor, Tensor],
        first: Tensor | None,
        apart: int = 1,
    ) -> tuple[Tensor, Tensor]:
        """`x [b n d]`, `shared [b 6 d]`, `turn` for n tokens; the tokens attend in `apart` equal groups.

        Returns:
            x, and this block's values `[b n k e]`.
        """
        shift, scale, gate, shift2, scale2, gate2 = (shared + self.modulation).unsqueeze(2).unbind(1)
        qkv = self.qkv(modulate(x, shift, scale)).unflatten(-1, (3, self.heads, -1))
        v = qkv[:, :, 2]
        # Queries and keys are normalised and turned together: half as many passes over memory.
        gain = torch.stack((self.query_gain, torch.ones_like(self.query_gain))).view(2, 1, 1)
        both = rotate(scaled_rms(qkv[:, :, :2], gain), *turn)
        if first is not None:
            v = torch.lerp(v, first, torch.sigmoid(self.value_mix))
        mixed = self._attend(both, v, text, apart)
        x = torch.addcmul(x, gate, self.out(mixed))
        x = torch.addcmul(x, gate2, self.mlp(modulate(x, shift2, scale2)))
        return x, v

    def _attend(self, both: Tensor, v: Tensor, text: tuple[Tensor, Tensor], apart: int) -> Tensor:
        """Queries and keys `[b n 2 k e]`, values `[b n k e]` -> `[b n d]`; every group reads its film's text too."""
        b, n = v.shape[:2]
        q, k = both.unflatten(1, (apart, -1)).flatten(0, 1).unbind(2)
        text_k, text_v = (part.repeat_interleave(apart, dim=0) if apart > 1 else part for part in text)
        k = torch.cat((k, text_k), dim=1)
        v = torch.cat((v.unflatten(1, (apart, -1)).flatten(0, 1), text_v), dim=1)
        mixed = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
        return mixed.transpose(1, 2).reshape(b, n, -1)


class Transformer(nn.Module):
    """`forward(latent, t, prompt) -> velocity`; inside, the network predicts the clean latent.

    x-prediction with a velocity loss: arXiv 2511.13720 ("Back to basics"), eq. 4 and table 1 (c).
    """

    # Below this t the division by t would blow up; the sampler's last step starts above it.
    smallest_t = 0.02

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        d = config.width
        self.config = config
        self.vocabulary = Vocabulary(config.text.words, config.text.length)
        self.text = TextEncoder(config.text)
        patch = config.channels * config.patch_frames
        self.into = nn.Linear(patch, d)
        self.place = nn.Linear(6 * COORDINATE_WAVES, d)
        self.time = nn.Sequential(nn.Linear(256, d), nn.SiLU(), nn.Linear(d, d))
        self.duration = nn.Linear(64, d)
        self.pool = nn.Linear(config.text.width, d)
        self.shared = nn.Linear(d, 6 * d)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.last = nn.Linear(d, 2 * d)
        self.out = nn.Linear(d, patch)
        self.control = Control(d) if config.layout else None
        self.tracing = Tracing(d, patch) if config.draft else None
        self.staging = Staging(d, patch) if config.backdrop else None
        for layer in (self.shared, self.last, self.out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():  # gates start open a little, so that zero-initialised outputs can learn at once
            for block in self.blocks:
                assert isinstance(block, Block)
                block.modulation[2] = block.modulation[5] = 1.0

    @classmethod
    def from_pretrained(cls, folder: Path) -> Self:
        """Load the weights in `folder`. Raises: WeightsError."""
        record = weights.read_config(folder, family="transformer")
        model = cls(from_dict(TransformerConfig, record["config"]))
        weights.load(model, folder, family="transformer")
        return model

    def read(self, ids: Tensor) -> Prompt:
        """Encode word ids `[b m]` once for all steps."""
        tokens = self.text(ids)
        keys, values = zip(*(block.text(tokens) for block in self.blocks), strict=True)  # type: ignore[operator]
        return Prompt(keys=list(keys), values=list(values), pooled=self.pool(tokens.mean(1)))

    def flops(self, grid: tuple[int, int, int]) -> float:
        """Return the FLOPs of one film's forward pass over `grid` (seconds, rows, columns); a prompt's are not counted.

        A multiply and an add are 2; per token and block 8 d^2 for the projections, 6 d hidden for the MLP and
        4 d (keys) for attention to a frame or to the film, and to the text.
        """
        c = self.config
        s, d, per_frame = grid[0], c.width, grid[1] * grid[2]
        keys = [per_frame if i % 2 == 0 else s * per_frame for i in range(c.depth)]
        blocks = sum(8 * d * d + 6 * d * c.hidden + 4 * d * (each + c.text.length) for each in keys)
        return float(s * per_frame * (blocks + 4 * d * c.channels * c.patch_frames))

    def forward_bytes(self, num_tokens: int) -> int:
        """Return about how much memory a forward pass over `num_tokens` needs in float32, without attention's own."""
        return 4 * num_tokens * (12 * self.config.width + 4 * self.config.hidden)

    def coordinates(
        self, grid: tuple[int, int, int], start_s: Tensor, crop: Crop | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
        """Return waves of time, row and column `[b n 6 waves]`, the rotary pair and (x, y) `[b s hw 2]` of n tokens.

        Rows and columns count from the whole frame's centre in units of the square root of its area, so that a
        subject has the same size in every aspect; `grid` is the crop's own, where there is one. x and y are in the
        units of layouts.
        """
        s, h, w = grid
        device = start_s.device
        high, wide = (crop.rows, crop.columns) if crop else (h, w)
        unit = (high * wide) ** 0.5
        rows = (torch.arange(h, device=device) - (high - 1) / 2) / unit
        columns = (torch.arange(w, device=device) - (wide - 1) / 2) / unit
        seconds = torch.arange(s, device=device, dtype=torch.float32)
        mesh = torch.stack(torch.meshgrid(seconds, rows, columns, indexing="ij"), dim=-1).view(-1, 3)
        film = mesh.expand(start_s.shape[0], -1, -1).clone()
        film[..., 0] = (film[..., 0] + start_s[:, None]) * 0.1
        if crop:
            film[..., 1] += crop.top[:, None] / unit
            film[..., 2] += crop.left[:, None] / unit
        frequencies = 2.0 ** (torch.arange(COORDINATE_WAVES, device=device) - 1) * torch.pi / 2
        phase = film[..., None] * frequencies
        waves = torch.cat((phase.sin(), phase.cos()), dim=-1).flatten(2)
        e = self.config.width // self.config.heads
        widths = (e // 4, 3 * e // 8, 3 * e // 8)
        scaled = torch.stack((mesh[:, 0], mesh[:, 1] * 12, mesh[:, 2] * 12), dim=1)
        places = film[..., (2, 1)].view(len(film), s, h * w, 2) * layouts.ASPECT**0.5
        return waves, rotation(scaled, widths), places

    def clean(
        self,
        latent: Tensor,
        t: Tensor,
        prompt: Prompt,
        seconds: tuple[Tensor, Tensor],
        crop: Crop | None = None,
        lead: Lead | None = None,
    ) -> Tensor:
        """Predict the clean latent `[b c t h w]` from a noised one; `t [b]`, `seconds` = (start, duration) `[b]`."""
        b, c, frames, h, w = latent.shape
        p = self.config.patch_frames
        s = frames // p
        start_s, duration_s = seconds
        tokens = latent.view(b, c, s, p, h * w).permute(0, 2, 4, 3, 1).reshape(b, s * h * w, p * c)
        waves, turn, places = self.coordinates((s, h, w), start_s, crop)
        turn = (turn[0].to(latent)[:, None, None], turn[1].to(latent)[:, None, None])
        frame_turn = (turn[0][: h * w].repeat(s, 1, 1, 1), turn[1][: h * w].repeat(s, 1, 1, 1))  # all of them at 0 s
        condition = self.time(timestep_features(t, 256).to(latent.dtype)) + prompt.pooled
        condition = F.silu(condition + self.duration(timestep_features(duration_s, 64, 1.0).to(latent.dtype)))
        shared = self.shared(condition).view(b, 6, -1)
        x = self.into(tokens) + self.place(waves.to(latent.dtype))
        if lead is not None and self.control is not None:
            x = x + self.control(lead.layout, places)
        draft, tracing = None if lead is None else lead.draft, self.tracing
        if draft is not None and tracing is not None:
            draft = tracing.tokens(draft.to(latent.dtype), p)
            x = x + tracing.into(draft)
        backdrop, staging = None if lead is None else lead.backdrop, self.staging
        if backdrop is not None and staging is not None:
            backdrop = staging.tokens(backdrop.to(latent.dtype), p)
            x = x + staging.into(backdrop)
        first: Tensor | None = None
        for index, block in enumerate(self.blocks):
            text = (prompt.keys[index], prompt.values[index])
            sees_frames = index % 2 == 0
            x, v = block(x, shared, frame_turn if sees_frames else turn, text, first, s if sees_frames else 1)
            first = v if first is None else first
        shift, scale = self.last(condition).unsqueeze(1).chunk(2, dim=-1)
        hidden = modulate(x, shift, scale)
        out = self.out(hidden)
        if draft is not None and tracing is not None:
            out = out + tracing(hidden, draft)
        if backdrop is not None and staging is not None:
            out = staging(hidden, out, backdrop)
        return out.view(b, s, h * w, p, c).permute(0, 4, 1, 3, 2).reshape(b, c, frames, h, w)

    def forward(
        self,
        latent: Tensor,
        t: Tensor,
        prompt: Prompt,
        seconds: tuple[Tensor, Tensor],
        crop: Crop | None = None,
        lead: Lead | None = None,
    ) -> Tensor:
        """Return the velocity `noise - clean` `[b c t h w]` at `t [b]` in (0, 1], in the latent's own dtype.

        Give a float32 latent to a bfloat16 model: the division by a small t would magnify the latent's rounding.
        """
        predicted = self.clean(latent.to(self.into.weight.dtype), t, prompt, seconds, crop, lead).to(latent.dtype)
        return (latent - predicted) / t.clamp(min=self.smallest_t).view(-1, 1, 1, 1, 1).to(latent.dtype)


def tiny() -> TransformerConfig:
    """Return a config for tests: two blocks (one sees frames, one the film) and the tiny vocabulary."""
    return TransformerConfig(channels=4, width=32, depth=2, heads=2, hidden=48, text=texts.tiny())


SPEC = Family(name="transformer", config=TransformerConfig, model=Transformer, full=TransformerConfig, tiny=tiny)
