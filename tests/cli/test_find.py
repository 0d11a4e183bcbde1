"""Tests of `rushes find`: by meaning where the weights fit, else by words and saying so; the sheet; what it refuses."""

import json
from pathlib import Path

import by_hand
import numpy as np
import pyarrow as pa
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from rushes import registry
from rushes.cli.main import main
from rushes.data.dataset import Dataset
from rushes.models.captioner import Captioner, tiny
from rushes.nn import weights


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["find", *map(str, arguments)])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hand")
    by_hand.write(folder)
    return folder


@pytest.fixture(scope="module")
def captioner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captioner")
    torch.manual_seed(0)
    weights.save(Captioner(tiny()), folder, family="captioner", config=tiny())
    return folder


@pytest.fixture(scope="module")
def embedded(captioner: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset whose embeddings are those that `captioner` has of the captions."""
    folder = tmp_path_factory.mktemp("embedded")
    data, model = by_hand.write(folder), Captioner.from_pretrained(captioner)
    rows = data.rows("caption").to_pylist()
    version = registry.find("data.stages", "caption").version(str(captioner))
    for row in rows:
        row |= {"version": version, "embedding": model.embed_text(row["short"]).astype(np.float16).tolist()}
    table = pa.Table.from_pylist(rows, schema=data.rows("caption").schema)
    path = f"stages/caption@{version}/{data.cutting}/000000.parquet"
    data.ledger.commit([data.ledger.write_table(path, table, kind="rows")])
    return folder


def test_meaning_is_found_with_the_weights_that_made_the_embeddings(embedded: Path, captioner: Path) -> None:
    done = run(by_hand.WORDS[1], embedded, "--weights", captioner, "--num", 3, "--json", "--all")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["how"] == "embedding"
    assert [hit["caption"] for hit in found["hits"]] == [by_hand.WORDS[1]] * 3
    assert found["hits"][0]["score"] == pytest.approx(1.0, abs=2e-3)
    assert found["hits"][0].keys() >= {"clip_id", "source", "start_s", "end_s"}


def test_words_are_looked_for_where_there_are_no_weights_and_it_says_so(place: Path) -> None:
    done = run("a boat at sunset", place)
    assert done.exit_code == 0, done.output
    assert "names no weights" in done.stderr and "looking for the words" in done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].strip().startswith("1.000") and "a red boat drifts left at sunset" in lines[0]
    kept = Dataset.open(place).selection()
    ids = set(kept.filter(kept["kept"])["clip_id"].to_pylist())
    assert {line.split()[1] for line in lines} <= ids


def test_dropped_clips_are_found_only_on_request(place: Path) -> None:
    few, all_of_them = (run("boat", place, "--words", "--num", 99, *more) for more in ([], ["--all"]))
    assert 0 < few.stdout.count("\n") < all_of_them.stdout.count("\n") == 10


def test_other_weights_are_an_error_where_they_were_asked_for(place: Path, captioner: Path) -> None:
    done = run("a boat", place, "--weights", captioner)
    assert done.exit_code == 1
    assert "the embeddings here are of by-hand" in done.stderr
    assert run("a boat", place, "--weights", "/no/weights").exit_code == 1


def test_a_sheet_shows_what_was_found(place: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    done = run("boat", place, "--words", "--num", 2, "--sheet", sheet)
    assert done.exit_code == 0, done.output
    with Image.open(sheet) as picture:
        assert picture.size[0] == 1600
        assert len(set(picture.convert("RGB").resize((40, 20)).tobytes())) > 10
    assert run("boat", place, "--sheet", sheet).exit_code == 2


def test_nothing_found_is_said(place: Path) -> None:
    done = run("submarine", place, "--words")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "no clip" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["boat", "--num", "0"], "nearest legal value is 1"),
        ([" "], "the query is empty"),
        (["boat", "--sheet", "a.gif"], "none of .png"),
        (["?!", "--words"], "no word to look for"),
    ],
)
def test_what_makes_no_sense_is_refused(place: Path, arguments: list[str], said: str) -> None:
    done = run(arguments[0], place, *arguments[1:])
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr and done.stderr.count("\n") == 1


def test_a_dataset_without_captions_is_refused(tmp_path: Path) -> None:
    by_hand.write(tmp_path, num_sources=0)
    assert "neither embeddings nor captions" in run("boat", tmp_path).stderr
