"""The service's database: one SQLite file, or PostgreSQL by its address; every change is one transaction."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import DeclarativeBase, Session

from rushes.errors import InputError

BUSY_S = 30.0
POOL = 10


class Base(DeclarativeBase):
    """The tables of the service and of the studio; times are seconds since 1970, in UTC."""

    type_annotation_map = {dict[str, Any]: sa.JSON, list[Any]: sa.JSON}  # noqa: RUF012


class Database:
    """An engine for `url` (`sqlite:///FILE` or `postgresql://...`) that reads and writes in transactions.

    Raises:
        InputError: another kind of address.
    """

    def __init__(self, url: str) -> None:
        address = _address(url)
        self.url, self.is_sqlite = address, address.get_backend_name() == "sqlite"
        if self.is_sqlite:
            if not address.database or address.database == ":memory:":
                raise InputError(f"database {url!r} is in memory; the nearest legal form is 'sqlite:///studio.db'")
            Path(address.database).parent.mkdir(parents=True, exist_ok=True)
            self.engine = sa.create_engine(address, connect_args={"timeout": BUSY_S}, pool_size=POOL)
            event.listen(self.engine, "connect", _sqlite_pragmas)
        else:
            self.engine = sa.create_engine(address, pool_pre_ping=True, pool_size=POOL, max_overflow=POOL)

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that commits at the end, or not at all; a writer of SQLite waits for its turn at once."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            if self.is_sqlite:  # a reader that becomes a writer later could find that others wrote in between
                session.execute(sa.text("BEGIN IMMEDIATE"))
            yield session

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that changes nothing."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    def create(self) -> None:
        """Make the tables that are missing; a studio's migrations do the same and keep doing it."""
        Base.metadata.create_all(self.engine)

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


def now() -> float:
    """Return the seconds since 1970."""
    return time.time()


def _address(url: str) -> sa.URL:
    try:
        address = sa.make_url(url)
    except sa.exc.ArgumentError:
        address = sa.make_url("none://")
    if address.get_backend_name() == "postgresql":
        return address.set(drivername="postgresql+psycopg")
    if address.get_backend_name() == "sqlite":
        return address.set(drivername="sqlite")
    raise InputError(f"database {url!r} is illegal; legal: sqlite:///FILE, postgresql://USER:PASSWORD@HOST/NAME")


def _sqlite_pragmas(connection: Any, record: object) -> None:
    """Readers never wait for the writer (WAL), a committed job survives a power cut (FULL)."""
    connection.isolation_level = None  # transactions begin where we say so
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
