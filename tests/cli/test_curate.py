"""Tests of `rushes curate`: folders in, a dataset and a summary out, one clear line for what cannot be."""

import importlib.util
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
from click.testing import CliRunner

from rushes.cli.main import main
from rushes.data.dataset import Dataset
from rushes.store.local import local_path

RUSHES = (sys.executable, "-m", "rushes", "curate")
FEW = ("stages={motion=''}", "select.cuts={}", "shots.min_s=1.0", "shots.max_s=2.0")


def run(*arguments, code=0, timeout_s=300):
    done = subprocess.run([*RUSHES, *map(str, arguments)], capture_output=True, text=True, timeout=timeout_s)
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
        (("films", "-o", "data", "--ray", "nowhere"), "'nowhere' is illegal; legal are local, auto"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    Path("films").mkdir()
    Path("file.txt").write_text("")
    done = CliRunner().invoke(main, ["curate", *arguments])
    assert done.exit_code == 2, done.output
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


def test_a_cluster_gives_the_same_dataset(films, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the cluster's processes stand elsewhere
    monkeypatch.setenv("HOME", str(tmp_path))  # where Ray keeps a token
    done = run(films, "-o", "ray", "--ray", "local", "--workers", "2", "--json", *FEW)
    assert json.loads(done.stdout)["sources"] == {"ok": 3} and "Traceback" not in done.stderr
    run(films, "-o", "local", *FEW)
    assert Dataset.open("ray").digest() == Dataset.open("local").digest()


def test_a_cluster_needs_its_extra(films, tmp_path):
    command = f"import sys; sys.modules['ray'] = None; sys.argv = {['rushes', 'curate', str(films), '-o', 'x']!r}"
    command += "; sys.argv += ['--ray', 'local']; from rushes.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "pip install 'rushes[ray]'" in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "x").exists()


@pytest.fixture
def real_films(tmp_path):
    """Return a folder of real films, all but the longest."""
    spec = importlib.util.spec_from_file_location("footage", Path(__file__).parents[2] / "benchmarks" / "footage.py")
    footage = importlib.util.module_from_spec(spec)
    sys.modules["footage"] = footage  # its dataclasses look themselves up
    spec.loader.exec_module(footage)
    try:
        found = footage.paths()
    except footage.NoFootageError as error:
        pytest.skip(f"no real footage: {error}; put it where RUSHES_FOOTAGE says")
    folder = tmp_path / "films"
    folder.mkdir()
    for name, path in found.items():
        if name != "bbb.mp4":
            (folder / name).symlink_to(path)
    return folder


REAL = (
    "stages={motion='', hash='', freeze=''}",
    "select.cuts={'too still'='motion.mean >= 0.0001'}",
    "pack.shard_mb=8.0",
)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_real_footage_is_curated_once_though_it_is_killed(real_films, tmp_path):
    whole, place = tmp_path / "whole", tmp_path / "data"
    run(real_films, "-o", whole, *REAL, timeout_s=900)
    for num in (1, 8):
        child = subprocess.Popen([*RUSHES, str(real_films), "-o", str(place), *REAL], stderr=subprocess.DEVNULL)
        while child.poll() is None and len(list(place.glob("analysis/*/*/*.arrow"))) < num:
            time.sleep(0.02)
        assert child.poll() is None
        child.kill()
        child.wait()
    done = run(real_films, "-o", place, timeout_s=900)
    digest = Dataset.open(place).digest()
    assert digest == Dataset.open(whole).digest()
    again = json.loads(run(real_films, "-o", place, "--json").stdout)
    assert again["sources"] == {} and (again["clips"], again["rows"]) == (0, 0) and "new sources: " in done.stdout
    funnel = again["dataset"]
    assert Dataset.open(place).digest() == digest
    assert sum(funnel["sources"].values()) == len(list(real_films.iterdir()))
    assert set(funnel["sources"]) <= {"ok", "partial", "no clips"} and funnel["sources"]["ok"] > 15
    assert funnel["seen"] == funnel["kept"] + sum(funnel["first"].values()) and funnel["kept"] > 30


def test_a_cluster_that_does_not_answer_is_one_line(films, tmp_path):
    done = run(films, "-o", tmp_path / "data", "--ray", "127.0.0.1:1", code=2)
    assert "no Ray cluster answers at '127.0.0.1:1'" in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()


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


def interrupted(command, log, is_time):
    """Start the command, interrupt it when it is time, and return its exit code and what it said."""
    with log.open("w") as err:
        child = subprocess.Popen([*RUSHES, *map(str, command)], stdout=subprocess.PIPE, stderr=err, text=True)
        deadline = time.monotonic() + 200
        while not is_time() and time.monotonic() < deadline:
            assert child.poll() is None, log.read_text()
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=200)
    return child.returncode, out, log.read_text()


def test_a_watch_that_is_interrupted_leaves_nothing_half_written(tmp_path):
    source, place, log = tmp_path / "films in", tmp_path / "data", tmp_path / "log"
    for film in tiny.films(source, 2).iterdir():
        os.utime(film, (1, 1))  # so old that it is whole at the first look
    command = (source, "-o", place, "--watch", "--workers", "1", *FEW)
    code, _, err = interrupted(command, log, (place / "work").exists)  # in the middle of the first film
    assert code == 130 and "Traceback" not in err
    assert err.splitlines()[-1] == f"stopped; go on with: rushes curate '{source}' -o {place} --watch"
    assert not list(place.rglob(".part-*"))
    code, out, err = interrupted(command, log, lambda: "; watching" in log.read_text())  # while it waits
    assert code == 0 and err.splitlines()[-1] == "finishing what has begun; once more to stop at once"
    assert "3 sources (1 duplicate, 2 ok)" in out
    assert not list(place.rglob(".part-*")) and not [path for path in (place / "work").rglob("*") if path.is_file()]
    assert "new sources: nothing" in run(source, "-o", place).stdout
