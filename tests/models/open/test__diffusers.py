"""Tests of what all diffusers families share: refusals, cancelling, and too little memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import open_weights
import pytest

from rushes.errors import InputError, RushesError
from rushes.models.open import Maker, Place, memory
from rushes.models.open import _catalogue as catalogue
from rushes.models.open._diffusers import library
from rushes.types import Condition, GenerationRequest, VideoShape

NAME = "wan2.1-1.3b"
REQUEST = GenerationRequest(
    prompt="a red boat",
    model=NAME,
    shape=VideoShape(frames=5, height=32, width=32),
    fps=16,
    num_steps=2,
    guidance_scale=5.0,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return open_weights.save(NAME, tmp_path_factory.mktemp("weights"))


def load(folder: Path, *, dtype: str = "float32", request: GenerationRequest | None = None) -> Maker:
    found = catalogue.models()[NAME]
    place = Place(device="cpu", dtype=dtype, threads=1, request=request)
    return found.family.load(found.checkpoint, folder, place)


def frames(maker: Maker, request: GenerationRequest = REQUEST) -> np.ndarray:
    return np.stack(list(maker.generate(request, lambda step, nothing: None)))


def test_what_the_model_cannot_make_is_refused_with_the_nearest(folder: Path, tmp_path: Path) -> None:
    maker = load(folder)
    for changed, said in (
        ({"shape": VideoShape(frames=6, height=32, width=32)}, "the nearest legal value is 5"),
        ({"shape": VideoShape(frames=5, height=30, width=32)}, "the nearest legal value is 32x32"),
        ({"fps": 24}, "the nearest legal value is 16"),
        ({"conditions": (Condition(kind="loop"),)}, "condition 'loop' is illegal for wan2.1-1.3b; legal: none"),
    ):
        with pytest.raises(InputError, match=said):
            frames(maker, replace(REQUEST, **changed))


def test_a_film_that_is_not_wanted_any_more_ends_at_once_and_the_next_is_whole(folder: Path) -> None:
    class Unwanted(Exception):  # noqa: N818
        pass

    def watch(step: int, nothing: object) -> None:
        raise Unwanted

    maker = load(folder)
    before = frames(maker)
    with pytest.raises(Unwanted):
        list(maker.generate(REQUEST, watch))
    assert np.array_equal(frames(maker), before)


def test_too_little_memory_is_said_before_anything_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    little = memory.Machine(device="cpu", device_bytes=1000, host_bytes=1000)
    monkeypatch.setattr(memory.Machine, "here", lambda device: little)
    with pytest.raises(RushesError) as caught:
        load(folder, request=REQUEST)
    assert len(str(caught.value).splitlines()) == 1 and NAME in str(caught.value)


def test_eight_bits_are_refused_where_nothing_multiplies_them(folder: Path) -> None:
    with pytest.raises(InputError, match="float8 needs an NVIDIA GPU") as caught:
        load(folder, dtype="float8")
    assert len(str(caught.value).splitlines()) == 1


def test_the_library_is_there() -> None:
    assert library().WanPipeline
