"""Tests that films of judged pairs are taught with what led them, where their files say what that was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import studio_subjects
import torch

from rushes import layouts, tiers
from rushes.evaluate.pairs import Ranked, Side
from rushes.generate import Generator
from rushes.media.encode import encode
from rushes.train._judged import Films, Lesson, led
from rushes.types import GenerationRequest, VideoShape

ASK = GenerationRequest(
    prompt="a red cat", shape=VideoShape(frames=16, height=432, width=768), fps=8, num_steps=2, guidance_scale=1.0
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return studio_subjects.weights(tmp_path_factory.mktemp("led"))


@pytest.fixture(scope="module")
def generator(base: Path) -> Generator:
    return Generator.load(base, device="cpu", dtype="float32")


def side(generator: Generator, path: Path, **changes: object) -> Side:
    request = replace(ASK, **changes)
    encode(path, generator.generate(request), fps=8, shape=request.shape, request=generator.record(request))
    return Side(by="it", name=path.name, path=path)


def lesson(base: Path, folder: Path, chosen: Side, rejected: Side) -> Lesson:
    films = Films(folder, autoencoder=base / "autoencoder", maker=base, film=base / "film")
    said: list[str] = []
    pair = Ranked(pair="1", prompt=ASK.prompt, chosen=chosen, rejected=rejected, weight=1.0)
    found = films.lesson(pair, said.append)
    assert found is not None, said
    return found


def test_films_are_led_as_they_were_when_they_were_made(base: Path, generator: Generator, tmp_path: Path) -> None:
    sides = [side(generator, tmp_path / f"{seed}.mp4", seed=seed) for seed in (1, 2)]
    made = lesson(base, tmp_path / "latents", *sides)
    lead = led([made], [1], 2)
    assert lead is not None and lead.draft is not None
    assert tuple(lead.layout.shape) == (2, 4, layouts.COLUMNS) and lead.draft.shape[2] == 2
    for row, seed in enumerate((1, 2)):
        (true,) = generator.leader.leads(replace(ASK, seed=seed), tiers.plan(ASK))
        torch.testing.assert_close(lead.layout[row], true.layout[2:6], atol=0.01, rtol=0.01)
        torch.testing.assert_close(lead.draft[row], true.draft[0, :, 1:3], atol=0.01, rtol=0.01)
    assert lesson(base, tmp_path / "latents", *sides).leads == made.leads


def test_where_nothing_is_known_of_a_film_nothing_leads_it(base: Path, generator: Generator, tmp_path: Path) -> None:
    known = side(generator, tmp_path / "known.mp4")
    other = generator.record(ASK) | {"weights": generator.hashes | {"layout": "of another"}}
    frames = list(generator.generate(ASK))
    encode(tmp_path / "other.mp4", iter(frames), fps=8, shape=ASK.shape, request=other)
    encode(tmp_path / "bare.mp4", iter(frames), fps=8, shape=ASK.shape)
    strange, bare = (Side(by="it", name=name, path=tmp_path / f"{name}.mp4") for name in ("other", "bare"))
    made = lesson(base, tmp_path / "latents", known, strange)
    lead = led([made], [0], 4)
    assert made.leads[1] is None and lead is not None and not lead.layout[1].any() and lead.layout[0].any()
    assert led([lesson(base, tmp_path / "latents", strange, bare)], [0], 4) is None


def test_films_that_are_made_again_are_led_again(base: Path, generator: Generator, tmp_path: Path) -> None:
    record = generator.record(ASK)
    sides = [Side(by="it", name=str(seed), request=record | {"seed": seed}) for seed in (1, 2)]
    request = {name: value for name, value in record.items() if name in GenerationRequest.__dataclass_fields__}
    sides = [replace(one, request=request | {"seed": seed}) for seed, one in enumerate(sides, start=1)]
    made = lesson(base, tmp_path / "latents", *sides)
    assert all(made.leads) and np.load(made.files[0]).shape[1] == 4
