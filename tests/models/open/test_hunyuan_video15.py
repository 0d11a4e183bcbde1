"""Tests HunyuanVideo-1.5 from a picture, its sizes, and its adapters, which its pipelines leave to the denoiser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import open_weights
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from rushes.models.open import Adaptation, Maker, Place, hunyuan_video15
from rushes.models.open._diffusers import library
from rushes.models.open.hunyuan_video15 import SIZES, SPEC
from rushes.types import Condition, GenerationRequest, VideoShape

SIDE = 64


def loaded(name: str, folder: Path, *adapters: Adaptation) -> Maker:
    found = next(each for each in SPEC.checkpoints if each.name == name)
    small = replace(found, native=replace(found.native, sizes=((SIDE, SIDE),)))
    return SPEC.load(small, folder, Place(device="cpu", dtype="float32", threads=1, adapters=adapters))


def film(maker: Maker, *conditions: Condition) -> np.ndarray:
    asked = GenerationRequest(
        prompt="a red boat", model="hunyuan", shape=VideoShape(frames=5, height=SIDE, width=SIDE), fps=24, num_steps=2,
        guidance_scale=3.0, conditions=conditions,
    )  # fmt: skip
    return np.stack(list(maker.generate(asked, lambda step, clean: None)))


def test_a_film_begins_with_a_picture(tmp_path: Path) -> None:
    open_weights.hunyuan_i2v(SIDE).save_pretrained(tmp_path / "weights")
    maker = loaded("hunyuan-video-1.5-i2v-480p", tmp_path / "weights")
    films = []
    for number, colour in enumerate(((200, 30, 30), (30, 200, 30))):
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.full((SIDE, SIDE, 3), colour, np.uint8)).save(path)
        films.append(film(maker, Condition(kind="first", uri=str(path))))
    assert films[0].shape == (5, SIDE, SIDE, 3) and not np.array_equal(*films)


@pytest.mark.parametrize(("target", "size"), [(target, size) for target, sizes in SIZES.items() for size in sizes])
def test_its_sizes_stay_what_they_are(target: int, size: tuple[int, int]) -> None:
    chosen = library().pipelines.hunyuan_video1_5.image_processor.HunyuanVideo15ImageProcessor(vae_scale_factor=16)
    height, width = chosen.calculate_default_height_width(height=size[1], width=size[0], target_size=target)
    assert (width, height) == size


def test_adapters_go_to_the_denoiser(tmp_path: Path) -> None:
    folder = open_weights.save("hunyuan-video-1.5-480p", tmp_path)
    random = torch.Generator().manual_seed(0)
    pair = {"lora_A": torch.randn(2, 16, generator=random), "lora_B": torch.randn(16, 2, generator=random)}
    layer = "transformer.transformer_blocks.0.attn.to_q"
    save_file({f"{layer}.{name}.weight": each for name, each in pair.items()}, tmp_path / "style.safetensors")
    films = [
        film(loaded("hunyuan-video-1.5-480p", folder, *given))
        for given in ((), (Adaptation(path=tmp_path / "style.safetensors"),))
    ]
    none = film(loaded("hunyuan-video-1.5-480p", folder, Adaptation(path=tmp_path / "style.safetensors", scale=0)))
    assert not np.array_equal(*films) and np.array_equal(films[0], none)
    assert hunyuan_video15.SPEC.checkpoints[0].has_lora
