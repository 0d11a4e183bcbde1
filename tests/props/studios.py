"""Studios for tests: a fresh one over a real database, people in it, and a client that talks to it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi.testclient import TestClient
from sqlalchemy import event

from rushes.serve.client.database import Database
from rushes.studio import app, schema
from rushes.studio.house import House
from rushes.studio.members import accounts
from rushes.studio.members.accounts import SCOPES, User
from rushes.studio.settings import StudioConfig

PASSWORD = "a paper boat at dusk"


@contextlib.contextmanager
def opened(folder: Path, **changed: object) -> Iterator[House]:
    """Open a fresh studio in `folder`; `changed` are fields of its config."""
    config = replace(StudioConfig(home=str(folder)), **changed)
    place = config.folder / "studio.db"
    is_fresh = config.database_url == f"sqlite:///{place}" and not place.exists()
    if is_fresh:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(tables())
    house = House(config)
    if not is_fresh:
        schema.upgrade(house.database)
    if house.database.is_sqlite:  # no test of these pulls the plug, and waiting for the disk is half their time
        event.listen(house.database.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF").close())
        house.database.engine.dispose()
    try:
        yield house
    finally:
        house.close()


@cache
def tables() -> bytes:
    """Return the file of a database as its migrations leave it; they take longer than most tests."""
    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/studio.db")
        schema.upgrade(database)
        database.close()
        with contextlib.closing(sqlite3.connect(f"{folder}/studio.db")) as raw:
            return raw.serialize()


@contextlib.contextmanager
def client(house: House) -> Iterator[TestClient]:
    """A client that talks to the studio's application in this process."""
    with TestClient(app.create(house), base_url="http://testserver", follow_redirects=False) as talking:
        yield talking


def person(house: House, username: str, plan: str = "free", scopes: tuple[str, ...] = SCOPES[:3]) -> tuple[User, dict]:
    """Make an account without a password; return it and the headers of a program that speaks for it."""
    with house.database.write() as session:
        user = accounts.create(session, username, None, plan=plan)
        key = accounts.make_key(session, user, "test", scopes)[1]
    return user, {"authorization": f"Bearer {key}"}


def signed_in(house: House, talking: TestClient, user: User) -> str:
    """Sign the client's browser in as `user`; return the token that forms must carry."""
    from rushes.studio import who

    with house.database.write() as session:
        cookie = accounts.sign_in(session, user)
        caller = accounts.by_cookie(session, cookie)
    talking.cookies.set(who.COOKIE, cookie)
    return who.form_token(house, caller)
