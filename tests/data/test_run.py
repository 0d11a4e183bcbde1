"""Tests of the engine: the same dataset whatever happens on the way, hostile films as rows, only new work done."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tarfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import bucket_server
import pytest
import tiny

from rushes.data.dataset import Dataset
from rushes.data.packing.cut import CutConfig
from rushes.data.run import Again, Progress, curate, todo_of
from rushes.data.workers.pool import LocalRunner
from rushes.errors import InputError, RushesError

STAGES = Again(stages=tiny.STAGES)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return tiny.films(tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="module")
def whole(films, tmp_path_factory):
    """Return the dataset of the films, made in one piece in this process."""
    place = tmp_path_factory.mktemp("whole") / "data"
    curate(str(place), [str(films)], tiny.config(), tiny.Serial(), again=STAGES)
    return place


def open_tiny(place):
    dataset = Dataset.open(place)
    dataset.extra_stages = tiny.STAGES
    return dataset


def files(place):
    return {str(f.relative_to(place)): f.read_bytes() for f in sorted(place.rglob("*")) if f.is_file()}


def content(place):
    """Return every file that is not about the history of runs."""
    return {name: data for name, data in files(place).items() if not name.startswith("manifest/")}


def local(**changes):
    return LocalRunner(**{"workers": 2, "silent_s": 60, "memory_mb": 4096, **changes})


def test_films_become_sources_clips_shards_and_rows(whole):
    dataset = open_tiny(whole)
    sources, clips = dataset.sources().to_pylist(), dataset.clips().to_pylist()
    assert sorted(row["outcome"] for row in sources) == ["duplicate"] + ["ok"] * 6
    assert all(row["codec"] == "h264" and row["fps"] == tiny.FPS for row in sources if row["outcome"] == "ok")
    assert {row["source"] for row in clips} == {row["sha256"] for row in sources}
    rows = {row["clip_id"]: row for row in dataset.rows("mean").to_pylist()}
    assert set(rows) == {row["clip_id"] for row in clips}
    for row in clips:
        assert dataset.read_clip(row["clip_id"])[4:8] == b"ftyp"
        assert rows[row["clip_id"]]["frames"] == row["frames"] and rows[row["clip_id"]]["outcome"] == "ok"
        assert len(dataset.pictures(row["clip_id"]).jpegs) == rows[row["clip_id"]]["pictures"] > 0
    assert dataset.selection()["kept"].to_pylist() == [True] * len(clips)
    assert not list((whole / "work").rglob("*.json"))


def test_shards_are_plain_tars_that_hold_each_clip_beside_its_json(whole):
    clips = {row["clip_id"]: row for row in open_tiny(whole).clips().to_pylist()}
    seen, shards = set(), sorted((whole / "shards").rglob("*.tar"))
    assert len(shards) > 1
    for shard in shards:
        with tarfile.open(shard) as tar:
            members = tar.getmembers()
        for film, side in zip(members[::2], members[1::2], strict=True):
            assert film.name.removesuffix(".mp4") == side.name.removesuffix(".json")
            row = clips[film.name.removesuffix(".mp4")]
            assert (film.offset_data, film.size, film.mtime) == (row["offset"], row["num_bytes"], 0)
            seen.add(row["clip_id"])
    assert seen == set(clips)


def test_processes_give_what_one_gives_byte_for_byte(films, whole, tmp_path):
    with local() as runner:
        summary = curate(str(tmp_path / "two"), [str(films)], tiny.config(), runner, again=STAGES)
    assert summary.outcomes == {"ok": 6} and summary.is_whole
    assert content(tmp_path / "two") == content(whole)
    assert Dataset.open(tmp_path / "two").digest() == Dataset.open(whole).digest()


def test_a_second_run_does_nothing(films, whole):
    before, runner = files(whole), tiny.Serial()
    curate(str(whole), [str(films)], tiny.config(), runner, again=STAGES)
    assert runner.calls == [] and files(whole) == before


def test_new_films_are_added_and_old_bytes_stay(films, tmp_path):
    for name in ("film 0.mp4", "film 1.mp4"):
        (tmp_path / name).write_bytes((films / name).read_bytes())
    place, source = tmp_path / "data", tmp_path / "in"
    source.mkdir()
    (tmp_path / "film 0.mp4").rename(source / "a.mp4")
    curate(str(place), [str(source)], tiny.config(), tiny.Serial(), again=STAGES)
    before = {k: v for k, v in files(place).items() if not k.startswith("selection")}
    (tmp_path / "film 1.mp4").rename(source / "b.mp4")
    (source / "a.mp4").touch()  # the same bytes under the same name: nothing new
    runner = tiny.Serial()
    summary = curate(str(place), [str(source)], tiny.config(), runner, again=STAGES)
    assert summary.outcomes == {"ok": 1} and runner.calls == ["curate_source", "measure_source"]
    after = files(place)
    assert all(after[name] == data for name, data in before.items())
    assert Dataset.open(place).sources().num_rows == 2


def test_another_version_of_a_stage_runs_that_stage_alone(films, whole, tmp_path):
    place = tmp_path / "data"
    config = tiny.config("mean", "vector")
    curate(str(place), [str(films)], config, tiny.Serial(), again=STAGES)
    runner = tiny.Serial()
    changed = replace(config, stages={"mean": "b", "vector": ""})
    summary = curate(str(place), [str(films)], changed, runner, again=STAGES)
    dataset = open_tiny(place)
    assert set(runner.calls) == {"measure_source"} and summary.num_rows == dataset.clips().num_rows
    assert dataset.stages() == {"mean": ["1", "1b"], "vector": ["1"]}
    assert set(dataset.rows("mean")["version"].to_pylist()) == {"1b"}
    assert set(dataset.rows("mean", "1")["version"].to_pylist()) == {"1"}
    with pytest.raises(InputError, match=r"no version '2' here; known: 1, 1b"):
        dataset.rows("mean", "2")
    with pytest.raises(InputError, match="nearest is 'mean'"):
        dataset.rows("maen")


def test_other_clips_are_cut_without_decoding_for_analysis_again(films, tmp_path):
    place, config = tmp_path / "data", tiny.config()
    curate(str(place), [str(films)], config, tiny.Serial(), again=STAGES)
    analyses = {f: f.stat().st_mtime_ns for f in (place / "analysis").rglob("*.arrow")}
    first = Dataset.open(place).clips()["how"].to_pylist()
    curate(str(place), [str(films)], replace(config, cut=CutConfig(copy=False)), tiny.Serial(), again=STAGES)
    assert {f: f.stat().st_mtime_ns for f in (place / "analysis").rglob("*.arrow")} == analyses
    second = Dataset.open(place).clips()["how"].to_pylist()
    assert "copy" in first and set(second) == {"whole"}


def test_hostile_files_are_rows_with_reasons_and_the_run_goes_on(films, tmp_path):
    source = tmp_path / "in"
    num = tiny.write_hostile(source)
    (source / "good.mp4").write_bytes((films / "film 1.mp4").read_bytes())
    if os.getuid():
        (source / "secret.mp4").write_bytes(b"x")
        (source / "secret.mp4").chmod(0)
        num += 1
    with local() as runner:
        summary = curate(str(tmp_path / "data"), [str(source)], tiny.config(), runner, again=STAGES)
    rows = Dataset.open(tmp_path / "data").sources().to_pylist()
    ended = {row["uri"].rpartition("/")[2]: (row["outcome"], row["reason"]) for row in rows}
    assert len(rows) == num + 1 and summary.funnel["sources"]["ok"] == 1
    assert ended["good.mp4"] == ("ok", "")
    assert ended["empty.mp4"][0] == ended["text.mp4"][0] == ended["n%FF%FE.mp4"][0] == "refused"
    assert "empty" in ended["empty.mp4"][1] and "no film" in ended["text.mp4"][1]
    assert ended["new%0Aline.mp4"][0] == "refused"
    assert ended["loop"][0] == ended["nowhere"][0] == ended["pipe"][0] == "unreadable"
    assert all(reason for outcome, reason in ended.values() if outcome != "ok")
    runner = tiny.Serial()
    again = curate(str(tmp_path / "data"), [str(source)], tiny.config(), runner, again=STAGES)
    assert again.outcomes == {} and Dataset.open(tmp_path / "data").sources().num_rows == num + 1


def test_a_film_that_could_not_be_read_is_tried_when_it_can(films, tmp_path):
    source, place = tmp_path / "in", tmp_path / "data"
    source.mkdir()
    (source / "a.mp4").symlink_to(tmp_path / "later.mp4")
    curate(str(place), [str(source)], tiny.config(), tiny.Serial(), again=STAGES)
    assert Dataset.open(place).sources()["outcome"].to_pylist() == ["unreadable"]
    (tmp_path / "later.mp4").write_bytes((films / "film 2.mp4").read_bytes())
    summary = curate(str(place), [str(source)], tiny.config(), tiny.Serial(), again=STAGES)
    assert summary.outcomes == {"ok": 1}


# Crashes


def test_a_stage_that_aborts_takes_down_its_own_rows_alone(films, tmp_path, monkeypatch):
    place = tmp_path / "data"
    curate(str(place), [str(films)], tiny.config(), tiny.Serial(), again=STAGES)
    victim = Dataset.open(place).clips()["source"][0].as_py()
    monkeypatch.setenv("TINY_ABORT", victim)
    with local() as runner:
        curate(str(place), [str(films)], tiny.config("abort", "vector"), runner, again=STAGES)
    dataset = open_tiny(place)
    sources = dict(zip(dataset.clips()["clip_id"].to_pylist(), dataset.clips()["source"].to_pylist(), strict=True))
    for row in dataset.rows("abort").to_pylist():
        crashed = sources[row["clip_id"]] == victim
        assert row["outcome"] == ("crashed" if crashed else "ok"), row
        assert ("SIGABRT" in row["reason"]) == crashed
    assert set(dataset.rows("vector")["outcome"].to_pylist()) == {"ok"}


def test_a_stage_that_hangs_raises_or_fails_is_an_outcome(films, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.mp4").write_bytes((films / "film 0.mp4").read_bytes())
    with local(silent_s=1.5, tries=1) as runner:
        curate(str(tmp_path / "data"), [str(source)], tiny.config("hang", "wrong", "some"), runner, again=STAGES)
    dataset = open_tiny(tmp_path / "data")
    assert set(dataset.rows("hang")["outcome"].to_pylist()) == {"timed out"}
    wrong = dataset.rows("wrong").to_pylist()[0]
    assert (wrong["outcome"], wrong["reason"]) == ("failed", "ZeroDivisionError: no such luck")
    some = dataset.rows("some").to_pylist()[0]
    is_odd = int(some["clip_id"], 16) % 2
    assert (some["outcome"], some["reason"]) == (("failed", "odd clip") if is_odd else ("ok", ""))


def test_a_stage_that_cannot_be_loaded_ends_the_run(films, tmp_path):
    with pytest.raises(RushesError, match="weights are missing"):
        curate(str(tmp_path / "data"), [str(films)], tiny.config("missing"), tiny.Serial(), again=STAGES)


@pytest.mark.parametrize(
    ("strike", "outcome", "reason"),
    [
        (signal.SIGSEGV, "crashed", "the worker was ended by SIGSEGV"),
        (signal.SIGSTOP, "timed out", "no sign of life for 2 s"),
        (None, "out of memory", "more than 40 MB of memory"),
    ],
)
def test_what_a_film_does_to_its_decoder_is_an_outcome_and_the_run_goes_on(films, tmp_path, strike, outcome, reason):
    source, place, is_over = tmp_path / "in", tmp_path / "data", threading.Event()
    source.mkdir()
    tiny.film(source / "bad.mp4", 1, seconds=30, height=240, width=320)

    def strike_workers():
        """Do to each worker that has begun a film what a decoder's bug would."""
        seen = set()
        while strike and not is_over.wait(0.002):
            begun = set((place / "work").glob("work-*")) - seen
            seen |= begun
            for worker in multiprocessing.active_children() if begun else []:
                os.kill(worker.pid, strike)

    striker = threading.Thread(target=strike_workers)
    striker.start()
    with local(workers=1, silent_s=2, tries=2, memory_mb=4096 if strike else 40) as runner:
        summary = curate(str(place), [str(source)], tiny.config(), runner, again=STAGES)
    is_over.set()
    striker.join()
    [row] = Dataset.open(place).sources().to_pylist()
    assert summary.is_whole and summary.outcomes == {outcome: 1}
    assert (row["outcome"], row["reason"]) == (outcome, reason)
    (source / "good.mp4").write_bytes((films / "film 1.mp4").read_bytes())
    retried = Again(stages=tiny.STAGES, outcomes=(outcome,))
    assert curate(str(place), [str(source)], tiny.config(), tiny.Serial(), again=retried).outcomes == {"ok": 2}


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import tiny
from rushes.data.workers.pool import LocalRunner
from rushes.data.run import Again, curate
if __name__ == "__main__":
    with LocalRunner(2, silent_s=60, memory_mb=4096) as runner:
        curate(sys.argv[2], [sys.argv[3]], tiny.config(), runner, again=Again(stages=tiny.STAGES))
