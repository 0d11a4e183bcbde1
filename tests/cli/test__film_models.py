"""Tests `rushes film --model` and `--first-model` with tiny random weights of real classes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import open_weights
import pytest
from click.testing import CliRunner, Result

from rushes.cli.main import main
from rushes.media.decode import read
from rushes.media.metadata import read_request

SMALL = ("--size", "64x64", "--frames", "5", "--steps", "2", "--device", "cpu", "--dtype", "float32", "--threads", "1")
WAN = ("--model", "wan2.1-1.3b", *SMALL)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("models")
    for name in ("wan2.1-1.3b", "wan2.1-i2v-14b-480p", "sdxl"):
        open_weights.save(name, place)
    return place


@pytest.fixture(autouse=True)
def place(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUSHES_MODELS", str(models))
    monkeypatch.setenv("RUSHES_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def film(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["film", *arguments])


def made(*arguments: str) -> dict:
    done = film(*arguments, "--json")
    assert done.exit_code == 0, (done.stderr, done.exception)
    return json.loads(done.stdout)


def test_a_model_makes_a_film_which_can_be_made_again(place: Path) -> None:
    report = made("a", "red", "boat", *WAN)
    path = Path(report["path"])
    assert path.name == "a-red-boat-wan2.1-1.3b-64x64-5f-16fps-0.mp4"
    record = read_request(path)
    assert record == report["request"] and record["model"] == "wan2.1-1.3b"
    assert set(record["weights"]) == {"text_encoder", "transformer", "vae"}
    made("--again", str(path), "-o", "again.mp4", "--threads", "1")
    assert np.array_equal(read(path).frames, read(place / "again.mp4").frames)
    assert read_request(place / "again.mp4") == record


def test_a_folder_is_a_model_too(models: Path) -> None:
    folder = str(models / "wan2.1-1.3b")
    assert made("a boat", "--model", folder, *SMALL, "-o", "x.mp4")["request"]["model"] == folder


def test_another_model_makes_the_picture_that_a_film_begins_with(place: Path) -> None:
    options = ("--model", "wan2.1-i2v-14b-480p", *SMALL, "-o", "film.mp4")
    refused = film("a boat", *options)
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (2, 1) and "condition 'first'" in refused.stderr
    report = made("a boat", *options, "--first-model", "sdxl")
    condition = report["request"]["conditions"][0]
    assert (condition["kind"], condition["uri"], len(condition["sha256"])) == ("first", "film-first.png", 64)
    assert read_request(place / "film-first.png")["model"] == "sdxl"
    assert made("--again", "film.mp4", "-o", "again.mp4", "--threads", "1")["request"] == report["request"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "wan2.1-1.3c"), "there is no model 'wan2.1-1.3c'; known: wan2.1-1.3b"),
        (("--model", "wan2.1-1.3b", "--frames", "80"), "the nearest legal value is 81"),
        (("--model", "wan2.1-1.3b", "--seconds", "60"), "the nearest legal value is 5.06"),
        (("--model", "wan2.1-1.3b", "--size", "1280x720"), "the nearest legal value is 832x464"),
        (("--model", "wan2.1-1.3b", "--fps", "24"), "the nearest legal value is 16"),
        (("--model", "wan2.1-1.3b", "--tier", "short"), "--tier belongs to our own model"),
        (("--model", "wan2.1-1.3b", "--loop"), "condition 'loop' is illegal"),
        (("--model", "flux-dev", "--negative", "grey", "-o", "x.png"), "negative_prompt is illegal for flux-dev"),
        (("--first-model", "sdxl", "--first", "a.png"), "a.png"),
        (("--model", "mochi-1"), "HF_HUB_OFFLINE"),
    ],
)
def test_what_is_wrong_is_one_line_and_leaves_nothing(
    place: Path, arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    done = film("a boat", *arguments)
    assert done.exit_code in (1, 2) and len(done.stderr.splitlines()) == 1, (done.stderr, done.exception)
    assert said in done.stderr
    assert not [path for path in place.rglob("*") if path.is_file()]


def test_whole_seconds_become_the_nearest_legal_length() -> None:
    options = ("--model", "wan2.1-1.3b", "--size", "64x64", "--steps", "1", "--threads", "1", "--device", "cpu")
    assert made("a boat", *options, "--seconds", "1", "-o", "x.mp4")["request"]["shape"]["frames"] == 17
