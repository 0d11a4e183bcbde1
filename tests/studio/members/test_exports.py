"""Tests exports of a thousand films: complete, streamed in constant memory, exact in any range, and nobody else's."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile

import films_there
import pytest
import studios

from rushes.errors import RushesError
from rushes.serve.client.database import Base
from rushes.studio.errors import RequestError
from rushes.studio.house import House
from rushes.studio.members import accounts, exports
from rushes.studio.members.accounts import User
from rushes.studio.members.exports import Export
from rushes.studio.money import ledger

FILMS = 1_000


@pytest.fixture(scope="module")
def maker(house: House) -> User:
    """An account with a thousand films, a session, a key, entries and a file of its own."""
    user, _ = studios.person(house, "maker")
    films_there.made(house, user, FILMS)
    house.media.put(f"people/{user.id}/face/one.png", b"a face")
    with house.database.write() as session:
        accounts.sign_in(session, user)
        ledger.lock(session, user, house.plan("free"))
        session.get_one(User, user.id).bio = "makes boats — ⛵"
    return user


def exported(house: House, user: User) -> Export:
    with house.database.write() as session:
        export_id = exports.begin(session, house, user).id
    exports.prepare(house, export_id)
    with house.database.read() as session:
        return exports.find(session, user.id, export_id)


def test_a_thousand_films_stream_in_constant_memory_and_resume_anywhere(house: House, maker: User) -> None:
    tracemalloc.start()
    export = exported(house, maker)
    sizes = [len(piece) for piece in exports.stream(house, export, 0, export.num_bytes)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(sizes) == export.num_bytes > FILMS * films_there.NUM_BYTES
    assert peak < 6e6, f"{peak / 1e6:.1f} MB at the most"
    whole = b"".join(exports.stream(house, export, 0, export.num_bytes))
    for start in (0, 1, 12_345, export.num_bytes // 2, export.num_bytes - 7):
        assert b"".join(exports.stream(house, export, start, export.num_bytes)) == whole[start:]
    with zipfile.ZipFile(io.BytesIO(whole)) as zipped:
        assert zipped.testzip() is None
        rows = json.loads(zipped.read("data/jobs.json"))
        assert len(rows) == FILMS
        for row in rows[:: FILMS // 10]:
            assert zipped.read(row["files"]["video"]) == films_there.content(row["id"])
            assert row["request"]["prompt"].startswith("boat ")


def test_an_export_holds_everything_but_secrets(house: House, maker: User) -> None:
    house.media.put(f"characters/{maker.id}/char_1/fox.webp", b"a fox")
    export = exported(house, maker)
    whole = io.BytesIO(b"".join(exports.stream(house, export, 0, export.num_bytes)))
    with zipfile.ZipFile(whole) as zipped:
        names = {name for name in zipped.namelist() if not name.startswith("films/")}
        data = {name: json.loads(zipped.read(name)) for name in names if name.endswith(".json")}
        assert zipped.read("files/face/one.png") == b"a face"
        assert zipped.read("files/characters/char_1/fox.webp") == b"a fox"
    assert data["data/users.json"][0]["bio"] == "makes boats — ⛵"
    assert data["data/ledger_entries.json"][0]["amount"] == 600
    assert "hash" not in data["data/api_keys.json"][0] and data["data/api_keys.json"][0]["name"] == "test"
    assert not any("password" in name or "session" in name for name in data)
    assert not any("password_hash" in row for rows in data.values() for row in rows)


def test_an_export_holds_nothing_of_others(house: House, maker: User) -> None:
    other, _ = studios.person(house, "other")
    made = films_there.made(house, other, 3)
    export = exported(house, other)
    names = [member.name for member in exports.members(house, export)]
    assert sorted(name for name in names if name.startswith("films/")) == sorted(f"films/{j}/video.mp4" for j in made)
    with house.database.read() as session, pytest.raises(RequestError, match="there is no export"):
        exports.find(session, maker.id, export.id)


def test_every_table_that_points_at_users_is_exported_or_named_secret() -> None:
    users = Base.metadata.tables["users"].c.id
    pointing = {t.name for t in Base.metadata.tables.values() if any(c.references(users) for c in t.c)}
    exported = {owned.table.name for owned in exports.tables()}
    assert pointing - exported == exports.SECRET_TABLES
    assert {"users", "jobs", "ledger_entries", "conversation_turns", "kept_films"} <= exported


def test_a_new_export_replaces_the_last_but_not_one_at_work(
    house: House, maker: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, _ = studios.person(house, "again")
    first = exported(house, user)
    second = exported(house, user)
    assert {key.split("/")[2] for key in house.media.list(f"exports/{user.id}/")} == {second.id}
    with house.database.read() as session, pytest.raises(RequestError):
        exports.find(session, user.id, first.id)
    with house.database.write() as session:
        exports.begin(session, house, user)
    with house.database.write() as session, pytest.raises(RequestError) as caught:
        exports.begin(session, house, user)
    assert (caught.value.status, caught.value.code) == (409, "export_running")
    later = exports.now() + exports.SILENT_S + 1
    monkeypatch.setattr(exports, "now", lambda: later)
    assert exported(house, user).state == exports.READY


def test_a_file_that_is_gone_is_named_and_the_rest_is_there(house: House) -> None:
    user, _ = studios.person(house, "broken")
    gone, there = films_there.made(house, user, 2)
    house.media.delete(films_there.key(gone))
    export = exported(house, user)
    with zipfile.ZipFile(io.BytesIO(b"".join(exports.stream(house, export, 0, export.num_bytes)))) as zipped:
        assert json.loads(zipped.read("data/missing.json")) == [f"films/{gone}/video.mp4"]
        assert zipped.read(f"films/{there}/video.mp4") == films_there.content(there)


def test_an_export_that_fails_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    user, _ = studios.person(house, "unlucky")
    with house.database.write() as session:
        export_id = exports.begin(session, house, user).id

    def full(key: str, content: object) -> None:
        raise RushesError("the disk is full")

    monkeypatch.setattr(house.media, "put", full)
    with pytest.raises(RushesError, match="disk is full"):
        exports.prepare(house, export_id)
    with house.database.read() as session:
        assert exports.latest(session, user.id).state == exports.FAILED
