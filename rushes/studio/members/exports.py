"""Taking everything along: an account's films and data as one zip.

An export is prepared once: its data are written as JSON beside the films, and every file's size and checksum go into a
plan. From the plan any range of the archive can be streamed, so that a download that broke goes on where it stopped.
What belongs to an account is found by the tables: the first column that points at users says whose a row is, else the
first that points at a table of which that is known.
"""

from __future__ import annotations

import base64
import json
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from rushes.errors import InputError
from rushes.serve.client.database import Base, now
from rushes.serve.client.trainings import TRAINING
from rushes.studio.errors import RequestError, unknown
from rushes.studio.house import House
from rushes.studio.members import archive
from rushes.studio.members.accounts import User
from rushes.studio.members.archive import Member

PREPARING, READY, FAILED = "preparing", "ready", "failed"
SILENT_S, BEAT_S = 60.0, 5.0
ROWS = 200
OWNERS = {"users": "id", "jobs": "owner", "ledger_entries": "account", "audit_entries": "actor"}
SECRET_TABLES = {"login_sessions", "sign_in_links", "exports"}
SECRET_COLUMNS = {"hash", "password_hash", "secret"}


class Export(Base):
    """An account's latest export; its plan and data lie in the store under `exports/<user>/<id>/`."""

    __tablename__ = "exports"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), unique=True)
    state: Mapped[str]
    num_files: Mapped[int]
    num_bytes: Mapped[int] = mapped_column(sa.BigInteger)
    created_at: Mapped[float]
    seen_at: Mapped[float]

    @property
    def folder(self) -> str:
        """Where its plan and data lie in the store."""
        return f"exports/{self.user_id}/{self.id}"


@dataclass(frozen=True, slots=True)
class Owned:
    """A table and the column that says whose a row is: a user's id, or that of a row of a table that says so."""

    table: sa.Table
    column: sa.Column[Any]
    through: Owned | None

    def belong_to(self, user_id: str) -> sa.ColumnElement[bool]:
        """Return the condition that rows belong to an account."""
        if self.through is None:
            return self.column == user_id
        (target,) = (key.column for key in self.column.foreign_keys)
        return self.column.in_(sa.select(target).where(self.through.belong_to(user_id)))


def begin(session: Session, house: House, user: User) -> Export:
    """Write a new export in place of the last; `prepare` fills it.

    Raises:
        RequestError: 409 while one is being prepared.
    """
    last = latest(session, user.id)
    if last is not None and last.state == PREPARING and last.seen_at > now() - SILENT_S:
        raise RequestError(409, "export_running", "an export is being prepared already; it is there in a moment")
    session.execute(sa.delete(Export).where(Export.user_id == user.id))
    moment = now()
    values = {"user_id": user.id, "state": PREPARING, "num_files": 0, "num_bytes": 0}
    export = Export(id=f"export_{secrets.token_hex(8)}", **values, created_at=moment, seen_at=moment)
    session.add(export)
    return export


def latest(session: Session, user_id: str) -> Export | None:
    """Return the account's export, if it has one."""
    return session.scalar(sa.select(Export).where(Export.user_id == user_id))


def prepare(house: House, export_id: str) -> None:
    """Write the data and the plan of an export that has begun; memory does not grow with the number of films."""
    with house.database.read() as session:
        export = session.get_one(Export, export_id)
    for key in house.media.list(f"exports/{export.user_id}/"):
        house.media.delete(key)
    state, count, total = FAILED, 0, 0
    try:
        with tempfile.TemporaryDirectory(prefix="rushes-") as folder:
            plan = Path(folder) / "plan.jsonl"
            count = _write_plan(house, export, plan)
            with plan.open("rb") as content:
                house.media.put(f"{export.folder}/plan.jsonl", content)
            total = archive.size(members(house, export))
            state = READY
    finally:
        with house.database.write() as session:
            changed = {"state": state, "num_files": count, "num_bytes": total, "seen_at": now()}
            session.execute(sa.update(Export).where(Export.id == export_id).values(**changed))


def members(house: House, export: Export) -> Iterator[Member]:
    """Yield the files of an export in the order in which they lie in the archive."""
    key, at, rest = f"{export.folder}/plan.jsonl", 0, b""
    while piece := house.media.get(key, start=at, length=archive.PIECE):
        *lines, rest = (rest + piece).split(b"\n")
        yield from (Member(**json.loads(line)) for line in lines)
        at += len(piece)
        if len(piece) < archive.PIECE:
            return


def stream(house: House, export: Export, start: int, stop: int) -> Iterator[bytes]:
    """Yield the archive's bytes from `start` to `stop`."""
    yield from archive.read(house.media, lambda: members(house, export), start, stop)


