"""Tests that whoever watches a film being made sees what it becomes: at the last step, the film itself."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import open_weights
import pytest
import torch

from rushes.models.open import Place
from rushes.models.open import _catalogue as catalogue
from rushes.models.open import _latents as latents
from rushes.models.open._diffusers import Loader, read
from rushes.models.open._watching import Sight, Steps
from rushes.types import GenerationRequest, VideoShape

# Schedulers of one step's memory and of several, guided in one pass and in two, packed, turned round and flat latents.
NAMES = (
    "wan2.1-1.3b",
    "ltx-video-2b",
    "cogvideox1.5-5b",
    "animatediff-sd1.5",
    "mochi-1",
    "hunyuan-video-1.5-480p",
    "sdxl",
)
SIDE = 64


def request(name: str) -> GenerationRequest:
    native = catalogue.models()[name].checkpoint.native
    shape = VideoShape(frames=native.nearest_frames(5), height=SIDE, width=SIDE)
    return GenerationRequest(
        prompt="a red boat", model=name, shape=shape, fps=native.tier.fps, num_steps=3, guidance_scale=3.0
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_last_clean_estimate_is_the_film(name: str, tmp_path: Path) -> None:
    found, asked, seen = catalogue.models()[name], request(name), []
    pipe = read(found.checkpoint, open_weights.save(name, tmp_path), {}, torch.float32)
    load = found.family.load
    assert isinstance(load, Loader)
    shape = asked.shape
    grid = latents.grid(pipe.vae, shape.frames, shape.height, shape.width)
    sight = Sight(layout=load.layout, grid=grid, is_due=lambda: True)
    steps = Steps(pipe, found.checkpoint.denoiser, asked, lambda step, clean: seen.append(clean), sight)
    with steps, torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = load.arguments(pipe, asked) | steps.arguments
        made = pipe(**arguments, generator=torch.Generator().manual_seed(0), output_type="latent")
    film = load.layout.take(pipe, made.frames if hasattr(made, "frames") else made.images, grid)
    assert len(seen) == 3 and seen[-1].shape[2:] == film.shape[2:] and seen[-1].shape[2] >= grid[0]
    assert torch.allclose(seen[-1], film.float(), atol=1e-3 * float(film.abs().max()))
    assert not torch.allclose(seen[0], film.float(), atol=1e-3 * float(film.abs().max()))


def test_a_preview_is_a_small_picture_and_takes_little_time(tmp_path: Path) -> None:
    found, asked = catalogue.models()[NAMES[0]], request(NAMES[0])
    folder, seen = open_weights.save(NAMES[0], tmp_path), []
    maker = found.family.load(found.checkpoint, folder, Place(device="cpu", dtype="float32", threads=1))

    def watch(step: int, clean: torch.Tensor | None) -> None:
        seen.append(None if clean is None else maker.preview(clean))

    list(maker.generate(asked, watch))
    assert seen[0].shape == (SIDE, SIDE, 3) and seen[0].dtype == np.uint8
    assert seen[1] is None  # one so soon after the other would cost too much of the film's time
