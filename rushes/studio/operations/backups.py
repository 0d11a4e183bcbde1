"""Backups: one tar with the database as it was at one moment, the films, the secret and the signing keys."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rushes import __version__
from rushes.errors import InputError, RushesError
from rushes.serve.client.database import Database, now
from rushes.studio.house import House

DATABASE, MEDIA, KEPT = "database", "media/", ("secret", "signing")
LABEL = "studio.json"


def write(house: House, path: Path) -> int:
    """Write a backup to `path` (.tar), whole or not at all, while the studio goes on; return its size in bytes.

    The database comes first, so every film that it names and that is still there lies in the backup.

    Raises:
        InputError: a path that exists.
        RushesError: pg_dump is missing or fails, or the disk is full.
    """
    if path.exists():
        raise InputError(f"{path} exists; name another file")
    draft = path.with_name(f".{path.name}.draft")
    try:
        with tempfile.TemporaryDirectory(prefix="rushes-") as folder, tarfile.open(draft, "w") as tar:
            copied = Path(folder) / DATABASE
            _dump(house.database, copied)
            label = {"rushes": __version__, "kind": house.database.url.get_backend_name(), "made_at": now()}
            _add(tar, LABEL, json.dumps(label).encode())
            tar.add(copied, DATABASE)
            for name in KEPT:
                if (house.config.folder / name).exists():
                    tar.add(house.config.folder / name, name)
            for key in house.media.list():
                for content in _present(house, key):
                    _add(tar, MEDIA + key, content)
        draft.replace(path)
    except OSError as error:
        raise RushesError(f"the backup could not be written: {error.strerror or error}") from None
    finally:
        draft.unlink(missing_ok=True)
    return path.stat().st_size


def restore(house: House, path: Path) -> int:
    """Put a backup's content into an empty studio; return how many files it had. Raises: InputError; RushesError."""
    folder = house.config.folder
    kept_in = [name for name in KEPT if name != "secret" and (folder / name).exists()]
    if house.media.list() or kept_in or _has_tables(house.database):
        raise InputError(f"the studio in {folder} is not empty; restore into a fresh one")
    num = 0
    try:
        with tarfile.open(path, "r:") as tar:
            label = json.load(_content(tar, LABEL))
            if label["kind"] != house.database.url.get_backend_name():
                raise InputError(f"the backup is of a {label['kind']} database, and the studio's is another")
            for member in (one for one in tar if one.isfile()):
                num += 1
                if member.name == DATABASE:
                    with tempfile.NamedTemporaryFile(prefix="rushes-") as copied:
                        shutil.copyfileobj(_content(tar, member.name), copied)
                        copied.flush()
                        _load(house.database, Path(copied.name))
                elif member.name.startswith(MEDIA):
                    house.media.put(member.name.removeprefix(MEDIA), _content(tar, member.name).read())
                elif member.name != LABEL:
                    tar.extract(member, folder, filter="data")
    except (tarfile.TarError, KeyError, ValueError) as error:
        raise InputError(f"{path} is no backup of a studio: {error}") from None
    except OSError as error:
        raise RushesError(f"{path} can't be restored: {error.strerror or error}") from None
    return num


def _dump(database: Database, path: Path) -> None:
    if database.is_sqlite:
        source = sqlite3.connect(str(database.url.database))
        target = sqlite3.connect(path)
        source.backup(target)
        target.close()
        source.close()
    else:
        _run("pg_dump", "--format=custom", "--file", str(path), "--dbname", _plain(database))


def _load(database: Database, path: Path) -> None:
    database.close()
    if database.is_sqlite:
        target = sqlite3.connect(str(database.url.database))
        source = sqlite3.connect(path)
        source.backup(target)
        target.close()
        source.close()
    else:
        _run("pg_restore", "--no-owner", "--exit-on-error", "--dbname", _plain(database), str(path))


def _has_tables(database: Database) -> bool:
    with database.read() as session:
        if database.is_sqlite:
            query = "SELECT count(*) FROM sqlite_master"
        else:
            query = "SELECT count(*) FROM information_schema.tables WHERE table_schema IN ('public', 'dbos')"
        return bool(session.connection().exec_driver_sql(query).scalar())


def _run(program: str, *arguments: str) -> None:
    if shutil.which(program) is None:
        raise RushesError(f"{program} is not on the PATH; it comes with PostgreSQL's client programs")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RushesError(f"{program} failed: {done.stderr.strip().splitlines()[-1:] or ['no reason given']}")


def _plain(database: Database) -> str:
    return database.url.set(drivername="postgresql").render_as_string(hide_password=False)


def _present(house: House, key: str) -> Iterator[bytes]:
    """Yield the content of a key, or nothing where it was deleted meanwhile."""
    try:
        yield house.media.get(key)
    except InputError:
        return


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mtime = len(content), int(now())
    tar.addfile(member, io.BytesIO(content))


def _content(tar: tarfile.TarFile, name: str) -> io.BufferedReader:
    found = tar.extractfile(name)
    if found is None:
        raise KeyError(name)
    return found  # type: ignore[return-value]
