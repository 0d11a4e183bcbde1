"""An account put back from its export: films with their files, and what it had made, liked and collected."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from rushes import config
from rushes.errors import InputError
from rushes.media import picture
from rushes.serve.client.jobs import ENDED, Job
from rushes.serve.client.trainings import TRAINING
from rushes.studio.errors import RequestError
from rushes.studio.house import House
from rushes.studio.members import audit, exports
from rushes.studio.members.accounts import User
from rushes.studio.members.exports import Owned
from rushes.studio.social.characters import Character
from rushes.types import GenerationRequest

AT_ONCE, LONGEST_ROW = 100, 1 << 20
FILMS = "data/jobs.json"
JOB_ID, FILE_NAME = re.compile(r"video_[0-9a-f]{32}"), re.compile(r"[a-z]+")
STILLS, ADAPTERS = "character_stills", "character_adapters"  # rows with files of their own
BESIDE = re.compile(r"[0-9a-f]{64}\.(webp|png)|training_[0-9a-f]{32}-\d+\.safetensors")
LARGEST_BESIDE, STILL_PX = 64 << 20, 512
# another studio's word is no money here, and no key; films are put back by themselves, and trainings are over
NOT_RESTORED = {"users", "jobs", "api_keys", "identities", "balances", "reviews", "reports"}
NOT_RESTORED |= {"ledger_entries", "audit_entries"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """How many films and rows came back now, and how many rows did not: they are here, or what they point at is not."""

    films: int
    rows: int
    left_out: int


def restore(house: House, user: User, content: BinaryIO | Path) -> Restored:
    """Put an export's films and data into an account of this studio.

    What is there already stays as it is, so that a restore that broke is finished by doing it again. Credits, plan,
    keys and the log are not taken over.

    Raises:
        RequestError: 400 for a file that is no export.
    """
    films = rows = left_out = 0
    try:
        with zipfile.ZipFile(content) as zipped:
            _require_plain(zipped)
            present = set(zipped.namelist())
            for some in _batches(_rows(zipped, FILMS, present)):
                films += _restore_films(house, user, zipped, [row for row in some if row.get("kind") != TRAINING])
            for owned in exports.tables():
                if owned.table.name in NOT_RESTORED:
                    continue
                for row in _rows(zipped, f"data/{owned.table.name}.json", present):
                    is_whole = _restore_beside(house, user, zipped, owned.table.name, row)
                    is_new = is_whole and _restore_row(house, user, owned, row)
                    rows, left_out = rows + is_new, left_out + (not is_new)
    except (InputError, zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError) as error:
        raise RequestError(400, "no_export", f"this is no export of a studio: {error}") from None
    with house.database.write() as session:
        audit.note(session, None, "restored", user.id, {"films": films, "rows": rows, "left_out": left_out})
    return Restored(films=films, rows=rows, left_out=left_out)


def _require_plain(zipped: zipfile.ZipFile) -> None:
    """Raise ValueError for an archive that unpacks to more than it is: exports are not compressed, bombs are."""
    assert zipped.fp is not None
    num_bytes = zipped.fp.seek(0, io.SEEK_END)
    if sum(member.file_size for member in zipped.infolist()) > num_bytes:
        raise ValueError("it unpacks to more than it holds, and exports are not compressed")


def _rows(zipped: zipfile.ZipFile, name: str, present: set[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a JSON array that has one on each line."""
    if name not in present:
        return
    with zipped.open(name) as file:
        while line := file.readline(LONGEST_ROW):
            if len(line) == LONGEST_ROW:
                raise ValueError(f"a row of {name} is longer than {LONGEST_ROW} bytes")
            text = line.strip().rstrip(b",")
            if text not in (b"[", b"]", b"[]", b""):
                yield json.loads(text)


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while some := list(itertools.islice(rows, AT_ONCE)):
        yield some


def _restore_films(house: House, user: User, zipped: zipfile.ZipFile, rows: list[dict[str, Any]]) -> int:
    """Put the files of films back, then their jobs; return how many were not here yet."""
    for row in rows:
        if not JOB_ID.fullmatch(row["id"]) or row["state"] not in ENDED:
            raise ValueError(f"{str(row['id'])[:80]!r} is no film that has ended")
        config.from_dict(GenerationRequest, row["request"])
    with house.database.read() as session:
        here = set(session.scalars(sa.select(Job.id).where(Job.id.in_([row["id"] for row in rows]))))
    new = [row for row in rows if row["id"] not in here]
    restored = [_job(row, user, _restore_files(house, zipped, row)) for row in new]
    with house.database.write() as session:
        session.add_all(restored)
    return len(restored)


