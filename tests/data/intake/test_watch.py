"""Tests of watching: only whole files are taken in, each once, from folders and buckets, until it is asked to stop."""

import subprocess
import sys
import time
from pathlib import Path

import bucket_server
import pytest
import tiny

from rushes.data.dataset import Dataset
from rushes.data.intake import watch
from rushes.data.intake.watch import WatchConfig, grow
from rushes.data.run import curate
from rushes.errors import InputError
from rushes.store import at

CONFIG = tiny.config("motion")


def fast(looks=None, settled_s=0.0):
    return WatchConfig(every_s=0.05, settled_s=settled_s, **({"say": looks.say} if looks else {}))


class Looks:
    """Says when to stop: after the last of `steps`, one of which happens whenever the dataset is whole again."""

    def __init__(self, *steps):
        self.steps, self.said = list(steps), []

    def say(self, text):
        self.said.append(text)
        if text.endswith("watching") and self.steps:
            self.steps.pop(0)()

    def __call__(self):
        return not self.steps


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return tiny.films(tmp_path_factory.mktemp("films"), 2)


def copy(films, name, to):
    to.write_bytes((films / name).read_bytes())


def test_a_folder_that_grows_is_followed_and_each_film_is_taken_in_once(films, tmp_path):
    source, place, runner = tmp_path / "in", tmp_path / "data", tiny.Serial()
    source.mkdir()
    copy(films, "film 0.mp4", source / "a.mp4")
    looks = Looks(lambda: copy(films, "film 1.mp4", source / "b.mp4"), lambda: None)
    summary = grow(str(place), [str(source)], CONFIG, runner, watching=fast(looks), should_stop=looks)
    assert summary.is_whole and runner.calls == ["curate_source", "measure_source"] * 2
    assert [row["outcome"] for row in Dataset.open(place).sources().to_pylist()] == ["ok", "ok"]
    again = tiny.Serial()
    grow(str(place), [str(source)], CONFIG, again, watching=fast(), should_stop=lambda: True)
    assert again.calls == [] and Dataset.open(place).sources().num_rows == 2


def test_a_file_that_is_still_being_written_waits(films, tmp_path):
    source, place = tmp_path / "in", tmp_path / "data"
    source.mkdir()
    whole = (films / "film 0.mp4").read_bytes()
    (source / "a.mp4").write_bytes(whole[:1000])
    looks = Looks(lambda: (source / "a.mp4").write_bytes(whole), lambda: None)
    grow(str(place), [str(source)], CONFIG, tiny.Serial(), watching=fast(looks, 1.5), should_stop=looks)
    [row] = Dataset.open(place).sources().to_pylist()
    assert (row["outcome"], row["num_bytes"]) == ("ok", len(whole))


def test_a_bucket_gives_the_dataset_that_a_folder_gives(films, tmp_path, monkeypatch):
    port = bucket_server.free_port()
    (tmp_path / "buckets" / "films").mkdir(parents=True)
    for name, value in bucket_server.environment(port).items():
        monkeypatch.setenv(name, value)
    with bucket_server.serving(tmp_path / "buckets", port):
        kept = at("s3://films/in")
        kept.put("a.mp4", (films / "film 0.mp4").read_bytes())
        looks = Looks(lambda: kept.put("b.mp4", (films / "film 1.mp4").read_bytes()), lambda: None)
        place = "s3://films/data"
        grow(place, ["s3://films/in"], CONFIG, tiny.Serial(), watching=fast(looks), should_stop=looks)
        data = Dataset.open(place)
        assert [row["outcome"] for row in data.sources().to_pylist()] == ["ok", "ok"]
        clip_ids = data.clips()["clip_id"].to_pylist()
        clips = {name: data.read_clip(name) for name in clip_ids}
    curate(str(tmp_path / "data"), [str(films)], CONFIG, tiny.Serial())
    local = Dataset.open(tmp_path / "data")
    assert clips == {name: local.read_clip(name) for name in local.clips()["clip_id"].to_pylist()}


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import tiny
from rushes.data.intake.watch import WatchConfig, grow
from rushes.data.workers.pool import LocalRunner
if __name__ == "__main__":
    with LocalRunner(2, silent_s=60, memory_mb=4096) as runner:
        watching = WatchConfig(every_s=0.05, settled_s=0.0)
        grow(sys.argv[2], [sys.argv[3]], tiny.config("motion"), runner, watching=watching)
"""


def killed(place, source, script, *, num_sources):
    """Watch from a process of its own, which is killed once so many films are done, packed or not."""
    script.write_text(SCRIPT)
    watcher = subprocess.Popen([sys.executable, script, str(Path(tiny.__file__).parent), place, source])
    try:
        deadline = time.monotonic() + 100
        while num_done(place) < num_sources:
            assert watcher.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        watcher.kill()
        watcher.wait()


def num_done(place):
    if not (place / "dataset.json").exists():
        return 0
    return len(list((place / "work").rglob("*.json"))) + Dataset.open(place).sources().num_rows


def test_a_watcher_that_is_killed_takes_each_film_in_once(tmp_path):
    source, place, plain = (tmp_path / name for name in ("in", "data", "plain"))
    tiny.films(source, 5)
    for num_sources in (1, 3):
        killed(place, source, tmp_path / "script.py", num_sources=num_sources)
    assert num_done(place) >= 3
    looks = Looks(lambda: None)
    assert grow(str(place), [str(source)], CONFIG, tiny.Serial(), watching=fast(looks), should_stop=looks).is_whole
    curate(str(plain), [str(source)], CONFIG, tiny.Serial())
    assert Dataset.open(place).digest() == Dataset.open(plain).digest()
    tiny.film(source / "late.mp4", 9)
    killed(place, source, tmp_path / "script.py", num_sources=7)
    looks = Looks(lambda: None)
    grow(str(place), [str(source)], CONFIG, tiny.Serial(), watching=fast(looks), should_stop=looks)
    curate(str(plain), [str(source)], CONFIG, tiny.Serial())
    rows = Dataset.open(place).sources().to_pylist()
    assert sorted(row["outcome"] for row in rows) == ["duplicate"] + ["ok"] * 6
    assert len({row["uri"] for row in rows}) == 7 and Dataset.open(place).digest() == Dataset.open(plain).digest()


def test_illegal_settings_are_refused():
    with pytest.raises(InputError, match="every_s 0 is illegal"):
        WatchConfig(every_s=0)
    assert watch.feed_place("s3://a/data/") == "s3://a/data-feed"
