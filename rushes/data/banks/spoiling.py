"""Spoil films as footage is spoilt: blurred, noisy or too dark; what was done is what a captioner should notice."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rushes.models._fields import TAGS


def draw_tags(rng: np.random.Generator, share: float) -> tuple[str, ...]:
    """Return what spoils a film's picture; each of TAGS does with the probability `share`."""
    return tuple(tag for tag in TAGS if rng.random() < share)


def spoil(frames: Tensor, tags: list[tuple[str, ...]], rng: np.random.Generator, scale: int = 1) -> Tensor:
    """Return films `[b f 3 H W]` in [-1, 1] that look as their tags say; the others change too little to see.

    Parts of pictures that are `scale` times as large as the captioner's are blurred as much.
    """
    size = frames.shape[-2:]
    films = []
    for film, tag in zip(frames, tags, strict=True):
        if "blurred" in tag or rng.random() < 0.3:
            share = float(rng.uniform(0.4, 0.55) / scale if "blurred" in tag else rng.uniform(0.75, 1.0))
            film = F.interpolate(film, scale_factor=share, mode="bilinear", antialias=True)
            film = F.interpolate(film, size, mode="bilinear")
        if "dim" in tag:
            film = (film + 1) * float(rng.uniform(0.25, 0.45)) - 1
        level = float(rng.uniform(0.12, 0.2)) if "noisy" in tag else float(rng.uniform(0.0, 0.02))
        grain = torch.from_numpy(rng.standard_normal(film.shape, dtype=np.float32)).to(film.device)
        films.append((film + level * grain).clamp(-1, 1))
    return torch.stack(films)
