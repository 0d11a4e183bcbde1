"""What is special about a folder: it stays inside its root, and leaves nothing behind."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rushes.errors import InputError
from rushes.store.local import LocalStore, local_path


def everything(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


def test_keys_are_files(tmp_path):
    store = LocalStore(tmp_path / "new" / "root")
    store.put("films/a.mp4", b"1")
    assert (tmp_path / "new/root/films/a.mp4").read_bytes() == b"1"
    assert store.url("films/a.mp4") == (tmp_path / "new/root/films/a.mp4").as_uri()
    store.delete("films/a.mp4")
    assert everything(tmp_path / "new" / "root") == []


def test_a_link_out_of_the_root_is_no_way_out(tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a").write_text("mine")
    store = LocalStore(tmp_path / "root")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "secret")
    for verb in (store.get, store.delete, store.url, lambda key: store.put(key, b"")):
        with pytest.raises(InputError, match="out of the store"):
            verb("link/a")
    assert (tmp_path / "secret" / "a").read_text() == "mine"


def test_a_key_cannot_lie_below_another(tmp_path):
    store = LocalStore(tmp_path)
    store.put("a", b"1")
    store.put("d/e", b"2")
    for key in ("a/b", "a/b/c", "d"):
        with pytest.raises(InputError, match="below another key"):
            store.put(key, b"")
    assert everything(tmp_path) == ["a", "d", "d/e"]


def test_a_root_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot keep a store in"):
        LocalStore(tmp_path / "file")


def test_a_full_disk_is_one_line_and_keeps_the_old_content(tmp_path):
    LocalStore(tmp_path).put("a", b"old")
    script = """
        import resource, pathlib
        from rushes.errors import RushesError
        from rushes.store.local import LocalStore, local_path
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            LocalStore(pathlib.Path(".")).put("a", bytes(5000))
        except RushesError as error:
            print(error)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith("could not store 'a': ") and run.stdout.count("\n") == 1
    assert everything(tmp_path) == ["a"]
    assert Path(tmp_path / "a").read_bytes() == b"old"


def test_a_sweep_removes_what_a_killed_writer_left(tmp_path):
    store = LocalStore(tmp_path)
    store.put("a/b", b"whole")
    (tmp_path / "a" / ".part-0123").write_bytes(b"ha")
    assert store.list() == ["a/b"]
    store.sweep()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_addresses_name_any_file(tmp_path):
    store = LocalStore.at(tmp_path.as_uri())
    store.put("ein Boot", b"1")
    assert local_path(store.url("ein Boot")) == tmp_path / "ein Boot"
    assert LocalStore.at(str(tmp_path)).list() == ["ein Boot"]
    with pytest.raises(InputError, match="is no file on this machine"):
        local_path("https://example.org/a")
