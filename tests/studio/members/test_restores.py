"""Tests restores: films in a fresh studio, again after a break, and nothing that somebody made up."""

from __future__ import annotations

import copy
import io
import json
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import films_there
import pytest
import showings
import sqlalchemy as sa
import studios
import trained_there

from rushes.serve.client.database import Base
from rushes.serve.client.jobs import Job
from rushes.studio.errors import RequestError
from rushes.studio.house import House
from rushes.studio.members import accounts, restores
from rushes.studio.members.accounts import User
from rushes.studio.money import ledger
from rushes.studio.social import adapters, characters, withdrawals


def an_export(folder: Path, num_films: int) -> tuple[Path, list[str]]:
    """Return the export of an account with films, and their ids."""
    with studios.opened(folder / "old") as house:
        user, _ = studios.person(house, "mover")
        job_ids = films_there.made(house, user, num_films)
        with house.database.write() as session:
            ledger.lock(session, user, house.plan("free"))
        return films_there.exported(house, user, folder / "export.zip"), job_ids


def films_of(house: House, user: User) -> set[str]:
    with house.database.read() as session:
        return set(session.scalars(sa.select(Job.id).where(Job.owner == user.id)))


@pytest.mark.parametrize("num_films", [100, pytest.param(1_000, marks=pytest.mark.slow)])
def test_films_come_back_in_constant_memory(tmp_path: Path, num_films: int) -> None:
    path, job_ids = an_export(tmp_path, num_films)
    with studios.opened(tmp_path / "new") as house:
        user, _ = studios.person(house, "arrived")
        tracemalloc.start()
        done = restores.restore(house, user, path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert done.films == num_films and films_of(house, user) == set(job_ids)
        assert peak < 6e6, f"{peak / 1e6:.1f} MB at the most"
        with house.database.read() as session:
            for job_id in job_ids[::20]:
                job = session.get_one(Job, job_id)
                assert house.media.get(job.files["video"]) == films_there.content(job_id)
                assert (job.state, job.request["prompt"][:5], job.measured["seconds"]) == ("succeeded", "boat ", 1.0)
            assert ledger.entries(session, user.id) == []
        again = restores.restore(house, user, path)
        assert (again.films, films_of(house, user)) == (0, set(job_ids))


def test_a_restore_that_broke_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, job_ids = an_export(tmp_path, 12)
    monkeypatch.setattr(restores, "AT_ONCE", 5)
    with studios.opened(tmp_path / "new") as house:
        user, _ = studios.person(house, "arrived")
        put, count = house.media.put, 0

        def breaking(key: str, content: object) -> None:
            nonlocal count
            count += 1
            if count == 8:
                raise OSError("the power is gone")
            put(key, content)

        monkeypatch.setattr(house.media, "put", breaking)
        with pytest.raises(OSError, match="power"):
            restores.restore(house, user, path)
        assert len(films_of(house, user)) == 5
        assert restores.restore(house, user, path).films == 7
        assert films_of(house, user) == set(job_ids)


def test_collections_and_talks_come_back_with_what_is_in_them(tmp_path: Path) -> None:
    tables = Base.metadata.tables
    collection = {"id": "col_1", "name": "boats", "created_at": 1.0}
    talk = {"id": "talk_1", "title": "a talk", "created_at": 1.0, "updated_at": 1.0}
    turn = {"conversation_id": "talk_1", "text": "night", "answer": "made", "once": "", "created_at": 2.0}
    with studios.opened(tmp_path / "old") as house:
        user, _ = studios.person(house, "mover")
        (job_id,) = films_there.made(house, user, 1)
        kept = {"collection_id": "col_1", "job_id": job_id, "at": 2.0}
        with house.database.write() as session:
            for name, row in (("collections", collection), ("conversations", talk)):
                session.execute(sa.insert(tables[name]).values(owner=user.id, **row))
            session.execute(sa.insert(tables["kept_films"]).values(**kept))
            for number in range(3):
                session.execute(sa.insert(tables["conversation_turns"]).values(**turn | {"once": f"{number}"}))
        path = films_there.exported(house, user, tmp_path / "export.zip")
    with studios.opened(tmp_path / "new") as house:
        user, thief = studios.person(house, "arrived")[0], studios.person(house, "thief")[0]
        assert restores.restore(house, user, path).rows == 6
        again = restores.restore(house, user, path)
        assert (again.rows, again.left_out) == (0, 6)
        assert restores.restore(house, thief, path).rows == 0
        with house.database.read() as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(tables["conversation_turns"])) == 3


def test_characters_come_back_with_their_stills_and_what_was_learned(tmp_path: Path) -> None:
    with studios.opened(tmp_path / "old") as house:
        user, _ = studios.person(house, "mover")
        fox = trained_there.character(house, user)
        trained_there.trained(house, user, fox)
        before = {key.rpartition("/")[2]: house.media.get(key) for key in house.media.list("characters/")}
        path = films_there.exported(house, user, tmp_path / "export.zip")
        with zipfile.ZipFile(path) as zipped:
            assert not any("safetensors" in name for name in zipped.namelist() if name.startswith("films/"))
    assert len(before) == 11  # five stills with their cut-outs, and an adapter
    with studios.opened(tmp_path / "new") as house:
        user, thief = studios.person(house, "arrived")[0], studios.person(house, "thief")[0]
        done = restores.restore(house, user, path)
        assert (done.films, films_of(house, user)) == (0, set())
        place = f"characters/{user.id}/{fox.id}/"
        assert {key.removeprefix(place): house.media.get(key) for key in house.media.list("characters/")} == before
        with house.database.read() as session:
            (one,) = characters.owned(session, user.id)
            assert [still.is_best for still in characters.stills(session, one)] == [True, False, False, False, False]
            adapter = adapters.find(session, one)
            assert adapter is not None and adapter.word == "mister fox" and house.media.get(adapters.key(one, adapter))
        restores.restore(house, thief, path)
        assert house.media.list(f"characters/{thief.id}/") == []
        withdrawals.withdraw(house, showings.caller(user), fox.id)
        restores.restore(house, user, path)  # a consent that was taken back stays so
        assert house.media.list("characters/") == []


