"""Tests of `rushes curate`: folders in, a dataset and a summary out, one clear line for what cannot be."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import hard_films
import pytest
import tiny

from rushes.data.dataset import Dataset
from rushes.store.local import local_path

RUSHES = (sys.executable, "-m", "rushes", "curate")
FEW = ("stages={motion=''}", "select.cuts={}", "shots.min_s=1.0", "shots.max_s=2.0")


def run(*arguments, code=0):
    done = subprocess.run([*RUSHES, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return tiny.films(tmp_path_factory.mktemp("films"), 3)


def test_folders_become_a_dataset_that_grows(films, tmp_path):
    (tmp_path / "more=1").mkdir()
    (tmp_path / "more=1" / "text.mp4").write_text("no film")
    first = run(films, tmp_path / "more=1", "-o", tmp_path / "data", *FEW)
    assert "new sources: 3 ok, 1 refused" in first.stdout and " kept" in first.stdout
    second = run(films, "-o", tmp_path / "data", "--json")  # the dataset keeps its settings
    found = json.loads(second.stdout)
    assert found["sources"] == {} and found["whole"] and found["dataset"]["kept"] == found["dataset"]["seen"] > 3
    assert found["dataset"]["sources"] == {"duplicate": 1, "ok": 3, "refused": 1}
    shown = json.loads(run(films, "-o", tmp_path / "data", "--show").stdout)
    assert shown["shots"]["max_s"] == 2.0 and shown["stages"] == {"motion": ""}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere", "-o", "data"), "there is no 'nowhere' to curate"),
        (("films", "-o", "films/data"), "lies inside the source"),
        (("films", "-o", "file.txt"), "cannot keep a store in file.txt"),
        (("films", "-o", "data", "--preset", "crate"), "there is no 'crate' among data presets; known: curate"),
        (("films", "-o", "data", "shots.mix_s=3"), "unknown key 'shots.mix_s'"),
        (("films", "-o", "data", "select.cuts={x='widht_px > 1'}"), "the nearest is 'width_px'"),
        (("films", "-o", "data", "--workers", "0"), "nearest legal value is 1"),
        (("shots.min_s=1.0", "-o", "data"), "name at least one folder"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    Path("films").mkdir()
    Path("file.txt").write_text("")
    done = run(*arguments, code=2)
    assert said in done.stderr and len(done.stderr.splitlines()) == 1 and not Path("data").exists()


@pytest.fixture(scope="module")
def hard(tmp_path_factory):
    """Return what the command said of the folder of hard films, and the rows of its sources and clips by name."""
    place = tmp_path_factory.mktemp("hard")
    films = hard_films.folder(place / "in")
    done = run(films, "-o", place / "data", "--workers", "2", *FEW)
    data = Dataset.open(place / "data")
    rows = {local_path(row["uri"]).name: row for row in data.sources().to_pylist()}
    clips = {
        name: [clip for clip in data.clips().to_pylist() if clip["source"] == rows[name]["sha256"]] for name in rows
    }
    again = run(films, "-o", place / "data")
    return done, rows, clips, again


@pytest.mark.parametrize("name", hard_films.HARD)
def test_every_hard_film_is_a_row_with_an_outcome_and_a_reason(hard, name):
    _, rows, clips, _ = hard
    wanted, row = hard_films.HARD[name], rows[name]
    assert row["outcome"] == wanted.outcome and re.search(wanted.reason, row["reason"]), (row["outcome"], row["reason"])
    assert {key: row[key] for key, _ in wanted.row} == dict(wanted.row)
    assert bool(clips[name]) == (row["outcome"] in ("ok", "partial")) and "\n" not in row["reason"]


def test_a_run_over_hard_films_goes_on_and_says_what_it_met(hard):
    done, rows, clips, again = hard
    counts = Counter(wanted.outcome for wanted in hard_films.HARD.values())
    said = ", ".join(f"{num} {name}" for name, num in sorted(counts.items()) if name != "unreadable")
    assert set(rows) == set(hard_films.HARD)
    assert f"new sources: {said}; {sum(map(len, clips.values()))} new clips" in done.stdout
    assert f"{counts['unreadable']} unreadable" in done.stdout and "Traceback" not in done.stderr
    assert "new sources: nothing; 0 new clips" in again.stdout
    assert all(clip["how"] == "whole" for name in ("interlaced.mp4", "interlaced.mpg") for clip in clips[name])


def test_nothing_kept_is_a_failure(tmp_path):
    (tmp_path / "in").mkdir()
    done = run(tmp_path / "in", "-o", tmp_path / "data", *FEW, code=1)
    assert "new sources: nothing" in done.stdout


def test_a_run_that_is_interrupted_says_how_to_go_on(films, tmp_path):
    command = [*RUSHES, str(films), "-o", str(tmp_path / "data"), "--workers", "1", *FEW]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 200
    while not list((tmp_path / "data" / "analysis").rglob("*.arrow")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=200)
    if child.returncode != 0:  # it may just have been done
        assert child.returncode == 130 and f"go on with: rushes curate {films}" in err, (child.returncode, err)
        assert "finishing what has begun" in err and "Traceback" not in err
    run(films, "-o", tmp_path / "data")
