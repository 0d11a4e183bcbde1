"""The one way from a request to frames: encode the text, draw noise, make the schedule, sample, decode."""

from __future__ import annotations

import dataclasses
import functools
import math
import timeit
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rushes import __version__, config
from rushes.diffusion import samplers, schedule
from rushes.diffusion.guidance import Guidance
from rushes.errors import InputError, nearest_first
from rushes.models.autoencoder import ENCODED_FPS, LATENT_FPS, PAINTED_FPS, Autoencoder, fit, to_bytes
from rushes.models.transformer import Transformer
from rushes.nn import weights
from rushes.types import GenerationRequest, VideoShape

MODEL = "rushes"
MAX_SECONDS = 10
LEGAL_FPS = (ENCODED_FPS, PAINTED_FPS)
# (width, height) -> rows, columns, pixels per cell; the seven buckets of Hotshot-XL, then the wide and tall screens
SIZES = {
    (320, 768): (19, 8, 48), (384, 672): (16, 9, 48), (416, 608): (15, 10, 48), (512, 512): (12, 12, 48),
    (608, 416): (10, 15, 48), (672, 384): (9, 16, 48), (768, 320): (8, 19, 48), (768, 432): (9, 16, 48),
    (432, 768): (16, 9, 48), (1280, 720): (9, 16, 80), (720, 1280): (16, 9, 80),
}  # fmt: skip
TRIAL = VideoShape(frames=8, height=512, width=512)
BASE_BYTES = 400_000_000  # Python, torch, the encoder
ENCODING_S = 1.1e-8  # CPU seconds per pixel that x264 and colour conversion take (docs/media.md)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A named size, length and effort: what a request asks for where it says nothing else."""

    name: str
    shape: VideoShape
    fps: int
    num_steps: int = 20
    guidance_scale: float = 3.0


TIERS = {
    "flipbook": Tier(name="flipbook", shape=VideoShape(frames=8, height=512, width=512), fps=8),
    "short": Tier(name="short", shape=VideoShape(frames=24, height=432, width=768), fps=8),
    "feature": Tier(name="feature", shape=VideoShape(frames=240, height=720, width=1280), fps=24),
    "still": Tier(name="still", shape=VideoShape(frames=1, height=720, width=1280), fps=24),
}


