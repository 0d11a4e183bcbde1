"""Tests of the overview: counts add up, and what is printed is safe and readable."""

import json
from pathlib import Path

import by_hand
import pytest

from rushes.data.dataset import Dataset
from rushes.data.report.overview import as_text, length, name_of, overview, printable, size


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return by_hand.write(tmp_path_factory.mktemp("hand"))


def test_the_funnel_adds_up(data: Dataset) -> None:
    found = overview(data)
    assert found["clips"]["seen"] == 20
    assert found["clips"]["kept"] == found["funnel"][-1]["left"] == data.funnel()["kept"]
    assert sum(step["first"] for step in found["funnel"]) == 20 - found["clips"]["kept"]
    assert [step["reason"] for step in found["funnel"]] == [
        "too small",
        "too static",
        "too static (not measured)",
        "duplicate",
    ]
    for before, step in zip([{"left": 20}, *found["funnel"]], found["funnel"], strict=False):
        assert step["left"] == before["left"] - step["first"]
        assert step["any"] >= step["first"]


def test_stages_say_how_much_they_cover(data: Dataset) -> None:
    stages = {stage["stage"]: stage for stage in overview(data)["stages"]}
    assert (stages["motion"]["measured"], stages["motion"]["failed"], stages["motion"]["missing"]) == (19, 1, 0)
    assert stages["motion"]["reasons"] == {"it has <one> picture": 1}
    assert stages["motion"]["is_current"] and not stages["caption"]["is_current"]


def test_it_is_plain_json_and_the_same_each_time(data: Dataset) -> None:
    assert json.loads(json.dumps(overview(data))) == overview(data)


def test_sources_are_told_by_outcome_with_reasons(data: Dataset) -> None:
    sources = overview(data)["sources"]
    assert sources["outcomes"] == {"ok": 4, "refused": 2}
    assert sources["reasons"] == {"refused": {"empty": 1, "<i>no film</i>": 1}}


def test_the_text_names_every_reason_and_stage(data: Dataset) -> None:
    found = overview(data)
    text = as_text(found, by_hand.NAUGHTY)
    for word in ("too small", "motion.median > 0.001", "it has <one> picture", "refused", "analysis", "2s 16:9 24fps"):
        assert word in text
    assert "\x1b" not in text and "\u202e" not in text
    assert f"{found['clips']['kept']} of 20 clips kept" in text


def test_a_dataset_without_clips_has_an_overview(tmp_path: Path) -> None:
    found = overview(by_hand.write(tmp_path, num_sources=0))
    text = as_text(found, "empty")
    assert "no clips yet" in text
    assert found["clips"] | {"how": {}, "buckets": {}} == found["clips"]


def test_lengths_and_sizes_are_short() -> None:
    assert [length(s) for s in (0, 8.44, 725.0, 11520.0)] == ["0.0 s", "8.4 s", "12 min 5 s", "3.2 h"]
    assert [size(n) for n in (0, 999, 1000, 12_345_678, 5e15)] == ["0 bytes", "999 bytes", "1 kB", "12.3 MB", "5 PB"]


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("file:///a/new%0Aline%20%22b%22.mp4", 'new\\nline "b".mp4'),
        ("file:///a/%FF%FE.mp4", "\\xff\\xfe.mp4"),
        ("s3://bucket/a%20b/c%20d.mp4", "c%20d.mp4"),
        ("/plain/100%25.mp4", "100%25.mp4"),
    ],
)
def test_sources_have_the_names_of_their_files(uri: str, name: str) -> None:
    assert name_of(uri) == name


def test_what_cannot_be_printed_is_spelt_out() -> None:
    assert printable("a\nb\x1b[31m\u202e\udcff") == "a\\nb\\x1b[31m\\u202e\\udcff"
    assert len(printable("x" * 1000, 100)) <= 100
