"""Tests of what our own films are guessed to take, against what was measured of whole processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes.models._room import film_bytes
from rushes.models.autoencoder import Autoencoder
from rushes.models.transformer import Transformer
from rushes.tiers import plan
from rushes.types import Condition, GenerationRequest, VideoShape

WEIGHTS = Path(__file__).parents[2] / "weights"
EXTENDED = Condition(kind="extend", uri="before.mp4", seconds=2)
# frames, height, width, fps, cores, conditions -> MB (benchmarks/results/memory-unseen-2-core-epyc-2026-11-22.md)
MEASURED = {
    (8, 512, 512, 8, 2, ()): 493,
    (24, 432, 768, 8, 2, ()): 515,
    (240, 720, 1280, 24, 2, ()): 757,
    (1, 720, 1280, 24, 2, ()): 443,
    (40, 768, 320, 8, 2, ()): 557,
    (72, 384, 672, 24, 2, ()): 589,
    (48, 720, 1280, 24, 2, ()): 689,
    (8, 1280, 720, 8, 2, ()): 570,
    (40, 512, 512, 8, 2, (EXTENDED,)): 518,
    (48, 672, 384, 24, 2, ()): 560,
    (16, 416, 608, 8, 2, ()): 497,
    (1, 608, 416, 24, 2, ()): 424,
    (96, 320, 768, 8, 2, ()): 650,
    (48, 512, 512, 24, 1, ()): 495,
}


@pytest.fixture(scope="module")
def shipped() -> tuple[Transformer, Autoencoder]:
    return Transformer.from_pretrained(WEIGHTS / "film"), Autoencoder.from_pretrained(WEIGHTS / "autoencoder")


@pytest.mark.parametrize("film", MEASURED, ids=lambda film: "-".join(map(str, film[:5])))
def test_a_film_takes_what_is_guessed_within_15_percent(
    film: tuple[int, int, int, int, int, tuple[Condition, ...]], shipped: tuple[Transformer, Autoencoder]
) -> None:
    frames, height, width, fps, threads, conditions = film
    shape = VideoShape(frames=frames, height=height, width=width)
    request = GenerationRequest(
        prompt="a red car", shape=shape, fps=fps, num_steps=1, guidance_scale=3.0, conditions=conditions
    )
    guessed = film_bytes(*shipped, plan(request), num_films=2, threads=threads)
    assert guessed / (MEASURED[film] * 1e6) == pytest.approx(1, abs=0.15)


def test_more_cores_take_more_for_a_film_and_no_more_for_a_still(shipped: tuple[Transformer, Autoencoder]) -> None:
    guessed = {}
    for frames in (1, 240):
        shape = VideoShape(frames=frames, height=720, width=1280)
        request = GenerationRequest(prompt="a car", shape=shape, fps=24, num_steps=1, guidance_scale=1.0)
        for threads in (1, 8):
            guessed[frames, threads] = film_bytes(*shipped, plan(request), num_films=1, threads=threads)
    assert guessed[1, 8] == guessed[1, 1] < guessed[240, 1] < guessed[240, 8]