def tier(name: str) -> Tier:
    """Return the tier called `name`. Raises: InputError, the known ones named, nearest first."""
    if name not in TIERS:
        raise InputError(f"there is no tier {name!r}; known: {nearest_first(name, TIERS)}")
    return TIERS[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a request is made: a grid of cells for whole seconds, painted at `pixels` a cell, then fitted to `shape`."""

    rows: int
    columns: int
    seconds: int
    pixels: int
    fps: int
    shape: VideoShape

    @property
    def num_tokens(self) -> int:
        return self.seconds * self.rows * self.columns


def plan(request: GenerationRequest) -> Plan:
    """Return how `request` is made. Raises: InputError naming the nearest legal size, fps or number of frames."""
    shape, fps = request.shape, request.fps
    if request.model != MODEL:
        raise InputError(f"there is no model {request.model!r}; known: {MODEL}")
    if request.conditions:
        raise InputError(f"condition {request.conditions[0]!r} is illegal; {MODEL} takes a prompt alone")
    size = (shape.width, shape.height)
    if size not in SIZES:
        w, h = min(SIZES, key=lambda s: math.hypot(math.log(s[0] / size[0]), math.log(s[1] / size[1])))
        others = ", ".join(f"{a}x{b}" for a, b in SIZES if (a, b) != (w, h))
        raise InputError(f"size {size[0]}x{size[1]} is illegal; the nearest legal value is {w}x{h}; others: {others}")
    if fps not in LEGAL_FPS:
        nearest_fps = min(LEGAL_FPS, key=lambda legal: abs(legal - fps))
        raise InputError(f"fps {fps} is illegal; the nearest legal value is {nearest_fps}")
    seconds = max(1, min(MAX_SECONDS, round(shape.frames / fps)))
    if shape.frames not in (1, seconds * fps):
        nearest = 1 if shape.frames < fps / 2 else seconds * fps
        legal = f"1 to {MAX_SECONDS} whole seconds, or one frame; the nearest legal value is {nearest}"
        raise InputError(f"{shape.frames} frames at {fps} fps is illegal: {legal}")
    rows, columns, pixels = SIZES[size]
    return Plan(rows=rows, columns=columns, seconds=seconds, pixels=pixels, fps=fps, shape=shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a request will cost on this machine: wall-clock seconds (denoising's among them), peak memory in bytes."""

    seconds: float
    denoise_s: float
    memory_bytes: int


class Generator:
    """Loaded weights that turn requests into frames; the same request gives the same frames, bit for bit."""

    def __init__(self, autoencoder: Autoencoder, film: Transformer, hashes: dict[str, str]) -> None:
        self.autoencoder, self.film, self.hashes = autoencoder, film, hashes

    @classmethod
    def load(cls, folder: Path, *, threads: int = 0, dtype: torch.dtype | None = None) -> Generator:
        """Load `folder`/autoencoder and `folder`/film; `threads` 0 leaves torch's own number, `dtype` None is float32.

        Raises: WeightsError (missing, truncated or foreign).
        """
        if threads:
            torch.set_num_threads(threads)
        autoencoder = Autoencoder.from_pretrained(folder / "autoencoder")
        film = Transformer.from_pretrained(folder / "film")
        families = {"autoencoder": "autoencoder", "film": "transformer"}
        hashes = {name: weights.read_config(folder / name, family=kind)["sha256"] for name, kind in families.items()}
        return cls(autoencoder, film.to(dtype or torch.float32), hashes)

    def record(self, request: GenerationRequest) -> dict[str, Any]:
        """Return the request as plain JSON, with the weights' hashes: what a film's file carries."""
        return config.to_dict(request) | {"weights": self.hashes, "rushes": __version__}

    def generate(self, request: GenerationRequest, watch: samplers.Watch = samplers.ignore) -> Iterator[np.ndarray]:
        """Yield the frames, uint8 RGB `[h w 3]`; `watch(step, clean estimate)` sees each step. Raises: InputError."""
        yield from self.paint(self.latent(request, watch), plan(request))

    @torch.inference_mode()
    def latent(self, request: GenerationRequest, watch: samplers.Watch = samplers.ignore) -> Tensor:
        """Return the film as its latent `[1 c t h w]` float32: all of generation but the painting."""
        torch.set_flush_denormal(True)
        shot, channels = plan(request), self.film.config.channels
        velocity = self._velocity(request, shot)
        shape = (1, channels, shot.seconds * LATENT_FPS, shot.rows, shot.columns)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(request.seed))
        grid = schedule.grid(request.num_steps, 2.0 * schedule.shift_for(shot.num_tokens))
        return samplers.multistep(velocity, noise, grid, watch)

    def paint(self, latent: Tensor, shot: Plan) -> Iterator[np.ndarray]:
        """Yield the frames, uint8 RGB `[h w 3]`, of a latent `[1 c t h w]`, as many as `shot.shape` has."""
        shape = shot.shape
        for frames in self.autoencoder.decode(latent, fps=shot.fps, pixels=shot.pixels, num_frames=shape.frames):
            yield from fit(frames, shape.height, shape.width).numpy()

    @torch.inference_mode()
    def estimate(self, request: GenerationRequest) -> Estimate:
        """Predict the cost of `request` from its FLOPs and a quick trial of this machine. Raises: InputError."""
        shot, threads = plan(request), torch.get_num_threads()
        num_films, num_cells = 1 if request.guidance_scale == 1.0 else 2, shot.rows * shot.columns
        trial = dataclasses.replace(request, shape=TRIAL, fps=8, num_steps=1)
        step_s = min(timeit.repeat(lambda: self.latent(trial), number=1, repeat=2)) / self.film.flops((1, 12, 12))
        few = torch.zeros(1, self.film.config.channels, 1, 4, 4)
        paint = functools.partial(self.autoencoder.decode, few, fps=8, pixels=shot.pixels)
        cell_s = min(timeit.repeat(lambda: list(paint()), number=1, repeat=2)) / (4 * 4 * 4)
        denoise_s = request.num_steps * step_s * self.film.flops((shot.seconds, shot.rows, shot.columns))
        frame_s = cell_s * num_cells + shot.shape.height * shot.shape.width * ENCODING_S
        most = self.autoencoder.decode_bytes(num_cells, fps=shot.fps, pixels=shot.pixels, threads=threads)
        most = max(most, self.film.forward_bytes(num_films * shot.num_tokens)) + BASE_BYTES
        most += 6 * sum(p.numel() for model in (self.film, self.autoencoder) for p in model.parameters())
        seconds = denoise_s + shot.shape.frames * frame_s / threads
        return Estimate(seconds=seconds, denoise_s=denoise_s, memory_bytes=most)

    @torch.inference_mode()
    def preview(self, clean: Tensor) -> np.ndarray:
        """Return the middle of a clean estimate `[1 c t h w]` as a small picture, uint8 `[16h 16w 3]`, in no time."""
        middle = clean.shape[2] // 2
        pixels = self.autoencoder.transform.decode(clean[:, :, middle : middle + 1].float())[0, :, 0]
        return to_bytes(pixels).permute(1, 2, 0).numpy()

    def _velocity(self, request: GenerationRequest, shot: Plan) -> samplers.Velocity:
        """Return the guided velocity; both prompts are encoded once and go through the model as one batch of two."""
        guidance = Guidance(scale=request.guidance_scale)
        texts = [request.prompt, request.negative_prompt][: 1 if guidance.scale == 1.0 else 2]
        prompt = self.film.read(torch.tensor([self.film.vocabulary.encode(text) for text in texts]))
        seconds = (torch.zeros(len(texts)), torch.full((len(texts),), float(shot.seconds)))

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            x, t = x.repeat(len(texts), 1, 1, 1, 1), t.repeat(len(texts))
            slopes = self.film(x, t, prompt, seconds).split(1)
            return guidance.mix(*slopes) if len(slopes) == 2 else slopes[0]

        return velocity
