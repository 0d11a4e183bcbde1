"""What every store promises; a new scheme adds one line to OPENERS and must pass."""

import io

import bucket_server
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes import registry
from rushes.errors import InputError, RushesError

OPENERS = {"local": lambda spec, folder: spec(folder / "store"), "s3": lambda spec, folder: spec("films", folder.name)}


@pytest.fixture(scope="module", autouse=True)
def server(tmp_path_factory):
    """Serve the bucket `films` to every test here."""
    folder, port = tmp_path_factory.mktemp("buckets"), bucket_server.free_port()
    (folder / "films").mkdir()
    with pytest.MonkeyPatch.context() as patch, bucket_server.serving(folder, port):
        for name, value in bucket_server.environment(port).items():
            patch.setenv(name, value)
        yield


@pytest.fixture(params=registry.names("store"))
def store(request, tmp_path):
    """Return an empty store of each scheme."""
    return OPENERS[request.param](registry.find("store", request.param), tmp_path)


def test_what_is_put_is_got(store):
    store.put("films/a.mp4", b"\0film\xff")
    store.put("films/b.mp4", io.BytesIO(b"x" * 3_000_000))
    store.put("empty", b"")
    assert store.get("films/a.mp4") == b"\0film\xff"
    assert store.get("films/b.mp4") == b"x" * 3_000_000
    assert store.get("empty") == b""


def test_a_range_is_got_alone(store):
    store.put("a", b"0123456789")
    assert store.get("a", start=3, length=4) == b"3456"
    assert store.get("a", start=8) == b"89" and store.get("a", start=8, length=100) == b"89"
    assert store.get("a", start=10, length=1) == b"" and store.get("a", length=0) == b""


def test_a_sweep_leaves_what_is_whole(store):
    store.put("a/b", b"1")
    store.sweep()
    assert store.list() == ["a/b"]


def test_put_replaces(store):
    store.put("a", b"a long first content")
    store.put("a", b"short")
    assert store.get("a") == b"short"
    assert store.list() == ["a"]


def test_list_is_sorted_and_takes_any_prefix(store):
    for key in ("b/2", "b/1", "a", "bc"):
        store.put(key, b"")
    assert store.list() == ["a", "b/1", "b/2", "bc"]
    assert store.list("b") == ["b/1", "b/2", "bc"]
    assert store.list("b/") == ["b/1", "b/2"]
    assert store.list("nothing") == []


def test_delete_forgets_and_may_be_repeated(store):
    store.put("a/b/c", b"1")
    store.put("a/d", b"2")
    store.delete("a/b/c")
    store.delete("a/b/c")
    assert store.list() == ["a/d"]
    with pytest.raises(InputError, match="has no"):
        store.get("a/b/c")


def test_missing_names_the_nearest(store):
    store.put("films/boat.mp4", b"")
    for ask in (store.get, store.url):
        with pytest.raises(InputError, match=r"nearest is 'films/boat\.mp4'"):
            ask("films/boot.mp4")


def test_url_is_an_address(store):
    store.put("films/ein Boot.mp4", b"1")
    assert "://" in store.url("films/ein Boot.mp4")
    assert " " not in store.url("films/ein Boot.mp4")


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a\\b", "a\0b", "a\nb", "x" * 2000]
)
def test_illegal_keys_are_refused_by_every_verb(store, key):
    for verb in (
        lambda: store.put(key, b""),
        lambda: store.get(key),
        lambda: store.delete(key),
        lambda: store.url(key),
    ):
        with pytest.raises(InputError, match="illegal"):
            verb()
    assert store.list() == []


def test_a_put_that_fails_half_way_leaves_the_old_content(store):
    store.put("a", b"old")

    class Broken(io.BytesIO):
        def read(self, size=-1):
            if self.tell():
                raise KeyboardInterrupt
            return super().read(3)

    with pytest.raises(KeyboardInterrupt):
        store.put("a", Broken(b"new content"))
    assert store.get("a") == b"old"
    assert store.list() == ["a"]


@pytest.mark.parametrize("scheme", registry.names("store"))
@settings(max_examples=30, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(["k", "k.x", "d/k", "d/e/k"]), st.none() | st.binary(max_size=9))))
def test_a_store_is_a_dictionary(scheme, tmp_path_factory, steps):
    store = OPENERS[scheme](registry.find("store", scheme), tmp_path_factory.mktemp("s"))
    model = {}
    for key, content in steps:
        if content is None:
            store.delete(key)
            model.pop(key, None)
        else:
            store.put(key, content)
            model[key] = content
    assert store.list() == sorted(model)
    assert {key: store.get(key) for key in store.list()} == model


def test_what_is_created_is_never_replaced(store):
    store.create("manifest/1", b"first")
    store.create("manifest/1", b"first")  # the same again: an answer was lost
    with pytest.raises(RushesError, match="another run writes"):
        store.create("manifest/1", b"second")
    assert store.get("manifest/1") == b"first"


def test_one_at_a_time_holds_a_store(store):
    with store.hold():
        store.put("a", b"1")
        with pytest.raises(InputError, match=r"another run is filling .*; wait for its end, or stop it"), store.hold():
            raise AssertionError
    with store.hold():
        assert store.get("a") == b"1"