def _restore_files(house: House, zipped: zipfile.ZipFile, row: dict[str, Any]) -> dict[str, str]:
    """Put a film's files into the store; return their keys."""
    keys = {}
    for name, member in row["files"].items():
        ending = member.rpartition(".")[2]
        if not FILE_NAME.fullmatch(name) or not ending.isalnum():
            raise ValueError(f"{name[:40]!r} is no name of a film's file")
        keys[name] = f"films/{row['id']}/restored/{name}.{ending}"
        with zipped.open(member) as file:
            house.media.put(keys[name], cast(BinaryIO, file))
    return keys


def _restore_beside(house: House, user: User, zipped: zipfile.ZipFile, table: str, row: dict[str, Any]) -> bool:
    """Put the files of a character's row back; return whether they are there, for a character that still has consent.

    Raises:
        InputError: a picture that is none. ValueError: a file that is not what the row says.
    """
    if table not in (STILLS, ADAPTERS):
        return True
    digest, character_id = str(row["sha256"]), str(row["character_id"])
    names = (f"{digest}.webp", f"{digest}.png") if table == STILLS else (str(row["file"]),)
    with house.database.read() as session:
        character = session.get(Character, character_id)
    if character is None or character.owner != user.id or character.revoked_at is not None:
        return False
    for name in names:
        if not BESIDE.fullmatch(name):
            raise ValueError(f"{name[:80]!r} is no file of a character")
        member, key = f"files/characters/{character_id}/{name}", f"characters/{user.id}/{character_id}/{name}"
        if zipped.getinfo(member).file_size > LARGEST_BESIDE:
            raise ValueError(f"{member} is larger than {LARGEST_BESIDE} bytes")
        content = zipped.read(member)
        if table == STILLS:
            picture.cleaned(content, longest_px=STILL_PX)
        if not name.endswith(".png") and hashlib.sha256(content).hexdigest() != digest:
            raise ValueError(f"{member} is another file than its row says")
        house.media.put(key, content)
    return True


def _job(row: dict[str, Any], user: User, files: dict[str, str]) -> Job:
    kept = {column.key: row.get(column.key) for column in Job.__table__.columns}
    changed = {"owner": user.id, "files": files, "worker": None, "once": None, "wants_cancel": False}
    return Job(**kept | changed)


def _restore_row(house: House, user: User, owned: Owned, row: dict[str, Any]) -> bool:
    """Insert a row, if it is not here and what it points at is, in the same account's hands."""
    columns = [column for column in owned.table.columns if column.name in row]
    values = {column.name: row[column.name] for column in columns}
    for column in columns:
        if isinstance(column.type, sa.LargeBinary) and values[column.name] is not None:
            values[column.name] = base64.b64decode(values[column.name])
    if owned.through is None:
        values[owned.column.name] = user.id
    try:
        with house.database.write() as session:
            if not _is_own(session, user, owned, values) or _is_here(session, owned.table, values):
                return False
            session.execute(sa.insert(owned.table).values(**values))
    except sa.exc.IntegrityError:
        return False
    return True


def _is_own(session: Session, user: User, owned: Owned, values: dict[str, Any]) -> bool:
    """Return whether what a row hangs on, a conversation or a collection, is the account's own here too."""
    if owned.through is None:
        return True
    (parent,) = (key.column for key in owned.column.foreign_keys)
    query = sa.select(parent).where(parent == values[owned.column.name], owned.through.belong_to(user.id))
    return session.scalar(query) is not None


def _is_here(session: Session, table: sa.Table, values: dict[str, Any]) -> bool:
    """Return whether a row that only a number tells from others is here; the number, another studio's, is dropped."""
    (key, *more) = table.primary_key
    if more or not isinstance(key.type, sa.Integer):
        return False  # its own key will tell
    values.pop(key.name, None)
    same = [table.c[name] == value for name, value in values.items() if not isinstance(table.c[name].type, sa.JSON)]
    return session.scalar(sa.select(key).where(*same).limit(1)) is not None
