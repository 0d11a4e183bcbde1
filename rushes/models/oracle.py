"""The oracle reads a film: kind, colour, size, place, time, weather, motion, direction and camera.

It looks twice at every frame: at the whole, where slots of attention find the subject and the landmarks, and closely
at the square around the subject.

b batch, f frames read, c channels, h w feature grid, s slots, d width
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rushes.config import from_dict
from rushes.models import Family
from rushes.nn import weights
from rushes.nn.attention import GatedMLP, SelfAttention, rms, timestep_features
from rushes.nn.shifts import WIDTH as SHIFT_WIDTH
from rushes.nn.shifts import shifts

NUM_FRAMES = 12
NUM_SLOW = 4
HEIGHT, WIDTH = 90, 160
ATTRIBUTES = ("kind", "colour", "size", "place", "time", "weather", "motion", "direction", "camera")
STATIC, MOVING = ATTRIBUTES[:6], ATTRIBUTES[6:]


def reading_times(duration_s: float) -> np.ndarray:
    """Return the seconds `[12]` at which a film of `duration_s` is read: four spread over it, eight within its middle.

    The eight span at most two seconds, so that a bounce or a spin is seen several times a turn.
    """
    slow = (np.arange(NUM_SLOW) + 0.2) / (NUM_SLOW - 0.6) * duration_s
    span = min(2.0, duration_s)
    fast = (duration_s - span) / 2 + (np.arange(NUM_FRAMES - NUM_SLOW) + 0.5) * span / (NUM_FRAMES - NUM_SLOW)
    return np.concatenate((slow, fast))


def shown_frames(num_frames: int, fps: int) -> np.ndarray:
    """Return which frames `[12]` of a film are on the screen at its reading times: each is at most a frame early."""
    at = reading_times(num_frames / fps)
    return np.floor(at * fps + 1e-6).astype(int).clip(0, num_frames - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleConfig:
    """`labels` are the words of each of the nine attributes, joined by `|`, in the order of ATTRIBUTES.

    `moves` is how wide the layers are that read MOVING off the picture's shifts as well; 0 for none.
    """

    labels: tuple[str, ...] = ()
    widths: tuple[int, ...] = (16, 32, 64)
    close_widths: tuple[int, ...] = (32, 64, 96)
    close_px: int = 32
    slots: int = 8
    width: int = 192
    depth: int = 2
    heads: int = 4
    moves: int = 0


class Stage(nn.Module):
    """Halve the picture, then two residual convolutions with normalised channels."""

    def __init__(self, into: int, width: int, blocks: int) -> None:
        super().__init__()
        self.shrink = nn.Conv2d(into, width, 3, stride=2, padding=1)
        self.first = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(blocks))
        self.second = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(blocks))
        for layer in self.second:
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        x = self.shrink(x)
        for first, second in zip(self.first, self.second, strict=True):
            x = x + second(F.relu(first(_normal(x))))
        return x


def _normal(x: Tensor) -> Tensor:
    return rms(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class OracleBlock(nn.Module):
    def __init__(self, config: OracleConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(config.width, config.heads)
        self.mlp = GatedMLP(config.width, config.width * 2)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(rms(x))
        return x + self.mlp(rms(x))


class Told(nn.Module):
    """What shifts and an attribute's token together say of it; nothing at first."""

    def __init__(self, config: OracleConfig, num_labels: int) -> None:
        super().__init__()
        self.inner = nn.Linear(config.moves + config.width, config.moves)
        self.out = nn.Linear(config.moves, num_labels)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.gelu(self.inner(x)))


