"""Tests of intake: every file is found once and under a name that leads back to it; what is known is not read again."""

import os
from pathlib import Path

import pytest

from rushes.data.intake import sources as intake
from rushes.errors import InputError
from rushes.store.local import local_path

NAMES = [b"a.mp4", b"with space.mp4", b"new\nline.mp4", b"caf\xe9.mp4", b"quote'\".mp4", b"100%.mp4"]


def write(folder, names=NAMES):
    for name in names:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(name)


def test_odd_names_lead_back_to_their_file(tmp_path):
    write(tmp_path)
    found = intake.find([str(tmp_path)])
    assert len(found) == len(NAMES) and [one.uri for one in found] == sorted(one.uri for one in found)
    assert all(one.uri.isascii() and one.uri.isprintable() for one in found)
    assert {local_path(one.uri).read_bytes() for one in found} == set(NAMES)
    assert {os.fsencode(local_path(one.uri).name) for one in found} == set(NAMES)


def test_links_are_followed_and_loops_are_not(tmp_path):
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    write(folder / "deep", [b"a.mp4"])
    (folder / "deep" / "up").symlink_to("..")
    (folder / "link.mp4").symlink_to("deep/a.mp4")
    (folder / "self").symlink_to("self")
    (folder / ".hidden").write_bytes(b"x")
    found = intake.find([str(folder), str(folder / "deep")])
    names = {one.uri.rpartition("/")[2]: one.problem for one in found}
    assert set(names) == {"a.mp4", "link.mp4", "self"} and len(found) == 3
    assert names["a.mp4"] == names["link.mp4"] == "" and "symbolic links" in names["self"]


def test_the_dataset_itself_is_left_out_even_behind_a_link(tmp_path):
    for name in ("in", "data"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, [b"a.mp4"])
    (tmp_path / "in" / "link").symlink_to(tmp_path / "data")
    assert len(intake.find([str(tmp_path / "in")])) == 2
    assert len(intake.find([str(tmp_path / "in")], apart_from=str(tmp_path / "data"))) == 1


def test_a_place_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"there is no .*nowhere"):
        intake.find([str(tmp_path / "nowhere")])


def test_rows_are_sorted_by_content_and_say_what_cannot_be_read(tmp_path):
    write(tmp_path)
    (tmp_path / "nowhere.mp4").symlink_to("not there")
    os.mkfifo(tmp_path / "pipe")
    rows = intake.take_in(intake.find([str(tmp_path)]), licence="CC-BY", again=True).to_pylist()
    assert [row["sha256"] for row in rows] == sorted(row["sha256"] for row in rows)
    assert all(len(row["sha256"]) == 64 and row["licence"] == "CC-BY" and row["again"] for row in rows[2:])
    assert {row["problem"] for row in rows[:2]} == {"No such file or directory", "no regular file"}


def test_what_is_known_is_known_by_size_and_time(tmp_path):
    write(tmp_path, [b"a.mp4"])
    [found] = intake.find([str(tmp_path)])
    [row] = intake.take_in([found]).to_pylist()
    assert intake.is_known(found, row) and not intake.is_known(found, None)
    os.utime(tmp_path / "a.mp4", ns=(1, 1))
    [touched] = intake.find([str(tmp_path)])
    assert not intake.is_known(touched, row)
    (tmp_path / "a.mp4").unlink()
    (tmp_path / "a.mp4").symlink_to("not there")
    [broken] = intake.find([str(tmp_path)])
    assert not intake.is_known(broken, row)
    assert intake.is_known(broken, intake.take_in([broken]).to_pylist()[0])


def test_a_source_that_went_away_is_refused(tmp_path):
    with pytest.raises(InputError, match="read no more"), intake.as_file((tmp_path / "a.mp4").as_uri(), tmp_path):
        pass
