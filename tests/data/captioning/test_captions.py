"""Tests of the choice of captions: the newest complete version, the columns asked for, refusals that name what is."""

import shutil
from pathlib import Path

import pytest

from rushes.data.captioning.captions import Captions, choose, versions
from rushes.data.dataset import Dataset
from rushes.data.ledger import row_schema, rows_to_table
from rushes.errors import InputError

COLUMNS = ("short", "medium")


def add(place: Path, version: str, texts: dict[str, tuple[str | None, str, str]]) -> None:
    """Commit captions (short, medium, outcome) of some clips."""
    data = Dataset.open(place)
    rows = [
        {"clip_id": clip, "stage": "told", "version": version, "outcome": outcome, "short": short, "medium": medium}
        for clip, (short, medium, outcome) in texts.items()
    ]
    table = rows_to_table(rows, row_schema({"short": "string", "medium": "string"}))
    path = f"stages/told@{version}/{data.cutting}/{len(data.ledger.entries)}.parquet"
    data.ledger.commit([data.ledger.write_table(path, table, kind="rows")])


@pytest.fixture
def place(world_dataset: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(world_dataset, tmp_path / "data"))


def ids_of(place: Path) -> list[str]:
    return Dataset.open(place).clips()["clip_id"].to_pylist()


def test_the_newest_version_that_has_every_clip_is_taken(place: Path) -> None:
    ids = ids_of(place)
    assert choose(Dataset.open(place), ids, "told", "", COLUMNS).version == "1"
    add(place, "0-newer", {clip: ("a", "b", "ok") for clip in ids})
    add(place, "half", {clip: ("c", "d", "ok") for clip in ids[:4]})
    data = Dataset.open(place)
    assert versions(data, "told") == ["1", "0-newer", "half"]
    assert choose(data, ids, "told", "", COLUMNS).version == "0-newer"
    assert set(choose(data, ids, "told", "half", COLUMNS).texts) == set(ids[:4])
    add(place, "half", {clip: ("c", "d", "ok") for clip in ids[4:]})
    assert choose(Dataset.open(place), ids, "told", "", COLUMNS).version == "half"


def test_what_is_empty_failed_or_said_twice_is_left_out(place: Path) -> None:
    ids = ids_of(place)
    texts = dict.fromkeys(ids, ("same", " same ", "ok")) | {ids[0]: ("x", "y", "failed"), ids[1]: ("", "z", "ok")}
    add(place, "2", texts | {ids[2]: (None, " ", "ok")})
    found = choose(Dataset.open(place), ids[:5], "told", "", COLUMNS)
    assert found.texts == {ids[1]: ("z",), ids[3]: ("same",), ids[4]: ("same",)}
    assert choose(Dataset.open(place), ids, "told", "1", ("medium",)).texts[ids[0]] == ("a red car drives left zigzag",)


def test_digests_follow_the_words() -> None:
    one = Captions(stage="a", version="1", texts={"x": ("a", "b"), "y": ("c",)})
    assert one.digest() == Captions(stage="a", version="1", texts={"y": ("c",), "x": ("a", "b")}).digest()
    assert one.digest() != Captions(stage="a", version="1", texts={"x": ("a",), "y": ("b", "c")}).digest()


def test_refusals_name_what_there_is(place: Path) -> None:
    ids, data = ids_of(place), Dataset.open(place)
    with pytest.raises(InputError, match="no captions 'tell'; it has told"):
        choose(data, ids, "tell", "", COLUMNS)
    with pytest.raises(InputError, match="no version '3' here; known: 1"):
        choose(data, ids, "told", "3", COLUMNS)
    with pytest.raises(InputError, match="no column 'dense'; known: "):
        choose(data, ids, "told", "1", ("dense",))
    with pytest.raises(InputError, match=rf"no version of told has all {len(ids) + 1} kept clips \(1 has {len(ids)}\)"):
        choose(data, [*ids, "another"], "told", "", COLUMNS)
