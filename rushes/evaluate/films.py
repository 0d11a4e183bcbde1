"""Make the films that are judged: held-out prompts through the generator; what is made and read is kept."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rushes import __version__, config
from rushes.errors import InputError, nearest_first
from rushes.evaluate.oracle import Reading
from rushes.evaluate.prompts import Case
from rushes.generate import Generator
from rushes.media.encode import replacing
from rushes.tiers import TIERS
from rushes.types import GenerationRequest, VideoShape

Answered = tuple[list[Reading], dict[str, Any]]
Load = Callable[..., Generator]  # as `Generator.load`: a folder, `device` and `dtype`
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
            kept = self.generator.latent(request).to(torch.float16).cpu()
            if path is not None:
                _keep(path, kept.numpy())
        return kept.float().to(self.generator.device)

    def key(self, request: GenerationRequest) -> str:
        """Return 32 hexadecimal digits that stand for the request, the film weights, adapters and this version."""
        made_by = {name: value for name, value in self.generator.hashes.items() if name != "autoencoder"}
        values: dict[str, Any] = {"request": config.to_dict(request), "rushes": __version__} | made_by
        exact = {"device": "cpu", "dtype": "float32"}
        how = {name: self.generator.record(request)[name] for name in exact}
        return digest(values if how == exact else values | how)


@dataclasses.dataclass(frozen=True, slots=True)
class Answers:
    """What the oracle read, kept: `folder` holds a file per hash of all that it depends on. None keeps nothing."""

    folder: Path | None

    def get(self, depends_on: dict[str, Any], ask: Callable[[], Answered]) -> Answered:
        """Return readings and a row of plain values, from the folder or asked now."""
        path = None if self.folder is None else self.folder / f"{digest(depends_on)}.npz"
        kept = None if path is None else _reread(path)
        if kept is not None:
            return kept
        readings, row = ask()
        if path is not None:
            said = [{"answers": each.answers, "sureness": each.sureness} for each in readings]
            told = json.dumps({"readings": said, "row": row})
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path, force=True) as draft, draft.open("wb") as file:
                np.savez(file, told=np.array(told), features=np.stack([each.features for each in readings]))
        return readings, row


def digest(values: dict[str, Any]) -> str:
    """Return 32 hexadecimal digits that stand for plain values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]


def _open(path: Path) -> Tensor | None:
    """Return a kept latent, or None where there is none or a damaged one."""
    try:
        return torch.from_numpy(np.load(path))
    except (FileNotFoundError, ValueError, EOFError):
        return None


def _reread(path: Path) -> Answered | None:
    """Return kept answers, or None where there are none or damaged ones."""
    try:
        with path.open("rb") as file, np.load(file) as kept:
            told, features = json.loads(str(kept["told"])), kept["features"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    both = zip(told["readings"], features, strict=True)
    return [Reading(**each, features=one) for each, one in both], told["row"]


def _keep(path: Path, latent: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, force=True) as draft, draft.open("wb") as file:
        np.save(file, latent)
