"""Tests of `rushes caption`: sentences and JSON for films and stills, one clear line for each bad file."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from rushes.cli.main import main
from rushes.data.captioning.sentences import LABELS, every_word
from rushes.media.encode import encode
from rushes.models._fields import FIELDS
from rushes.models.captioner import Captioner, tiny
from rushes.nn import weights
from rushes.types import VideoShape


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    labels = tuple("|".join(LABELS[a]) for a in FIELDS)
    model = Captioner(replace(tiny(), labels=labels, words=every_word()))
    return weights.save(model, tmp_path_factory.mktemp("w"), family="captioner", config=model.config)


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("media")
    frames = np.random.default_rng(0).integers(0, 256, (24, 48, 64, 3), dtype=np.uint8)
    encode(place / "a film.mp4", frames, fps=12, shape=VideoShape(frames=24, height=48, width=64))
    Image.fromarray(frames[0]).save(place / "still.png")
    (place / "empty.mp4").write_bytes(b"")
    (place / "text\nfile.mp4").write_text("no film")
    (place / "cut.mp4").write_bytes((place / "a film.mp4").read_bytes()[:900])
    return place


def caption(*words: str | Path, weights: Path) -> Result:
    return CliRunner().invoke(main, ["caption", *map(str, words), "--weights", str(weights)])


def test_films_and_stills_get_a_sentence(folder: Path, media: Path) -> None:
    done = caption(media / "a film.mp4", media / "still.png", weights=folder)
    assert done.exit_code == 0, done.output
    assert [line.partition(": ")[0] for line in done.stdout.splitlines()] == [
        str(media / "a film.mp4"), str(media / "still.png"),
    ]  # fmt: skip


def test_json_has_every_length_and_the_fields(folder: Path, media: Path) -> None:
    done = caption(media / "a film.mp4", media / "still.png", "--json", "--least", "0", weights=folder)
    film, still = (json.loads(line) for line in done.stdout.splitlines())
    assert set(film) == {"file", "short", "medium", "dense", "fields", "confidence"}
    assert film["fields"]["camera"] in LABELS["camera"] and still["fields"]["camera"] is None


def test_each_bad_file_has_a_line_and_the_others_are_described(folder: Path, media: Path) -> None:
    odd = os.fsdecode(os.fsencode(media) + b"/n\xff.mp4")
    bad = [media / "empty.mp4", media / "text\nfile.mp4", media / "cut.mp4", media / "none.mp4", media]
    done = caption(*bad, odd, media / "still.png", "--json", weights=folder)
    assert done.exit_code == 2
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert ["failed" in line for line in lines] == [True] * 6 + [False]
    assert len(done.stderr.splitlines()) == 6 and all(line.startswith("rushes: ") for line in done.stderr.splitlines())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name a film"),
        (("a.mp4", "--least", "2"), "nearest legal value is 1.0"),
        (("--score", "0"), "nearest legal value is 1"),
        (("a.mp4", "--length", "endless"), "is not one of"),
    ],
)
def test_illegal_options_are_refused(folder: Path, words: tuple[str, ...], said: str) -> None:
    done = caption(*words, weights=folder)
    assert done.exit_code == 2 and said in done.stderr


def test_missing_weights_are_named(tmp_path: Path) -> None:
    done = caption("a.mp4", weights=tmp_path)
    assert done.exit_code == 1 and "no weights" in done.stderr


def test_scores_are_a_table_with_bars(folder: Path) -> None:
    done = caption("--score", "2", "--json", weights=folder)
    assert done.exit_code == 0, done.output
    scores = json.loads(done.stdout)
    assert scores["num"] == 2 and scores["clips_per_s"] > 0
    assert any(row["what"] == "invented in medium" for row in scores["table"])
    assert "clips/s" in caption("--score", "2", weights=folder).stdout
