"""Make the films that are judged: held-out prompts through the generator, their latents kept so that a run resumes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rushes import __version__, config
from rushes.errors import InputError, nearest_first
from rushes.evaluate.prompts import Case
from rushes.generate import TIERS, Generator
from rushes.media.encode import replacing
from rushes.types import GenerationRequest, VideoShape

# The oracle is taught wide pictures, so the flipbook is judged in its wide bucket.
WIDE = {"flipbook": VideoShape(frames=8, height=384, width=672)}
JUDGED = ("short", "feature", "flipbook")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Sampling steps and guidance where they are not the tier's own."""

    num_steps: int | None = None
    guidance_scale: float | None = None


def check_tiers(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return `names`, `short` first since the others are compared with it. Raises: InputError for an unknown one."""
    for name in names:
        if name not in JUDGED:
            raise InputError(f"tier {name!r} is not judged; known: {nearest_first(name, JUDGED)}")
    return tuple(name for name in JUDGED if name in names)


def request_for(case: Case, tier: str, effort: Effort | None = None) -> GenerationRequest:
    """Return what is asked of the generator: the case's prompt and seed in a tier's shape."""
    made, effort = TIERS[tier], effort or Effort()
    return GenerationRequest(
        prompt=case.prompt,
        seed=case.seed,
        shape=WIDE.get(tier, made.shape),
        fps=made.fps,
        num_steps=effort.num_steps or made.num_steps,
        guidance_scale=made.guidance_scale if effort.guidance_scale is None else effort.guidance_scale,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Latents:
    """Latents made once: `folder` keeps each as float16 under a hash of its request and of the film weights.

    What is judged is always the float16 one, so a resumed run scores exactly as an unbroken one.
    """

    generator: Generator
    folder: Path | None

    def get(self, request: GenerationRequest) -> Tensor:
        """Return the latent `[1 c t h w]` float32 of a request, from the folder or made now."""
        path = None if self.folder is None else self.folder / f"{self.key(request)}.npy"
        kept = None if path is None else _open(path)
        if kept is None:
            kept = self.generator.latent(request).to(torch.float16)
            if path is not None:
                _keep(path, kept.numpy())
        return kept.float()

    def key(self, request: GenerationRequest) -> str:
        """Return 32 hexadecimal digits that stand for the request, the film weights and this version."""
        values: dict[str, Any] = {
            "request": config.to_dict(request),
            "film": self.generator.hashes["film"],
            "rushes": __version__,
        }
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]


def _open(path: Path) -> Tensor | None:
    """Return a kept latent, or None where there is none or a damaged one."""
    try:
        return torch.from_numpy(np.load(path))
    except (FileNotFoundError, ValueError, EOFError):
        return None


def _keep(path: Path, latent: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, force=True) as draft, draft.open("wb") as file:
        np.save(file, latent)
