"""Tests of every open-weight family: tiny random weights of its real classes make films, and its facts are right."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_weights
import pytest
import torch
from PIL import Image

from rushes.models.open import Maker, Place
from rushes.models.open import _catalogue as catalogue
from rushes.models.open._diffusers import library
from rushes.types import Condition, GenerationRequest, VideoShape

MODELS = catalogue.models()


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "red.png"
    Image.fromarray(np.full((64, 64, 3), (200, 30, 30), np.uint8)).save(path)
    return path


def smallest(name: str, *conditions: Condition) -> GenerationRequest:
    native = MODELS[name].checkpoint.native
    width, height = native.nearest_size(64, 64)
    return GenerationRequest(
        prompt="a red boat",
        model=name,
        shape=VideoShape(frames=native.nearest_frames(1), height=height, width=width),
        fps=native.tier.fps,
        num_steps=2,
        guidance_scale=native.tier.guidance_scale,
        conditions=conditions,
    )


def made(maker: Maker, request: GenerationRequest) -> np.ndarray:
    return np.stack(list(maker.generate(request, lambda step, nothing: None)))


def loaded(name: str, folder: Path, request: GenerationRequest | None = None) -> Maker:
    found = MODELS[name]
    place = Place(device="cpu", dtype="float32", threads=1, request=request)
    return found.family.load(found.checkpoint, folder, place)


@pytest.mark.parametrize("name", open_weights.PIPELINES)
def test_a_family_makes_the_same_film_twice(name: str, tmp_path: Path, picture: Path) -> None:
    folder = open_weights.save(name, tmp_path)
    native, heard = MODELS[name].checkpoint.native, []
    first = Condition(kind="first", uri=str(picture))
    request = smallest(name, *([first] if native.needs else []))
    maker = loaded(name, folder, request)
    frames = np.stack(list(maker.generate(request, lambda step, nothing: heard.append(step))))
    shape = request.shape
    assert (frames.shape, frames.dtype) == ((shape.frames, shape.height, shape.width, 3), np.uint8)
    assert heard == [1, 2]
    assert np.array_equal(made(maker, request), frames)
    assert not np.array_equal(made(maker, replace(request, seed=1)), frames)
    if "first" in native.conditions and not native.needs:
        assert not np.array_equal(made(maker, replace(request, conditions=(first,))), frames)
    assert maker.record(request)["weights"] == maker.hashes and "vae" in maker.hashes
    assert maker.estimate(request).seconds > 0
    assert catalogue.find(str(folder)).family is MODELS[name].family


def test_every_class_is_one_of_diffusers() -> None:
    diffusers = library()
    for found in MODELS.values():
        named = [*found.checkpoint.classes, found.checkpoint.denoiser_class, found.checkpoint.based_on]
        for word in filter(None, named):
            assert word == "HotshotXLPipeline" or hasattr(diffusers, word), word


PARAMETERS = [name for name, found in MODELS.items() if found.checkpoint.architecture]


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_denoiser_has_as_many_parameters_as_are_published(name: str) -> None:
    checkpoint = MODELS[name].checkpoint
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = getattr(library(), checkpoint.denoiser_class).from_config(checkpoint.architecture)
    assert sum(parameter.numel() for parameter in model.parameters()) == checkpoint.num_parameters
    published, tensors = checkpoint.published, model.state_dict()
    if published.num_tensors:
        assert len(tensors) == published.num_tensors
    if published.num_parameters:
        assert checkpoint.num_parameters == published.num_parameters
    if published.total_bytes:
        total = sum(tensor.numel() for tensor in tensors.values())
        assert published.total_bytes in (2 * total, 4 * total)


def test_the_usual_film_of_every_model_is_legal(picture: Path) -> None:
    for name, found in MODELS.items():
        native, tier = found.checkpoint.native, found.checkpoint.native.tier
        conditions = tuple(Condition(kind=kind, uri=str(picture)) for kind in native.needs)  # type: ignore[arg-type]
        request = GenerationRequest(
            prompt="a",
            model=name,
            shape=tier.shape,
            fps=tier.fps,
            num_steps=tier.num_steps,
            guidance_scale=tier.guidance_scale,
            conditions=conditions,
        )
        native.check(request)
        assert tier.name in (name, "hotshot-xl"), name
