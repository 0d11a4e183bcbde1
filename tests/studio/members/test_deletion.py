"""Tests deletion: out of sight at once, gone to the last file, the ledger exact and without a name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import films_there
import pytest
import sqlalchemy as sa
import studios

from rushes.serve.client import jobs
from rushes.serve.client.database import Base
from rushes.serve.client.jobs import Job, Order
from rushes.studio import orders
from rushes.studio.errors import RequestError
from rushes.studio.house import House
from rushes.studio.members import accounts, deletion, exports
from rushes.studio.members.accounts import SCOPES, Caller, User
from rushes.studio.money import ledger
from rushes.studio.money.ledger import LedgerEntry
from rushes.studio.trust import reviews
from rushes.types import GenerationRequest, VideoShape

REQUEST = GenerationRequest(
    prompt="a red car", shape=VideoShape(frames=8, height=512, width=512), fps=8, num_steps=2, guidance_scale=3.0
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    changed = {}
    if request.param == "postgresql":
        changed["database"] = request.getfixturevalue("postgres_server").database("gone")
    with studios.opened(tmp_path_factory.mktemp("studio"), **changed) as house:
        yield house


def a_caller(house: House, username: str, plan: str = "free") -> Caller:
    return Caller(user=studios.person(house, username, plan)[0], scopes=frozenset(SCOPES))


def asked(house: House, caller: Caller) -> None:
    with house.database.write() as session:
        deletion.ask(session, caller, session.get_one(User, caller.user.id))


def words(house: House) -> str:
    """Return everything that the database holds, but for the log and the queue's own tables, as one text."""
    tables = [table for table in Base.metadata.sorted_tables if table.name != "audit_entries"]
    with house.database.read() as session:
        return "\n".join(str(row) for table in tables for row in session.execute(sa.select(table)))


def test_every_column_that_points_at_users_says_what_happens() -> None:
    users = Base.metadata.tables["users"].c.id
    rules = {
        f"{table.name}.{column.name}": key.ondelete
        for table in Base.metadata.tables.values()
        for column in table.c
        for key in column.foreign_keys
        if key.column is users
    }
    assert rules and {name for name, rule in rules.items() if rule not in ("CASCADE", "SET NULL")} == set()


def test_everything_goes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "ROWS", 50)
    caller = a_caller(house, "leaver")
    user = caller.user
    films_there.made(house, user, 130)
    for place in (f"people/{user.id}/face.png", f"characters/{user.id}/char_1/fox.webp"):
        house.media.put(place, b"a face")
    with house.database.write() as session:
        cookie, link = accounts.sign_in(session, user), accounts.make_link(session, user)
        key = accounts.make_key(session, user, "laptop")[1]
        queued = orders.place(house, session, caller, Order(request=REQUEST)).id
        reviews.report(session, caller, "post", "p1", "spam", "my own words")
        export_id = exports.begin(session, house, user).id
    exports.prepare(house, export_id)
    asked(house, caller)
    with house.database.read() as session:  # at once
        assert accounts.by_cookie(session, cookie) is None and accounts.by_key(session, key) is None
        assert accounts.by_name(session, "leaver") is None
        assert session.get_one(Job, queued).state == jobs.CANCELLED
    with house.database.write() as session:
        spent = accounts.by_link(session, link)
        assert spent is None or spent.is_suspended
    assert deletion.finish(house) == 1
    assert [key for key in house.media.list() if user.id in key or key.startswith("films/")] == []
    left = words(house)
    assert user.id not in left and "leaver" not in left and "my own words" not in left
    with house.database.read() as session:
        entries = session.scalars(sa.select(LedgerEntry).where(LedgerEntry.account.startswith("gone_"))).all()
        assert sorted(entry.amount for entry in entries) == [-1, 1, 600]
    assert deletion.finish(house) == 0


def test_a_film_at_a_worker_is_waited_for(house: House) -> None:
    caller = a_caller(house, "busy")
    with house.database.write() as session:
        job = orders.place(house, session, caller, Order(request=REQUEST))
        jobs.claim(session, job.id, 0, "a worker")
    asked(house, caller)
    assert deletion.finish(house) == 0
    with house.database.write() as session:
        assert session.get_one(Job, job.id).wants_cancel
        assert jobs.end(session, job.id, 0, jobs.CANCELLED)
        ledger.settle(session, session.get_one(Job, job.id, populate_existing=True))
    house.media.put(f"films/{job.id}/preview.webp", b"late")
    assert deletion.finish(house, 5.0) == 1
    assert caller.user.id not in words(house) and house.media.list(f"films/{job.id}/") == []


def test_nobody_elses_films_go(house: House) -> None:
    stays, goes = a_caller(house, "stays"), a_caller(house, "goes")
    kept = films_there.made(house, stays.user, 2)
    films_there.made(house, goes.user, 2)
    asked(house, goes)
    deletion.finish(house)
    assert house.media.list("films/") == sorted(films_there.key(job_id) for job_id in kept)


def test_a_name_is_free_again_and_asking_twice_is_asking_once(house: House) -> None:
    caller = a_caller(house, "reborn")
    asked(house, caller)
    asked(house, caller)
    a_caller(house, "reborn")
    assert deletion.finish(house) == 1


def test_the_last_admin_stays(tmp_path: Path) -> None:
    with studios.opened(tmp_path) as house:
        first = a_caller(house, "first", "admin")
        with pytest.raises(RequestError, match="the only admin"):
            asked(house, first)
        second = a_caller(house, "second", "admin")
        asked(house, first)
        with pytest.raises(RequestError, match="the only admin"):
            asked(house, second)
