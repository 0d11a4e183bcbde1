"""The film model: a flow-matching transformer over space-time latents that reads a prompt as extra keys and values.

b batch, c channels, t h w latent grid, s seconds-long token frames (t / patch_frames), n = s h w tokens,
m text tokens, d width, k heads
"""

from __future__ import annotations

from collections.abc import Sequence
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


class Ready(NamedTuple):
    """All that a film model is told of some films but what is noised: what no step changes is there once.

    `times [steps b]` are those at which it can be asked; `shared [steps b 6 d]` and `last [steps b 2 d]` are how they
    modulate the blocks and what comes after them. `places [b s hw 2]` are (x, y) of the tokens, and `placed [b n d]` is
    what they say; `turns` are the rotary pairs of a frame's tokens and of a film's. `added [b n d]` is all that is
    added to the tokens; `draft` and `backdrop` are those of a lead, as tokens.
    """

    times: Tensor
    shared: Tensor
    last: Tensor
    prompt: Prompt
    places: Tensor
    placed: Tensor
    turns: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]
    added: Tensor
    draft: Tensor | None = None
    backdrop: tuple[Tensor, Tensor] | None = None


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
        q, k = both.unflatten(1, (apart, -1)).unbind(3)
        text_k, text_v = (part[:, None].expand(-1, apart, -1, -1, -1) for part in text)
        k = torch.cat((k, text_k), dim=2)
        v = torch.cat((v.unflatten(1, (apart, -1)), text_v), dim=2)
        q, k, v = (each.flatten(0, 1).transpose(1, 2) for each in (q, k, v))
        mixed = F.scaled_dot_product_attention(q, k, v)
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

    def lay(self) -> Self:
        """Lay weights out in memory as a processor's products read them fastest, the other way round; return self."""
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                layer.weight.data = layer.weight.data.t().contiguous().t()
        return self

    def read(self, ids: Tensor) -> Prompt:
        """Encode word ids `[b m]` once for all steps."""
        tokens = self.text(ids)
        keys, values = zip(*(block.text(tokens) for block in self.blocks), strict=True)  # type: ignore[operator]
        return Prompt(keys=list(keys), values=list(values), pooled=self.pool(tokens.mean(1)))

    def flops(self, grid: tuple[int, int, int]) -> float:
        """Return the FLOPs of one film's step over `grid` (seconds, rows, columns), led by all that leads the model.

        A multiply and an add are 2; per token and block 8 d^2 for the projections, 6 d hidden for the MLP and
        4 d (keys) for attention to a frame or to the film, and to the text. What no step changes is not counted.
        """
        c = self.config
        s, d, per_frame = grid[0], c.width, grid[1] * grid[2]
        keys = [per_frame if i % 2 == 0 else s * per_frame for i in range(c.depth)]
        blocks = sum(8 * d * d + 6 * d * c.hidden + 4 * d * (each + c.text.length) for each in keys)
        ends = 2 + 2 * c.draft + c.backdrop  # into and out, and what is kept of colours, alpha and backdrop
        return float(s * per_frame * (blocks + 2 * d * c.channels * c.patch_frames * ends))

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

    def ready(
        self,
        grid: tuple[int, int, int],
        prompt: Prompt,
        times: Tensor,
        seconds: tuple[Tensor, Tensor],
        crop: Crop | None = None,
    ) -> Ready:
        """Compute what no step changes for films of `grid` (seconds, rows, columns) that nothing leads.

        `times [steps b]` in (0, 1], `seconds` = (start, duration) `[b]`.
        """
        s, h, w = grid
        start_s, duration_s = seconds
        dtype = self.into.weight.dtype
        waves, (cosine, sine), places = self.coordinates(grid, start_s, crop)
        turn = (cosine.to(dtype)[:, None, None], sine.to(dtype)[:, None, None])
        frame_turn = (turn[0][: h * w].repeat(s, 1, 1, 1), turn[1][: h * w].repeat(s, 1, 1, 1))  # all of them at 0 s
        placed = self.place(waves.to(dtype))
        told = prompt.pooled + self.duration(timestep_features(duration_s, 64, 1.0).to(dtype))
        condition = F.silu(self.time(timestep_features(times, 256).to(dtype)) + told)
        return Ready(
            times=times,
            shared=self.shared(condition).unflatten(-1, (6, -1)),
            last=self.last(condition).unflatten(-1, (2, -1)),
            prompt=prompt,
            places=places,
            placed=placed,
            turns=(frame_turn, turn),
            added=placed,
        )

    def led(self, ready: Ready, lead: Lead) -> Ready:
        """Return the same for films that are led by `lead` instead, as far as the model can be led."""
        added, dtype, p = ready.placed, ready.placed.dtype, self.config.patch_frames
        draft = backdrop = None
        if self.control is not None:
            added = added + self.control(lead.layout, ready.places)
        if lead.draft is not None and self.tracing is not None:
            draft = self.tracing.tokens(lead.draft.to(dtype), p)
            added = added + self.tracing.into(draft)
        if lead.backdrop is not None and self.staging is not None:
            tokens = self.staging.tokens(lead.backdrop.to(dtype), p)
            added = added + self.staging.into(tokens)
            backdrop = (tokens, self.staging.shown(tokens))
        return ready._replace(added=added, draft=draft, backdrop=backdrop)

    @staticmethod
    def together(several: Sequence[Ready]) -> Ready:
        """Return what is ready for films of one grid and the same times as one batch, which nothing leads yet."""
        one = several[0]
        prompts = [each.prompt for each in several]
        prompt = Prompt(
            keys=[torch.cat(each) for each in zip(*(prompt.keys for prompt in prompts), strict=True)],
            values=[torch.cat(each) for each in zip(*(prompt.values for prompt in prompts), strict=True)],
            pooled=torch.cat([prompt.pooled for prompt in prompts]),
        )
        return one._replace(
            times=torch.cat([each.times for each in several], dim=1),
            shared=torch.cat([each.shared for each in several], dim=1),
            last=torch.cat([each.last for each in several], dim=1),
            prompt=prompt,
            places=torch.cat([each.places for each in several]),
            placed=torch.cat([each.placed for each in several]),
            added=torch.cat([each.added for each in several]),
        )

    def clean(self, latent: Tensor, ready: Ready, step: int = 0) -> Tensor:
        """Predict the clean latent `[b c t h w]` from one noised to `ready.times[step]`, which all may have in common.

        A latent of `[1 c t h w]` is that of all films.
        """
        _, c, frames, h, w = latent.shape
        p, (b, n, _) = self.config.patch_frames, ready.added.shape
        s = frames // p
        x = self.into(latent.view(-1, c, s, p, h * w).permute(0, 2, 4, 3, 1).reshape(-1, n, p * c)) + ready.added
        first: Tensor | None = None
        for index, block in enumerate(self.blocks):
            text = (ready.prompt.keys[index], ready.prompt.values[index])
            x, v = block(x, ready.shared[step], ready.turns[index % 2], text, first, 1 if index % 2 else s)
            first = v if first is None else first
        shift, scale = ready.last[step].unsqueeze(2).unbind(1)
        hidden = modulate(x, shift, scale)
        out = self.out(hidden)
        if ready.draft is not None and self.tracing is not None:
            out = self.tracing(hidden, out, ready.draft)
        if ready.backdrop is not None and self.staging is not None:
            out = self.staging(hidden, out, *ready.backdrop)
        return out.view(b, s, h * w, p, c).permute(0, 4, 1, 3, 2).reshape(b, c, frames, h, w)

    def velocity(self, latent: Tensor, ready: Ready, step: int = 0) -> Tensor:
        """Return the velocity `noise - clean` `[b c t h w]` at `ready.times[step]`, in the latent's own dtype.

        Give a float32 latent to a bfloat16 model: the division by a small t would magnify the latent's rounding.
        """
        clean = self.clean(latent.to(self.into.weight.dtype), ready, step).to(latent.dtype)
        return (latent - clean) / ready.times[step].clamp(min=self.smallest_t).view(-1, 1, 1, 1, 1).to(latent.dtype)

    def forward(
        self,
        latent: Tensor,
        t: Tensor,
        prompt: Prompt,
        seconds: tuple[Tensor, Tensor],
        crop: Crop | None = None,
        lead: Lead | None = None,
    ) -> Tensor:
        """Return the velocity `[b c t h w]` at `t [b]` in (0, 1]: a step on its own, as training takes it."""
        _, _, frames, h, w = latent.shape
        ready = self.ready((frames // self.config.patch_frames, h, w), prompt, t[None], seconds, crop)
        return self.velocity(latent, ready if lead is None else self.led(ready, lead))


def tiny() -> TransformerConfig:
    """Return a config for tests: two blocks (one sees frames, one the film) and the tiny vocabulary."""
    return TransformerConfig(channels=4, width=32, depth=2, heads=2, hidden=48, text=texts.tiny())


SPEC = Family(name="transformer", config=TransformerConfig, model=Transformer, full=TransformerConfig, tiny=tiny)