def find(session: Session, user_id: str, export_id: str) -> Export:
    """Return an account's export that is ready. Raises: RequestError 404."""
    export = latest(session, user_id)
    if export is None or export.id != export_id or export.state != READY:
        raise unknown("export", export_id)
    return export


def _write_plan(house: House, export: Export, plan: Path) -> int:
    count, beaten_at = 0, now()
    with plan.open("w", encoding="utf-8") as file:
        for member in _all(house, export, plan.parent):
            fields = {"name": member.name, "key": member.key, "num_bytes": member.num_bytes, "crc": member.crc}
            file.write(json.dumps(fields) + "\n")
            count += 1
            if now() - beaten_at > BEAT_S:
                beaten_at = now()
                with house.database.write() as session:
                    session.execute(sa.update(Export).where(Export.id == export.id).values(seen_at=beaten_at))
    return count


def _all(house: House, export: Export, folder: Path) -> Iterator[Member]:
    """Yield everything of an account: its tables as JSON, its films, and other files of its own."""
    user_id, missing = export.user_id, list[str]()
    for owned in tables():
        table, written = owned.table, folder / "table.json"
        with written.open("w", encoding="utf-8") as file:
            num = _write_rows(file, (_plain(table, row) for row in _rows(house, owned, user_id)))
        if num:
            key = f"{export.folder}/data/{table.name}.json"
            with written.open("rb") as content:
                house.media.put(key, content)
            yield archive.measured(house.media, f"data/{table.name}.json", key)
    jobs = next(owned for owned in tables() if owned.table.name == "jobs")
    for row in _rows(house, jobs, user_id):
        for name, key in sorted(_films(row).items()):
            try:
                yield archive.measured(house.media, _film_name(row["id"], name, key), key)
            except InputError:  # deleted just now, or lost: whoever reads the export is told
                missing.append(_film_name(row["id"], name, key))
    for own, place in (("people", ""), ("inputs", ""), ("characters", "characters/")):
        for key in house.media.list(f"{own}/{user_id}/"):
            yield archive.measured(house.media, f"files/{place}{key.removeprefix(f'{own}/{user_id}/')}", key)
    if missing:
        key = f"{export.folder}/data/missing.json"
        house.media.put(key, json.dumps(missing).encode())
        yield archive.measured(house.media, "data/missing.json", key)


def tables() -> Iterator[Owned]:
    """Yield the tables in which accounts own rows, parents before children."""
    users, found = Base.metadata.tables["users"], dict[str, Owned]()
    for table in Base.metadata.sorted_tables:
        if table.name in SECRET_TABLES:
            continue
        owners = {column.name: None for column in table.c if column.references(users.c.id)}
        parents = {
            key.parent.name: found[key.column.table.name]
            for key in sorted(table.foreign_keys, key=lambda key: key.parent.name)
            if key.column.table.name in found and key.column.table is not users
        }
        known = {OWNERS[table.name]: None} if table.name in OWNERS else owners or parents
        for name, through in list(known.items())[:1]:
            found[table.name] = Owned(table=table, column=table.c[name], through=through)
            yield found[table.name]


def _rows(house: House, owned: Owned, user_id: str) -> Iterator[dict[str, Any]]:
    """Yield an account's rows of a table, read in small transactions."""
    keys = list(owned.table.primary_key)
    query = sa.select(owned.table).where(owned.belong_to(user_id)).order_by(*keys).limit(ROWS)
    last: tuple[Any, ...] = ()
    while True:
        after = sa.tuple_(*keys) > sa.tuple_(*(sa.literal(value) for value in last)) if last else sa.true()
        with house.database.read() as session:
            found = [dict(row) for row in session.execute(query.where(after)).mappings()]
        yield from found
        if len(found) < ROWS:
            return
        last = tuple(found[-1][key.name] for key in keys)


def _write_rows(file: Any, rows: Iterator[dict[str, Any]]) -> int:
    """Write a JSON array with one row on each line."""
    count = 0
    for count, row in enumerate(rows, 1):
        file.write(("[\n" if count == 1 else ",\n") + json.dumps(row, ensure_ascii=False))
    file.write("\n]\n" if count else "[]\n")
    return count


def _plain(table: sa.Table, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as JSON can say it, without secrets; bytes as base64, a film's files by their names here."""
    said = {name: value for name, value in row.items() if name not in SECRET_COLUMNS}
    if table.name == "jobs":
        said["files"] = {name: _film_name(row["id"], name, key) for name, key in _films(row).items()}
    coded = {name: base64.b64encode(value).decode() for name, value in said.items() if isinstance(value, bytes)}
    return said | coded


def _films(row: dict[str, Any]) -> dict[str, str]:
    """Return the files of a job's row; a training's are among its character's."""
    return {} if row["kind"] == TRAINING else row["files"]


def _film_name(job_id: str, name: str, key: str) -> str:
    return f"films/{job_id}/{name}.{key.rpartition('.')[2]}"
