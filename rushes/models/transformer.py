"""The film model: a flow-matching transformer over space-time latents that reads a prompt as extra keys and values.

b batch, c channels, t h w latent grid, s seconds-long token frames (t / patch_frames), n = s h w tokens,
m text tokens, d width, k heads
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rushes.config import from_dict
from rushes.errors import InputError
from rushes.models import Family
from rushes.models import text as texts
from rushes.models.text import TextConfig, TextEncoder, Vocabulary
from rushes.nn import weights
from rushes.nn.attention import GatedMLP, join_heads, rms, split_heads, timestep_features
from rushes.nn.rope import rotate, rotation
from rushes.types import nearest_multiple

COORDINATE_WAVES = 8
HEAD_UNIT = 16  # the axes share a head's channels 2:3:3, in pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerConfig:
    """`patch_frames` latent frames share one token; every second block sees the whole film, the others one frame."""

    channels: int = 160
    patch_frames: int = 2
    width: int = 256
    depth: int = 8
    heads: int = 4
    hidden: int = 704
    text: TextConfig = field(default_factory=TextConfig)

    def __post_init__(self) -> None:
        if self.width % (unit := HEAD_UNIT * self.heads):
            problem = f"width {self.width} is no multiple of {HEAD_UNIT} per head, {unit}"
            raise InputError(f"{problem}; the nearest legal value is {nearest_multiple(self.width, unit)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt ready for every step: per block keys and values `[b k m e]`, and one vector `[b d]`."""

    keys: list[Tensor]
    values: list[Tensor]
    pooled: Tensor


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
        """Return this block's keys and values `[b k m e]` of the text tokens `[b m d]`."""
        k, v = (split_heads(part, self.heads) for part in self.text_kv(tokens).chunk(2, dim=-1))
        return rms(k), v

    def forward(
        self, x: Tensor, shared: Tensor, turn: tuple[Tensor, Tensor], text: tuple[Tensor, Tensor], first: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """`x [b n d]`, `shared [b 6 d]`, `turn` for n tokens; returns x and this block's values."""
        b = x.shape[0]
        shift, scale, gate, shift2, scale2, gate2 = (shared + self.modulation).unsqueeze(2).unbind(1)
        q, k, v = (split_heads(p, self.heads) for p in self.qkv(rms(x) * (1 + scale) + shift).chunk(3, dim=-1))
        q, k = rotate(rms(q) * self.query_gain, *turn), rotate(rms(k), *turn)
        if first is not None:
            v = torch.lerp(v, first.view_as(v), torch.sigmoid(self.value_mix))
        text_k, text_v = (_repeat(part, b) for part in text)
        mixed = F.scaled_dot_product_attention(q, torch.cat((k, text_k), 2), torch.cat((v, text_v), 2))
        x = x + gate * self.out(join_heads(mixed))
        x = x + gate2 * self.mlp(rms(x) * (1 + scale2) + shift2)
        return x, v


def _repeat(x: Tensor, b: int) -> Tensor:
    """Give each of a film's frames its film's text: `[b0 k m e] -> [b k m e]`."""
    return x if x.shape[0] == b else x.repeat_interleave(b // x.shape[0], dim=0)


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

    def coordinates(self, grid: tuple[int, int, int], start_s: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return waves of time, row and column `[b n 6 waves]` and the rotary pair for n tokens.

        Rows and columns count from the frame's centre in units of the square root of its area, so that a
        subject has the same size in every aspect.
        """
        s, h, w = grid
        device = start_s.device
        rows = (torch.arange(h, device=device) - (h - 1) / 2) / (h * w) ** 0.5
        columns = (torch.arange(w, device=device) - (w - 1) / 2) / (h * w) ** 0.5
        seconds = torch.arange(s, device=device, dtype=torch.float32)
        mesh = torch.stack(torch.meshgrid(seconds, rows, columns, indexing="ij"), dim=-1).view(-1, 3)
        film = mesh.expand(start_s.shape[0], -1, -1).clone()
        film[..., 0] = (film[..., 0] + start_s[:, None]) * 0.1
        frequencies = 2.0 ** (torch.arange(COORDINATE_WAVES, device=device) - 1) * torch.pi / 2
        phase = film[..., None] * frequencies
        waves = torch.cat((phase.sin(), phase.cos()), dim=-1).flatten(2)
        e = self.config.width // self.config.heads
        widths = (e // 4, 3 * e // 8, 3 * e // 8)
        scaled = torch.stack((mesh[:, 0], mesh[:, 1] * 12, mesh[:, 2] * 12), dim=1)
        return waves, rotation(scaled, widths)

    def clean(self, latent: Tensor, t: Tensor, prompt: Prompt, seconds: tuple[Tensor, Tensor]) -> Tensor:
        """Predict the clean latent `[b c t h w]` from a noised one; `t [b]`, `seconds` = (start, duration) `[b]`."""
        b, c, frames, h, w = latent.shape
        p = self.config.patch_frames
        s = frames // p
        start_s, duration_s = seconds
        tokens = latent.view(b, c, s, p, h * w).permute(0, 2, 4, 3, 1).reshape(b, s * h * w, p * c)
        waves, turn = self.coordinates((s, h, w), start_s)
        frame_turn = (turn[0][: h * w], turn[1][: h * w])
        waves = waves.to(latent.dtype)
        turn, frame_turn = ((a.to(latent), b_.to(latent)) for a, b_ in (turn, frame_turn))
        condition = self.time(timestep_features(t, 256).to(latent.dtype)) + prompt.pooled
        condition = F.silu(condition + self.duration(timestep_features(duration_s, 64, 1.0).to(latent.dtype)))
        shared = self.shared(condition).view(b, 6, -1)
        frame_shared = shared.repeat_interleave(s, dim=0)
        x = self.into(tokens) + self.place(waves)
        first: Tensor | None = None
        for index, block in enumerate(self.blocks):
            text = (prompt.keys[index], prompt.values[index])
            if index % 2 == 0 and s > 1:
                x = x.reshape(b * s, h * w, -1)
                x, v = block(x, frame_shared, frame_turn, text, _by_frame(first, s))
                x, v = x.view(b, s * h * w, -1), _by_film(v, s)
            else:
                x, v = block(x, shared, turn, text, first)
            first = v if first is None else first
        shift, scale = self.last(condition).unsqueeze(1).chunk(2, dim=-1)
        out = self.out(rms(x) * (1 + scale) + shift)
        return out.view(b, s, h * w, p, c).permute(0, 4, 1, 3, 2).reshape(b, c, frames, h, w)

    def forward(self, latent: Tensor, t: Tensor, prompt: Prompt, seconds: tuple[Tensor, Tensor]) -> Tensor:
        """Return the velocity `noise - clean` `[b c t h w]` at `t [b]` in (0, 1], in the latent's own dtype.

        Give a float32 latent to a bfloat16 model: the division by a small t would magnify the latent's rounding.
        """
        predicted = self.clean(latent.to(self.into.weight.dtype), t, prompt, seconds).to(latent.dtype)
        return (latent - predicted) / t.clamp(min=self.smallest_t).view(-1, 1, 1, 1, 1).to(latent.dtype)


def _by_frame(x: Tensor | None, s: int) -> Tensor | None:
    """`[b k s*n e] -> [b*s k n e]`."""
    if x is None:
        return None
    b, k, n, e = x.shape
    return x.view(b, k, s, n // s, e).transpose(1, 2).reshape(b * s, k, n // s, e)


def _by_film(x: Tensor, s: int) -> Tensor:
    """`[b*s k n e] -> [b k s*n e]`."""
    bs, k, n, e = x.shape
    return x.view(bs // s, s, k, n, e).transpose(1, 2).reshape(bs // s, k, s * n, e)


def tiny() -> TransformerConfig:
    """Return a config for tests: two blocks (one sees frames, one the film) and the tiny vocabulary."""
    return TransformerConfig(channels=4, width=32, depth=2, heads=2, hidden=48, text=texts.tiny())


SPEC = Family(name="transformer", config=TransformerConfig, model=Transformer, full=TransformerConfig, tiny=tiny)
