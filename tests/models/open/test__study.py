"""Tests that denoisers are taught as their own pipelines ask them: the same arguments, prompts and latents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_weights
import pytest
import torch

from rushes.errors import InputError
from rushes.models.open import _catalogue as catalogue
from rushes.models.open import _study as study
from rushes.types import VideoShape

NAMES = ("wan2.2-5b", "hunyuan-video-1.5-480p", "mochi-1", "sana-video-2b", "animatediff-sdxl", "sdxl", "flux-schnell")
SIDE = 64


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_as_its_films_one_by_one(name: str, tmp_path: Path) -> None:
    found = catalogue.recognised(open_weights.save(name, tmp_path))
    pupil, hashes = study.opened(found, torch.float32)
    assert found.checkpoint.denoiser in hashes
    native = found.checkpoint.native
    shape = VideoShape(frames=native.nearest_frames(5), height=SIDE, width=SIDE)
    grid = pupil.call(shape).grid
    films = np.random.default_rng(0).integers(0, 256, (2, shape.frames, SIDE, SIDE, 3), dtype=np.uint8)
    clean = torch.stack([pupil.encode(film) for film in films])
    told = [pupil.read(text, shape) for text in ("a red boat", "the sea")]
    own = {key: torch.cat([each[key] for each in told]) for key in told[0]}
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([0.3, 0.8])
    with torch.no_grad():
        together = pupil.error(clean, noise, t, own, grid)
        apart = [pupil.error(clean[i : i + 1], noise[i : i + 1], t[i : i + 1], told[i], grid) for i in range(2)]
        swapped = pupil.error(clean, noise, t, {key: torch.cat([told[1][key], told[0][key]]) for key in own}, grid)
    assert torch.allclose(together, torch.cat(apart), rtol=1e-3) and not torch.equal(together, swapped)
    assert together.isfinite().all() and not any(each.requires_grad for each in own.values())


@pytest.mark.parametrize("name", ["ltx-2-19b", "wan2.2-a14b", "wan2.1-flf2v-14b", "hotshot-xl", "remote"])
def test_who_cannot_be_taught_is_told_apart(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} cannot be taught: "):
        study.teachable(catalogue.models()[name])
