"""The whole path on the toy: the paper world becomes a bank, the bank a model, a sentence a film."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from rushes.generate import Generator
from rushes.media.encode import encode
from rushes.media.metadata import read_request
from rushes.media.probe import probe
from rushes.types import GenerationRequest, VideoShape

PROMPT = "a red sailboat drifts left across the sea at sunset"


@pytest.fixture(scope="module")
def generator(toy_run: Path, toy_autoencoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator:
    folder = tmp_path_factory.mktemp("weights")
    (folder / "film").symlink_to(toy_run / "weights")
    (folder / "autoencoder").symlink_to(toy_autoencoder)
    return Generator.load(folder)


def request(**changed: object) -> GenerationRequest:
    values = {"shape": VideoShape(frames=16, height=384, width=672), "fps": 8, "num_steps": 4, "guidance_scale": 2.0}
    return GenerationRequest(prompt=PROMPT, **{**values, **changed})


def test_the_loss_falls(toy_run: Path) -> None:
    losses = [json.loads(line)[1] for line in (toy_run / "loss.jsonl").read_text().splitlines()]
    assert len(losses) == 20
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_a_sentence_becomes_a_film(generator: Generator, tmp_path: Path) -> None:
    asked, path = request(), tmp_path / "film.mp4"
    encode(path, generator.generate(asked), fps=8, shape=asked.shape, request=generator.record(asked))
    found = probe(path)
    assert (found.codec, found.width, found.height, found.num_frames) == ("h264", 672, 384, 16)
    assert found.fps == Fraction(8) and found.duration_s == pytest.approx(2.0)
    assert read_request(path)["prompt"] == PROMPT


def test_the_seed_and_the_prompt_decide_the_film(generator: Generator) -> None:
    still = VideoShape(frames=1, height=512, width=512)

    def frame(**changed: object) -> np.ndarray:
        return next(iter(generator.generate(request(shape=still, **changed))))

    assert np.array_equal(frame(seed=3), frame(seed=3))
    assert not np.array_equal(frame(seed=3), frame(seed=4))