class Oracle(nn.Module):
    """`forward(frames, times_s, duration_s) -> {attribute: logits [b labels]}`."""

    def __init__(self, config: OracleConfig) -> None:
        super().__init__()
        self.config = config
        self.labels = {a: tuple(words.split("|")) for a, words in zip(ATTRIBUTES, config.labels, strict=True)}
        a, b, c = config.widths
        self.stem = nn.Conv2d(3, a, 5, stride=2, padding=2)
        self.stages = nn.Sequential(Stage(a, b, 1), Stage(b, c, 2))
        self.look = nn.Conv2d(c, config.slots, 1)
        self.gather = nn.Linear(config.slots * (c + 5) + 2 * c, config.width)
        k, m, n = config.close_widths
        self.close_stem = nn.Conv2d(3, k, 3, padding=1)
        self.close_stages = nn.Sequential(Stage(k, m, 1), Stage(m, n, 1), nn.Conv2d(n, n, 3, stride=2, padding=1))
        self.recognise = nn.Linear(n * (config.close_px // 8) ** 2, config.width)
        self.when = nn.Linear(64, config.width)
        self.ask = nn.Parameter(torch.randn(len(ATTRIBUTES), config.width) * 0.5)
        self.blocks = nn.ModuleList(OracleBlock(config) for _ in range(config.depth))
        self.answers = nn.ModuleDict({a: nn.Linear(config.width, len(words)) for a, words in self.labels.items()})
        if config.moves:
            pairs = (NUM_FRAMES - 1) * (SHIFT_WIDTH + 1)
            self.moves = nn.Sequential(nn.Linear(pairs, config.moves), nn.GELU())
            self.told = nn.ModuleDict({a: Told(config, len(self.labels[a])) for a in MOVING})
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def from_pretrained(cls, folder: Path) -> Self:
        """Load the weights in `folder`. Raises: WeightsError."""
        record = weights.read_config(folder, family="oracle")
        model = cls(from_dict(OracleConfig, record["config"]))
        weights.load(model, folder, family="oracle")
        return model

    def see(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return features `[n d]` of pictures `[n 3 H W]` in [-1, 1], and where the subject is sought, `[n h w]`.

        Each slot's attention yields its mean feature, mean place and spread; so a subject's path is explicit. The
        first slot is taught to lie on the subject (`look_closely` needs it there); the others are free.
        """
        x = self.stages(F.relu(self.stem(frames)))
        x = _normal(x)
        h, w = x.shape[2:]
        attention = self.look(x * 1.0).flatten(2).float().softmax(-1)
        rows = torch.linspace(-1, 1, h, device=x.device)[:, None].expand(h, w)
        columns = torch.linspace(-1, 1, w, device=x.device)[None].expand(h, w)
        where = torch.stack((rows, columns, rows**2, columns**2, rows * columns), dim=-1).view(h * w, 5)
        places = attention @ where
        slots = torch.cat((attention.to(x.dtype) @ x.flatten(2).mT, places.to(x.dtype) * 3), dim=-1)
        whole = self.gather(torch.cat((slots.flatten(1), x.mean((2, 3)), x.amax((2, 3))), dim=1))
        return whole + self.look_closely(frames, places[:, 0]), attention[:, 0].unflatten(1, (h, w))

    def look_closely(self, frames: Tensor, place: Tensor) -> Tensor:
        """Features `[n d]` of the square around the subject; `place [n 5]` are its mean place and second moments.

        The square's half side is 2.2 standard deviations: those of a filled box are 0.58 of its half side.
        """
        place = place.detach()
        middle, height, width = place[:, :2], *frames.shape[2:]
        variance = (place[:, 2:4] - middle.square()).clamp(min=1e-4) * torch.tensor(
            [height, width], device=place.device
        ) ** 2
        half = (2.2 * variance.mean(1).sqrt()).clamp(min=8.0)  # in half pixels, as grid coordinates times a side are
        line = torch.linspace(-1, 1, self.config.close_px, device=place.device)
        rows = middle[:, :1] + line * half[:, None] / height
        columns = middle[:, 1:] + line * half[:, None] / width
        n, size = len(frames), self.config.close_px
        grid = torch.stack((columns[:, None].expand(n, size, size), rows[:, :, None].expand(n, size, size)), dim=-1)
        square = F.grid_sample(frames.float(), grid, align_corners=False, padding_mode="border").to(frames.dtype)
        seen = self.close_stages(F.relu(self.close_stem(square.contiguous(memory_format=torch.channels_last))))
        return self.recognise(F.relu(_normal(seen)).flatten(1))

    def think(self, seen: Tensor, times_s: Tensor, duration_s: Tensor) -> Tensor:
        """Return the tokens of films whose frames look like `seen [b f d]`."""
        b = len(seen)
        span = torch.stack((times_s, times_s - duration_s[:, None] / 2), dim=-1)
        when = timestep_features(span, 32, 30.0).flatten(2)
        tokens = torch.cat((self.ask.expand(b, -1, -1), seen + self.when(when.to(seen.dtype))), dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        # What the frames have in common goes straight to the answers: kinds are learned many times sooner.
        asked, read = tokens[:, : len(ATTRIBUTES)], tokens[:, len(ATTRIBUTES) :]
        return rms(torch.cat((asked + seen.mean(1, keepdim=True), read), dim=1))

    def answer(self, tokens: Tensor, moved: Tensor | None = None) -> dict[str, Tensor]:
        """Return the logits `[b labels]` of each attribute from what `think` and `shifted` returned."""
        logits = {a: layer(tokens[:, i]) for i, (a, layer) in enumerate(self.answers.items())}
        if moved is None or not self.config.moves:
            return logits
        moves = self.moves(moved.to(tokens.dtype))
        both = {a: torch.cat((tokens[:, ATTRIBUTES.index(a)], moves), dim=-1) for a in MOVING}
        return logits | {a: logits[a] + self.told[a](x) for a, x in both.items()}

    def tokens(self, frames: Tensor, times_s: Tensor, duration_s: Tensor) -> Tensor:
        """What the answers are read from, `[b 9+f d]`: a token per attribute, then one per frame."""
        seen, _ = self.see(frames.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        return self.think(seen.view(*frames.shape[:2], -1), times_s, duration_s)

    def forward(self, frames: Tensor, times_s: Tensor, duration_s: Tensor) -> dict[str, Tensor]:
        """Read films: `frames [b f 3 H W]` in [-1, 1], `times_s [b f]`, `duration_s [b]`."""
        return self.answer(self.tokens(frames, times_s, duration_s), shifted(frames, times_s))

    @torch.inference_mode()
    def read(self, frames: Tensor, duration_s: float) -> dict[str, str]:
        """Return the likeliest word of each attribute for one film's twelve frames `[12 3 H W]` in [-1, 1]."""
        times = torch.from_numpy(reading_times(duration_s)).float()[None]
        logits = self(frames[None], times, torch.tensor([duration_s]))
        return {a: self.labels[a][int(x.argmax())] for a, x in logits.items()}


def shifted(frames: Tensor, times_s: Tensor) -> Tensor:
    """Return how films `[b f 3 H W]` shift from each frame to the next in time, and the seconds between, `[b p*49]`."""
    order = times_s.argsort(dim=1, stable=True)
    rows = torch.arange(len(frames), device=frames.device)[:, None]
    lapse = times_s.gather(1, order).diff(dim=1)[..., None]
    return torch.cat((shifts(frames[rows, order]), lapse), dim=-1).flatten(1)


def tiny() -> OracleConfig:
    """Return a config for tests: two words per attribute."""
    return OracleConfig(
        labels=("one|two",) * len(ATTRIBUTES),
        widths=(8, 8, 12),
        close_widths=(4, 6, 8),
        slots=2,
        width=32,
        depth=1,
        heads=2,
    )


SPEC = Family(name="oracle", config=OracleConfig, model=Oracle, full=OracleConfig, tiny=tiny)