"""


def killed(place, films, tmp_path, *, num_files, delay_s):
    """Start a run, kill it once the dataset has so many files and a moment has passed; say whether it was alive."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    here = str(Path(__file__).parents[1] / "props")
    run = subprocess.Popen([sys.executable, script, here, place, films], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while run.poll() is None and time.monotonic() < deadline and count_files(place) < num_files:
        time.sleep(0.01)
    time.sleep(delay_s)
    was_alive = run.poll() is None
    run.send_signal(signal.SIGKILL)
    run.wait()
    return was_alive


def count_files(place):
    return sum(len(names) for _, _, names in os.walk(place))


def kill_often(films, whole, tmp_path, num, seed):
    rng, place, alive = random.Random(seed), tmp_path / "data", 0
    last = count_files(whole) + 2
    for _ in range(num):
        num_files = count_files(place) + rng.randint(1, max(2, last // num))
        alive += killed(place, films, tmp_path, num_files=num_files, delay_s=rng.random() * 0.05)
    summary = curate(str(place), [str(films)], tiny.config(), tiny.Serial(), again=STAGES)
    assert alive and summary.is_whole
    assert Dataset.open(place).digest() == Dataset.open(whole).digest()
    assert content(place) == content(whole)


def test_killed_runs_go_on_to_the_same_dataset(films, whole, tmp_path):
    kill_often(films, whole, tmp_path, 3, 1)


@pytest.mark.slow
def test_twenty_kills_leave_no_trace(films, whole, tmp_path):
    kill_often(films, whole, tmp_path, 20, 2)


def test_a_run_that_is_asked_to_stop_goes_on_later(films, whole, tmp_path):
    place, seen = tmp_path / "data", []

    def watch(progress: Progress) -> None:
        seen.append(progress.done)

    def should_stop() -> bool:
        return len(seen) > 4

    args = (str(place), [str(films)], tiny.config(), tiny.Serial())
    first = curate(*args, watch=watch, should_stop=should_stop, again=STAGES)
    assert not first.is_whole and 0 < first.num_clips < Dataset.open(whole).clips().num_rows
    assert curate(*args, again=STAGES).is_whole
    assert content(place) == content(whole)


# Refusals


def test_a_dataset_and_its_sources_lie_apart(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="lies inside the source"):
        curate(str(tmp_path / "in" / "data"), [str(tmp_path / "in")], tiny.config(), tiny.Serial(), again=STAGES)
    with pytest.raises(InputError, match="lies inside the dataset"):
        curate(str(tmp_path), [str(tmp_path / "in")], tiny.config(), tiny.Serial(), again=STAGES)


def test_wrong_settings_are_refused_before_anything_is_done(films, tmp_path):
    with pytest.raises(InputError, match=r"'mean\.farmes' is no column; the nearest is 'mean\.frames'"):
        config = tiny.config(cuts={"short": "mean.farmes > 3"})
        curate(str(tmp_path / "data"), [str(films)], config, tiny.Serial(), again=STAGES)
    with pytest.raises(InputError, match="there is no 'ghost'"):
        curate(str(tmp_path / "data"), [str(films)], tiny.config("ghost"), tiny.Serial(), again=STAGES)
    with pytest.raises(InputError, match=r"there is no .*nowhere"):
        curate(str(tmp_path / "data"), [str(tmp_path / "nowhere")], tiny.config(), tiny.Serial(), again=STAGES)
    assert not list(tmp_path.rglob("*.parquet"))


def test_two_runs_never_fill_one_dataset(films, tmp_path):
    place = str(tmp_path / "data")

    def intrude(progress: Progress) -> None:
        with pytest.raises(InputError, match="another run is filling"):
            curate(place, [str(films)], tiny.config(), tiny.Serial(), again=STAGES)

    curate(place, [str(films)], tiny.config(), tiny.Serial(), watch=intrude, again=STAGES)


def test_two_runs_never_fill_one_bucket(films, whole, tmp_path, monkeypatch):
    port = bucket_server.free_port()
    (tmp_path / "buckets" / "films").mkdir(parents=True)
    for name, value in bucket_server.environment(port).items():
        monkeypatch.setenv(name, value)
    refused = []

    def intrude(progress: Progress) -> None:
        if progress.phase == "cutting" and not refused:
            with pytest.raises(InputError, match="another run is filling s3://films/data"):
                curate("s3://films/data", [str(films)], tiny.config(), tiny.Serial(), again=STAGES)
            refused.append(True)

    with bucket_server.serving(tmp_path / "buckets", port):
        curate("s3://films/data", [str(films)], tiny.config(), tiny.Serial(), watch=intrude, again=STAGES)
        assert refused and Dataset.open("s3://films/data").digest() == Dataset.open(whole).digest()
        with pytest.raises(InputError, match="lies inside the source"):
            curate("s3://films/data", ["s3://films"], tiny.config(), tiny.Serial(), again=STAGES)


def test_a_disk_that_fills_is_one_line_and_the_next_run_goes_on(films, whole, tmp_path):
    script = tmp_path / "full.py"
    limit = "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))\n"
    script.write_text(limit + SCRIPT)
    place = tmp_path / "data"
    here = str(Path(__file__).parents[1] / "props")
    done = subprocess.run([sys.executable, script, here, place, films], capture_output=True, text=True, timeout=120)
    assert done.returncode and "RushesError: could not" in done.stderr, done.stderr
    curate(str(place), [str(films)], tiny.config(), tiny.Serial(), again=STAGES)
    assert content(place) == content(whole)


def test_cuts_say_why_clips_are_dropped(films, tmp_path):
    cuts = {"too short": "duration_s >= 2.6", "odd": "mean.frames % 2 = 0"}
    config = tiny.config("mean", "vector", cuts=cuts)
    config = replace(config, select=replace(config.select, embedding="vector", num_clusters=2))
    summary = curate(str(tmp_path / "data"), [str(films)], config, tiny.Serial(), again=STAGES)
    dataset = open_tiny(tmp_path / "data")
    for row, clip in zip(dataset.selection().to_pylist(), dataset.clips().to_pylist(), strict=True):
        assert ("too short" in row["reasons"]) == (clip["duration_s"] < 2.6)
        assert row["kept"] == (not row["reasons"]) == (row["weight"] > 0)
    funnel = summary.funnel
    assert funnel["seen"] == funnel["kept"] + sum(funnel["first"].values())
    assert "too short" in funnel["first"]


def test_the_digest_stands_for_the_content(whole, films, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_bytes((films / "film 0.mp4").read_bytes())
    curate(str(tmp_path / "data"), [str(tmp_path / "in")], tiny.config(), tiny.Serial(), again=STAGES)
    assert Dataset.open(tmp_path / "data").digest() != Dataset.open(whole).digest()


def test_intake_order_and_duplicates():
    def row(uri, sha, again=False, problem=""):
        return {"uri": uri, "sha256": sha, "again": again, "problem": problem}

    rows = [row("x", "", problem="no"), row("a", "1"), row("b", "1"), row("c", "2"), row("a", "1"), row("a", "1", True)]
    assert [(t.kind, t.row["uri"]) for t in todo_of(rows)] == [
        ("unreadable", "x"),
        ("work", "a"),
        ("duplicate", "b"),
        ("work", "c"),
        ("work", "a"),
    ]
