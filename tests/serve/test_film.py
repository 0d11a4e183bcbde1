"""Tests that a worker makes films with open-weight models, one of them loaded at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_weights
import pytest

from rushes.errors import InputError, WeightsError
from rushes.serve.film import Films
from rushes.serve.worker import DENOISING, PAINTING
from rushes.types import GenerationRequest, VideoShape

NAMES = ("wan2.1-1.3b", "ltx-video-2b", "mochi-1")


def request(model: str, **changed: object) -> GenerationRequest:
    given = {"wan2.1-1.3b": (5, 16), "ltx-video-2b": (9, 24), "mochi-1": (7, 30), "rushes": (8, 8)}.get(model, (5, 16))
    side = 512 if model == "rushes" else 64
    shape = VideoShape(frames=given[0], height=side, width=side)
    return GenerationRequest(prompt="a boat", model=model, shape=shape, fps=given[1], num_steps=2, guidance_scale=1.0)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    place = tmp_path_factory.mktemp("models")
    for name in NAMES[:2]:
        open_weights.save(name, place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUSHES_MODELS", str(place))
        patch.setenv("HF_HUB_CACHE", str(place / "none"))
        yield Films(Path("weights"), NAMES, device="cpu", threads=1)


@pytest.mark.parametrize("model", ["rushes", *NAMES[:2], "rushes"])
def test_each_model_makes_its_films(films: Films, model: str) -> None:
    heard: list[tuple[str, float]] = []
    pictures: list[np.ndarray] = []
    wanted = request(model)

    def watch(phase: str, share: float, picture: np.ndarray | None) -> None:
        heard.append((phase, share))
        pictures.extend([] if picture is None else [picture])

    frames = np.stack(list(films.frames(wanted, watch)))
    assert pictures and all(picture.ndim == 3 and picture.dtype == np.uint8 for picture in pictures)
    assert frames.shape == (wanted.shape.frames, wanted.shape.height, wanted.shape.width, 3)
    shares = [share for _, share in heard]
    assert {phase for phase, _ in heard} == {DENOISING, PAINTING}
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)
    assert films.record(wanted)["model"] == model


def test_models_that_are_not_offered_or_not_there(films: Films, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="there is no model 'sdxl' here; known: "):
        films.record(request("sdxl"))
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE"):
        films.record(request("mochi-1"))
