"""`rushes world` draws films, captions and contact sheets, and refuses what it cannot do in one line."""

import json
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner
from PIL import Image

from rushes.cli.world import command
from rushes.errors import InputError
from rushes.media.probe import probe
from rushes.world.captions import prompt
from rushes.world.scene import from_dict, split_of

FAST = ["--size", "64x64", "--seconds", "0.25", "--fps", "8"]


def run(*arguments):
    result = CliRunner().invoke(command, [*map(str, arguments), *FAST], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_folder_holds_films_and_says_what_they_show(tmp_path):
    said = run("-o", tmp_path / "films", "--num", 3, "--seed", 4, "--split", "test", 'kinds=["cat", "car"]')
    rows = [json.loads(line) for line in (tmp_path / "films" / "scenes.jsonl").read_text().splitlines()]
    assert len(rows) == 3
    for row in rows:
        film = probe(tmp_path / "films" / row["film"])
        assert (film.width, film.height, film.num_frames) == (64, 64, 2)
        scene = from_dict(row["scene"])
        assert split_of(scene) == "test"
        assert row["prompt"] == prompt(scene)
        assert {subject.kind for subject in scene.subjects} <= {"cat", "car"}
        assert row["caption"] in said


def test_the_same_seed_draws_the_same_films(tmp_path):
    one, two, other = (run("-o", tmp_path / f"{i}.gif", "--seed", seed) for i, seed in enumerate((7, 7, 8)))
    assert one.partition("  ")[2] == two.partition("  ")[2] != other.partition("  ")[2]
    assert (tmp_path / "0.gif").read_bytes() != (tmp_path / "2.gif").read_bytes()


def test_a_contact_sheet_has_a_row_per_film(tmp_path):
    run("--sheet", tmp_path / "sheet.png", "--num", 2)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (6 * 320, 2 * 320)
    assert not list(tmp_path.glob("*.mp4"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "-o"),
        (["-o", "film.avi"], "film.mp4"),
        (["-o", "film.mp4", "--num", "2"], "folder"),
        (["-o", "film.mp4", "--num", "0"], "1"),
        (["-o", "film.mp4", "--seed", "-1"], "0"),
        (["-o", "film.mp4", "--style", "papr"], "'paper'"),
        (["-o", "film.mp4", "kind=cat"], "kinds"),
        (["--sheet", "sheet.jpg"], "sheet.png"),
        (["-o", "film.mp4", "--size", "large"], "1280x720"),
        (["-o", "film.mp4", "--fps", "0"], "1"),
    ],
)
def test_bad_requests_name_the_legal_ones(arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=says):
        CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert not list(tmp_path.iterdir())


def test_existing_films_are_kept(tmp_path):
    (tmp_path / "film.mp4").write_text("mine")
    with pytest.raises(InputError, match="force"):
        run("-o", tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_text() == "mine"
    run("-o", tmp_path / "film.mp4", "--force")
    assert probe(tmp_path / "film.mp4").num_frames == 2


def test_without_skia_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skia", None)
    with pytest.raises(InputError, match=r"rushes\[train\]"):
        run("-o", tmp_path / "film.mp4")
    assert not list(tmp_path.iterdir())


def endless(*arguments):
    small = ["--size", "64x36", "--fps", "8", "--seconds", "1", "--shots", "2"]
    return CliRunner().invoke(command, [*map(str, arguments), *small], catch_exceptions=False)


def test_an_endless_set_goes_on_and_hides_its_truth(tmp_path):
    films, truth = tmp_path / "films", tmp_path / "truth"
    first = endless("--films", 2, "-o", films, "--truth", truth)
    assert first.exit_code == 0 and "2 films written, 0 were there" in first.output
    kept = {path.name: path.stat().st_mtime_ns for path in films.iterdir()}
    second = endless("--films", 3, "-o", films, "--truth", truth)
    assert "1 films written, 2 were there" in second.output
    assert {path.name: path.stat().st_mtime_ns for path in films.iterdir() if path.name in kept} == kept
    assert sorted(path.stem for path in films.iterdir()) == sorted(path.stem for path in truth.iterdir())
    assert {path.suffix for path in films.iterdir()} == {".mp4"}


def test_several_workers_write_the_same_films(tmp_path):
    for workers in (1, 2):
        assert endless("--films", 3, "-o", tmp_path / str(workers), "--workers", workers).exit_code == 0
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / n).iterdir()} for n in ("1", "2"))
    assert one == two and len(one) == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--films", "2"], "-o footage"),
        (["--films", "-1", "-o", "films"], "0"),
        (["--films", "1", "-o", "films", "--workers", "0"], "1"),
        (["--films", "1", "-o", "films", "--truth", "films/truth"], "films-truth"),
        (["--films", "1", "-o", "films", "--force"], "--force"),
        (["--films", "1", "-o", "film.mp4"], "folder"),
    ],
)
def test_bad_endless_requests_name_the_legal_ones(arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=says):
        endless(*arguments)
    assert not list(tmp_path.rglob("*.mp4"))


def test_until_stopped_means_until_stopped(tmp_path):
    said = [sys.executable, "-m", "rushes", "world", "--films", "0", "-o", str(tmp_path / "f"), "--size", "64x36"]
    run = subprocess.Popen([*said, "--fps", "8", "--seconds", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert run.stdout is not None
    for _ in range(3):
        assert run.stdout.readline()
    run.send_signal(signal.SIGTERM)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 130 and b"films written" in errors and b"Traceback" not in errors
    names = sorted(path.name for path in (tmp_path / "f").iterdir())
    assert len(names) >= 3 and all(probe(tmp_path / "f" / name).num_frames == 8 for name in names)
