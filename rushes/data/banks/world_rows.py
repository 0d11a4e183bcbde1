"""What banks hold of the paper world: latents with captions, pictures to paint, frames to read. Made row by row."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from rushes import layouts
from rushes.data.banks.bank import Row
from rushes.models.autoencoder import (
    ENCODED_FPS,
    LATENT_FPS,
    PAINTED_FPS,
    Autoencoder,
    AutoencoderConfig,
    PatchTransform,
)
from rushes.models.oracle import HEIGHT, WIDTH, reading_times, shown_frames
from rushes.world.captions import caption, prompt
from rushes.world.layout import layout
from rushes.world.render import render, subject_mask
from rushes.world.scene import Scene, SceneFilters, sample, to_dict

NUM_CAPTIONS = 4
STAGE = ("place", "variant", "time", "weather")  # what a scene's backdrop follows from
LEAST_VISIBLE = 0.6  # of the subject's usual area, in a window that training sees
MOST_TRIES = 20


def to_view(frames: np.ndarray) -> torch.Tensor:
    """uint8 `[T H W 3]` -> float32 `[1 3 T H W]` in [-1, 1]."""
    return torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1


def draw_window(
    rng: np.random.Generator, split: str, filters: SceneFilters, seconds: float, mask: tuple[int, int, int, int]
) -> tuple[Scene, float]:
    """Return a scene and the second at which a window of it starts; its subject is in sight in most of the window."""
    rows, columns, height, width = mask
    for _ in range(MOST_TRIES):
        scene = sample(rng, split=split, filters=filters)
        start_s = float(rng.uniform(0.0, max(0.0, scene.duration_s - seconds)))
        whole = subject_mask(scene, rows=rows, cols=columns, height=height, width=width, times_s=[scene.duration_s / 2])
        times = [start_s + share * seconds for share in (0.1, 0.5, 0.9)]
        seen = subject_mask(scene, rows=rows, cols=columns, height=height, width=width, times_s=times)
        if seen.sum((1, 2)).mean() >= LEAST_VISIBLE * whole.sum():
            break
    return scene, start_s


@cache
def _transform(folder: str) -> PatchTransform:
    torch.set_num_threads(1)
    return Autoencoder.from_pretrained(Path(folder)).transform


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentRows:
    """Windows of `seconds` of films as latents `[c t h w]` float16, subject masks `[t h w]` uint8 (255 = covered)."""

    autoencoder: str
    seconds: int
    rows: int = 9
    columns: int = 16
    cell: int = 16
    split: str = "train"
    seed: int = 1
    filters: SceneFilters = field(default_factory=SceneFilters)

    def __call__(self, index: int) -> Row:
        rng = np.random.default_rng((self.seed, index))
        height, width = self.rows * self.cell, self.columns * self.cell
        mask_shape = (self.rows, self.columns, height, width)
        scene, start_s = draw_window(rng, self.split, self.filters, self.seconds, mask_shape)
        times = [start_s + i / ENCODED_FPS for i in range(self.seconds * ENCODED_FPS)]
        frames = render(scene, height=height, width=width, times_s=times)
        latent = _transform(self.autoencoder).encode(to_view(frames))[0]
        middles = [start_s + (i + 0.5) / LATENT_FPS for i in range(self.seconds * LATENT_FPS)]
        mask = subject_mask(scene, rows=self.rows, cols=self.columns, height=height, width=width, times_s=middles)
        captions = [prompt(scene)] + [caption(scene, rng).text for _ in range(NUM_CAPTIONS - 1)]
        arrays = {"latent": latent.numpy().astype(np.float16), "mask": np.rint(mask * 255).astype(np.uint8)}
        seconds = {"start_s": start_s, "duration_s": scene.duration_s}
        return arrays, {"captions": captions, **seconds, "scene": to_dict(scene)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRows:
    """A scene's captions and its layouts float32 `[4s 17]` as films of several lengths; nothing is drawn."""

    seconds: tuple[int, ...] = (1, 2, 3, 5, 10)
    split: str = "train"
    seed: int = 4
    filters: SceneFilters = field(default_factory=SceneFilters)

    def __call__(self, index: int) -> Row:
        rng = np.random.default_rng((self.seed, index))
        scene = sample(rng, split=self.split, filters=self.filters)
        captions = [prompt(scene)] + [caption(scene, rng).text for _ in range(NUM_CAPTIONS - 1)]
        lasting = {s: replace(scene, duration_s=float(s)) for s in self.seconds}
        return {f"layout_{s}": layout(one, layouts.times(s)) for s, one in lasting.items()}, {"captions": captions}


