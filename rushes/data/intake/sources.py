"""Intake: which files are new, and who they are. A source is known by the SHA-256 of its bytes, found by its uri."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from rushes import store
from rushes.errors import InputError
from rushes.store.local import local_path

SCHEMA = pa.schema(
    [
        ("uri", pa.string()),
        ("sha256", pa.string()),
        ("num_bytes", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("licence", pa.string()),
        ("provenance", pa.string()),
        ("problem", pa.string()),
        ("again", pa.bool_()),
    ]
)
READERS = 4
_PIECE = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file that a look at the sources found; `problem` says why it cannot be read, if so.

    A file in a bucket has `num_bytes` -1 and `mtime_ns` 0: its address alone says whether it is known.
    """

    uri: str
    num_bytes: int = -1
    mtime_ns: int = 0
    problem: str = ""


def find(places: Sequence[str], *, apart_from: str = "") -> list[Found]:
    """Return the files in `places` (folders, single files, addresses of stores), sorted by address, each once.

    Links are followed, loops are not; names that start with a dot are passed over. What is no file (a pipe, a link
    that leads nowhere) is found with its problem. The folder `apart_from` is
    left out, even where a link leads to it.

    Raises:
        InputError: a place that is not there.
    """
    found: dict[str, Found] = {}
    seen = _identity(apart_from) if apart_from and "://" not in apart_from else set()
    for place in places:
        if "://" in place and not place.startswith("file://"):
            root = place.rstrip("/")
            keys = store.at(place).list()
            found.update({f"{root}/{key}": Found(uri=f"{root}/{key}") for key in keys if not _is_hidden(key)})
            continue
        path = local_path(place) if place.startswith("file://") else Path(place)
        if not path.exists() and not path.is_symlink():
            raise InputError(f"there is no {str(path)!r} to curate")
        files = _files(path.absolute(), seen) if path.is_dir() else [path.absolute()]
        found.update({one.uri: one for one in map(_look, files)})
    return [found[uri] for uri in sorted(found)]


def _is_hidden(key: str) -> bool:
    return any(part.startswith(".") for part in key.split("/"))


def _identity(folder: str) -> set[tuple[int, int]]:
    try:
        about = Path(folder).stat()
    except OSError:
        return set()
    return {(about.st_dev, about.st_ino)}


def _files(root: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """Yield the files below a folder, but for folders in `seen`, where each goes: links may lead to one many times."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            about = folder.stat()
            if (about.st_dev, about.st_ino) in seen:
                continue
            seen.add((about.st_dev, about.st_ino))
            entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
        except OSError:
            yield folder  # a folder that cannot be listed is one row with its reason
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                waiting.append(Path(entry.path))
            else:
                yield Path(entry.path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _look(path: Path) -> Found:
    uri = path.as_uri()
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            kind = "a folder that cannot be listed" if stat.S_ISDIR(about.st_mode) else "no regular file"
            return Found(uri=uri, problem=kind)
        with path.open("rb"):
            pass
    except OSError as error:
        return Found(uri=uri, problem=error.strerror or str(error))
    return Found(uri=uri, num_bytes=about.st_size, mtime_ns=about.st_mtime_ns)


def take_in(found: Sequence[Found], *, licence: str = "", provenance: str = "", again: bool = False) -> pa.Table:
    """Return the intake rows of `found`: read once for their SHA-256, sorted by it; empty where they cannot be read."""
    with ThreadPoolExecutor(READERS) as readers:
        hashed = list(readers.map(_identify, found))
    rows = [
        {
            "uri": one.uri,
            "sha256": sha256,
            "num_bytes": num_bytes,
            "mtime_ns": one.mtime_ns,
            "licence": licence,
            "provenance": provenance,
            "problem": problem,
            "again": again,
        }
        for one, (sha256, num_bytes, problem) in zip(found, hashed, strict=True)
    ]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: (row["sha256"], row["uri"])), schema=SCHEMA)


def _identify(found: Found) -> tuple[str, int, str]:
    """Return (SHA-256, bytes, problem)."""
    if found.problem:
        return "", 0, found.problem
    sha, count = hashlib.sha256(), 0
    try:
        for piece in _pieces(found.uri):
            sha.update(piece)
            count += len(piece)
    except (OSError, InputError) as error:
        return "", 0, getattr(error, "strerror", None) or str(error)
    return sha.hexdigest(), count, ""


def _pieces(uri: str) -> Iterator[bytes]:
    if uri.startswith("file://"):
        with local_path(uri).open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece
        return
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    kept, start = store.at(f"{scheme}://{bucket}"), 0
    while piece := kept.get(key, start=start, length=_PIECE):
        yield piece
        start += len(piece)


@contextlib.contextmanager
def as_file(uri: str, folder: Path) -> Iterator[Path]:
    """Give the body the source as a file: itself where it lies on this machine, else a copy in `folder` for a while.

    Raises:
        InputError: it cannot be read, or is there no more.
    """
    if uri.startswith("file://"):
        path = local_path(uri)
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise InputError(f"it can be read no more ({error.strerror})") from None
        yield path
        return
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for piece in _pieces(uri):
            file.write(piece)
        file.flush()
        yield Path(file.name)


def is_known(found: Found, row: Mapping[str, Any] | None) -> bool:
    """Say whether `row`, the last intake of this address, is still about the same bytes, by size and time alone."""
    if row is None:
        return False
    if found.problem or row["problem"]:
        return found.problem == row["problem"]
    return found.num_bytes < 0 or (found.num_bytes, found.mtime_ns) == (row["num_bytes"], row["mtime_ns"])
