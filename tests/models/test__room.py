"""Tests of what our own films are guessed to take, against what was measured of whole processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from rushes.models._lead import Leader
from rushes.models._room import film_bytes
from rushes.models.autoencoder import Autoencoder
from rushes.models.transformer import Transformer
from rushes.tiers import plan
from rushes.types import Condition, GenerationRequest, VideoShape

WEIGHTS = Path(__file__).parents[2] / "weights"
EXTENDED = Condition(kind="extend", uri="before.mp4", seconds=2)
# frames, height, width, fps, cores, conditions -> MB (benchmarks/results/memory-2-core-epyc-2026-11-23.md)
MEASURED = {
    (8, 512, 512, 8, 2, ()): 475,
    (24, 432, 768, 8, 2, ()): 551,
    (240, 720, 1280, 24, 2, ()): 834,
    (1, 720, 1280, 24, 2, ()): 454,
    (40, 768, 320, 8, 2, ()): 584,
    (72, 384, 672, 24, 2, ()): 564,
    (48, 720, 1280, 24, 2, ()): 632,
    (8, 1280, 720, 8, 2, ()): 531,
    (40, 512, 512, 8, 2, (EXTENDED,)): 593,
    (48, 672, 384, 24, 2, ()): 536,
    (16, 416, 608, 8, 2, ()): 511,
    (1, 608, 416, 24, 2, ()): 436,
    (96, 320, 768, 8, 2, ()): 766,
    (48, 512, 512, 24, 1, ()): 528,
    (96, 432, 768, 24, 2, ()): 608,
    (64, 1280, 720, 8, 2, ()): 713,
    (24, 416, 608, 24, 2, ()): 534,
    (240, 512, 512, 8, 2, ()): 850,
    (480, 512, 512, 8, 2, ()): 956,
}


@pytest.fixture(scope="module")
def shipped() -> tuple[Transformer, Autoencoder]:
    return Transformer.from_pretrained(WEIGHTS / "film"), Autoencoder.from_pretrained(WEIGHTS / "autoencoder")


@pytest.fixture(scope="module")
def leading(shipped: tuple[Transformer, Autoencoder]) -> list[nn.Module]:
    film, autoencoder = shipped
    return Leader.load(WEIGHTS, film.config, autoencoder.transform).models


@pytest.mark.parametrize("film", MEASURED, ids=lambda film: "-".join(map(str, film[:5])))
def test_a_film_takes_what_is_guessed_within_15_percent(
    film: tuple[int, int, int, int, int, tuple[Condition, ...]],
    shipped: tuple[Transformer, Autoencoder],
    leading: list[nn.Module],
) -> None:
    frames, height, width, fps, threads, conditions = film
    shape = VideoShape(frames=frames, height=height, width=width)
    request = GenerationRequest(
        prompt="a red car", shape=shape, fps=fps, num_steps=1, guidance_scale=3.0, conditions=conditions
    )
    guessed = film_bytes(*shipped, plan(request), num_films=2, threads=threads, leading=leading)
    assert guessed / (MEASURED[film] * 1e6) == pytest.approx(1, abs=0.15)


def test_films_that_are_led_take_more(shipped: tuple[Transformer, Autoencoder], leading: list[nn.Module]) -> None:
    shape = VideoShape(frames=24, height=432, width=768)
    shot = plan(GenerationRequest(prompt="a car", shape=shape, fps=8, num_steps=1, guidance_scale=3.0))
    led, alone = (film_bytes(*shipped, shot, num_films=2, threads=2, leading=those) for those in (leading, ()))
    assert len(leading) == 3 and led > alone


def test_more_cores_take_more_for_a_film_and_no_more_for_a_still(shipped: tuple[Transformer, Autoencoder]) -> None:
    guessed = {}
    for frames in (1, 240):
        shape = VideoShape(frames=frames, height=720, width=1280)
        request = GenerationRequest(prompt="a car", shape=shape, fps=24, num_steps=1, guidance_scale=1.0)
        for threads in (1, 8):
            guessed[frames, threads] = film_bytes(*shipped, plan(request), num_films=1, threads=threads)
    assert guessed[1, 8] == guessed[1, 1] < guessed[240, 1] < guessed[240, 8]