@dataclass(frozen=True, slots=True, kw_only=True)
class LookRows:
    """A scene's captions and what its subjects look like, (kind, colour) each; nothing is drawn."""

    split: str = "train"
    seed: int = 6
    filters: SceneFilters = field(default_factory=SceneFilters)

    def __call__(self, index: int) -> Row:
        rng = np.random.default_rng((self.seed, index))
        scene = sample(rng, split=self.split, filters=self.filters)
        captions = [prompt(scene)] + [caption(scene, rng).text for _ in range(NUM_CAPTIONS - 1)]
        looks = [(subject.kind, subject.colour) for subject in scene.subjects]
        return {}, {"captions": captions, "looks": looks}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRows:
    """A scene's captions and what its backdrop follows from: place, variant, time and weather; nothing is drawn."""

    split: str = "train"
    seed: int = 7
    filters: SceneFilters = field(default_factory=SceneFilters)

    def __call__(self, index: int) -> Row:
        rng = np.random.default_rng((self.seed, index))
        scene = sample(rng, split=self.split, filters=self.filters)
        captions = [prompt(scene)] + [caption(scene, rng).text for _ in range(NUM_CAPTIONS - 1)]
        return {}, {"captions": captions, "stage": tuple(getattr(scene, name) for name in STAGE)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintRows:
    """Crops to paint: three half-seconds of view `[12 H W 3]` and some frames of the middle one at 5x, both uint8.

    Crops are whole cells; half of them follow the subject.
    """

    crop_rows: int = 6
    crop_columns: int = 6
    num_frames: int = 3
    scale: int = 5
    cell: int = 16
    split: str = "train"
    seed: int = 2
    filters: SceneFilters = field(default_factory=SceneFilters)
    grids: tuple[int, ...] = (9, 16)

    def __call__(self, index: int) -> Row:
        rng = np.random.default_rng((self.seed, index))
        rows, columns = self.grids
        height, width = rows * self.cell, columns * self.cell
        scene, start_s = draw_window(rng, self.split, self.filters, 1.5, (rows, columns, height, width))
        times = [start_s + i / ENCODED_FPS for i in range(12)]
        view = render(scene, height=height, width=width, times_s=times)
        frames = np.sort(rng.choice(PAINTED_FPS // LATENT_FPS, self.num_frames, replace=False))
        exact = [start_s + 0.5 + int(i) / PAINTED_FPS for i in frames]
        target = render(scene, height=height * self.scale, width=width * self.scale, times_s=exact)
        mask = subject_mask(scene, rows=rows, cols=columns, height=height, width=width, times_s=exact)[0]
        top, left = self._corner(rng, mask)
        s, k = self.cell, self.cell * self.scale
        down, across = slice(top, top + self.crop_rows), slice(left, left + self.crop_columns)
        view = view[:, down.start * s : down.stop * s, across.start * s : across.stop * s]
        target = target[:, down.start * k : down.stop * k, across.start * k : across.stop * k]
        return {"view": view, "target": target, "frames": frames.astype(np.int64)}, {}

    def _corner(self, rng: np.random.Generator, mask: np.ndarray) -> tuple[int, int]:
        rows, columns = mask.shape
        top, left = (int(rng.integers(0, n + 1)) for n in (rows - self.crop_rows, columns - self.crop_columns))
        if rng.random() < 0.5 and mask.sum() > 0:
            down, across = (np.average(np.arange(n), weights=mask.sum(1 - i)) for i, n in enumerate((rows, columns)))
            top = int(np.clip(round(down - self.crop_rows / 2 + 0.5), 0, rows - self.crop_rows))
            left = int(np.clip(round(across - self.crop_columns / 2 + 0.5), 0, columns - self.crop_columns))
        return top, left


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRows:
    """Whole films of `fps` frames a second as the twelve that the oracle reads, uint8 `[12 H W 3]`.

    An `fps` of 0 draws every frame at its very reading time. In films of one second of 8 frames the oracle sees four of
    them twice, and has to learn that nothing stood still meanwhile.

    They come from both splits: an examiner who had never seen a purple whale would learn that there is none, and read
    every held-out pair as something else. What is held out from the oracle are films, by their seed.
    """

    height: int = HEIGHT
    width: int = WIDTH
    seed: int = 3
    held_out_share: float = 0.25
    fps: int = 0
    filters: SceneFilters = field(default_factory=SceneFilters)

    def __call__(self, index: int) -> Row:
        rng = np.random.default_rng((self.seed, index))
        split = "test" if rng.random() < self.held_out_share else "train"
        scene = sample(rng, split=split, filters=self.filters)
        read = reading_times(scene.duration_s)
        if self.fps:
            read = shown_frames(round(scene.duration_s * self.fps), self.fps) / self.fps
        times = [float(t) for t in read]
        frames = render(scene, height=self.height, width=self.width, times_s=times)
        return {"frames": frames}, {"scene": to_dict(scene)}


def patch_statistics(config: AutoencoderConfig, num: int, seed: int, filters: SceneFilters) -> tuple[torch.Tensor, ...]:
    """Return mean `[size]` and covariance `[size size]` (float64) of the patches of `num` windows of the world."""
    transform = PatchTransform(config)
    rows, columns = 9, 16
    total, count = torch.zeros(transform.mean.shape, dtype=torch.float64), 0
    second = torch.zeros(len(total), len(total))
    for index in range(num):
        rng = np.random.default_rng((seed, index))
        height, width = rows * config.cell, columns * config.cell
        scene, start_s = draw_window(rng, "train", filters, 0.5, (rows, columns, height, width))
        times = [start_s + i / ENCODED_FPS for i in range(config.window)]
        patches = transform.patches(to_view(render(scene, height=height, width=width, times_s=times))).flatten(0, 3)
        total += patches.double().sum(0)
        second += patches.T @ patches
        count += len(patches)
    mean = total / count
    return mean, second.double() / count - mean[:, None] * mean