@pytest.mark.parametrize("forged", [b"no picture", b""])
def test_a_forged_still_is_refused(tmp_path: Path, forged: bytes) -> None:
    with studios.opened(tmp_path) as house:
        user, _ = studios.person(house, "mover")
        fox = trained_there.character(house, user, num=1)
        path, changed = films_there.exported(house, user, tmp_path / "export.zip"), tmp_path / "forged.zip"
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
            for name in old.namelist():
                new.writestr(name, forged if name.endswith(".webp") else old.read(name))
        with pytest.raises(RequestError, match="this is no export"):
            restores.restore(house, user, changed)
        assert len(house.media.list(characters.folder(fox))) == 2


def test_another_accounts_film_is_not_taken(tmp_path: Path) -> None:
    path, job_ids = an_export(tmp_path, 2)
    with studios.opened(tmp_path / "new") as house:
        first, second = studios.person(house, "first")[0], studios.person(house, "second")[0]
        assert restores.restore(house, first, path).films == 2
        assert restores.restore(house, second, path).films == 0
        assert films_of(house, first) == set(job_ids) and films_of(house, second) == set()


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with studios.opened(tmp_path_factory.mktemp("fresh")) as house:
        yield house


@pytest.fixture(scope="module")
def one_film(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Return the row of a film in an export."""
    path, _ = an_export(tmp_path_factory.mktemp("one"), 1)
    with zipfile.ZipFile(path) as zipped:
        return json.loads(zipped.read("data/jobs.json"))[0]


def a_victim(house: House) -> User:
    with house.database.write() as session:
        return accounts.create(session, accounts.free_username(session, "victim"), None)


ROW = {"id": "video_" + "a" * 32, "state": "succeeded", "files": {}}


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "../../etc/passwd"},
        {"state": "queued"},
        {"files": {"../x": "films/a.mp4"}},
        {"files": {"video": "films/a.m/p4"}},
        {"files": {"video": "films/none.mp4"}},
        {"request": {"prompt": ""}},
        {"request": 7},
        {"id": 7},
    ],
)
def test_a_forged_export_is_refused(fresh: House, one_film: dict, changed: dict) -> None:
    forged = io.BytesIO()
    with zipfile.ZipFile(forged, "w") as zipped:
        zipped.writestr("data/jobs.json", "[\n" + json.dumps(one_film | ROW | changed) + "\n]\n")
        zipped.writestr("films/a.mp4", "x")
    user = a_victim(fresh)
    with pytest.raises(RequestError) as caught:
        restores.restore(fresh, user, forged)
    assert (caught.value.status, caught.value.code) == (400, "no_export")
    assert films_of(fresh, user) == set() and fresh.media.list("films/") == []


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\3\4" + bytes(100)])
def test_a_file_that_is_no_zip_is_refused(fresh: House, content: bytes) -> None:
    with pytest.raises(RequestError, match="this is no export"):
        restores.restore(fresh, a_victim(fresh), io.BytesIO(content))


def test_credits_and_other_peoples_rows_are_not_brought_along(fresh: House) -> None:
    forged, user = io.BytesIO(), a_victim(fresh)
    entry = {"id": 1, "account": user.id, "kind": "gift", "amount": 10**9, "at": 1.0}
    plan = {"id": user.id, "username": "x", "plan": "admin"}
    with zipfile.ZipFile(forged, "w") as zipped:
        for name, row in (("ledger_entries", entry), ("users", plan), ("balances", {"user_id": user.id})):
            zipped.writestr(f"data/{name}.json", "[\n" + json.dumps(row) + "\n]\n")
    assert restores.restore(fresh, user, forged) == restores.Restored(films=0, rows=0, left_out=0)
    with fresh.database.read() as session:
        assert ledger.entries(session, user.id) == []
        assert session.get_one(User, user.id).plan == "free"


@pytest.mark.parametrize("bomb", ["squeezed", "folded", "one_long_row"])
def test_a_zip_that_unpacks_to_more_than_it_is_is_refused_before_it_does(fresh: House, bomb: str) -> None:
    user, _ = studios.person(fresh, f"victim_{bomb}")
    packed, method = io.BytesIO(), zipfile.ZIP_DEFLATED if bomb == "squeezed" else zipfile.ZIP_STORED
    with zipfile.ZipFile(packed, "w", method) as zipped:
        zipped.writestr("data/jobs.json", bytes(2 << 20))
        if bomb == "folded":  # a hundred names for the same bytes
            (one,) = zipped.infolist()
            for number in range(100):
                again = copy.copy(one)
                again.filename = f"films/{number}.mp4"
                zipped.filelist.append(again)
    with pytest.raises(RequestError) as caught:
        restores.restore(fresh, user, packed)
    said = "a row of data/jobs.json is longer" if bomb == "one_long_row" else "unpacks to more than it holds"
    assert caught.value.code == "no_export" and said in caught.value.message
