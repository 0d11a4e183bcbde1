"""A store in a local folder: each key is a file below the root, written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote_to_bytes

from rushes.errors import InputError, RushesError
from rushes.store._keys import HIDDEN, missing, require_legal

LOCK = "lock"


class LocalStore:
    """put, get, list, delete and url over the files below `root`, which is made if it is missing."""

    def __init__(self, root: Path) -> None:
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot keep a store in {root}: {error.strerror}") from None
        self._root = root.resolve()

    def put(self, key: str, content: bytes | BinaryIO) -> None:
        """Keep `content` (bytes, or an open binary file read in pieces) under `key`, in place of what was there.

        Readers see the old content or the new, never a part.

        Raises:
            InputError: an illegal key, or one that lies below another key.
            RushesError: the disk is full, or the file could not be written for another reason.
        """
        self._keep(key, content, lambda temporary, path: temporary.replace(path))

    def create(self, key: str, content: bytes) -> None:
        """Keep `content` under a key that is not there yet; the same content may be there already.

        Raises:
            InputError: an illegal key, or one that lies below another key.
            RushesError: it is there with other content, or as `put`.
        """

        def link(temporary: Path, path: Path) -> None:
            try:
                path.hardlink_to(temporary)
            except FileExistsError:
                if path.is_dir():
                    raise
                if path.read_bytes() != content:
                    raise RushesError(f"{key!r} is there already: another run writes here too") from None

        self._keep(key, content, link)

    def _keep(self, key: str, content: bytes | BinaryIO, settle: Callable[[Path, Path], object]) -> None:
        """Write `content` aside, then give it its name by `settle(temporary, path)`."""
        path = self._path(key)
        temporary = path.with_name(f"{HIDDEN}{secrets.token_hex(8)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as file:
                if isinstance(content, bytes):
                    file.write(content)
                else:
                    shutil.copyfileobj(content, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
            settle(temporary, path)
            _flush_folder(path.parent)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
                raise InputError(f"key {key!r} is illegal here: a key cannot lie below another key") from None
            raise RushesError(f"could not store {key!r}: {error.strerror}") from None
        finally:
            _unlink(temporary)

    @classmethod
    def at(cls, place: str) -> LocalStore:
        """Return the store at `place`: a path, or a `file://` address."""
        return cls(local_path(place) if place.startswith("file://") else Path(place))

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """Return the content of `key`, or only the `length` bytes of it from byte `start` on (fewer where it ends).

        Raises:
            InputError: an illegal key, or one that is not there (the nearest is named).
        """
        with self._existing(key).open("rb") as file:
            file.seek(start)
            return file.read(-1 if length is None else length)

    def list(self, prefix: str = "") -> list[str]:
        """Return the keys that begin with `prefix`, sorted."""
        keys = []
        below = self._root.joinpath(*(part for part in prefix.split("/")[:-1] if part not in ("", ".", "..")))
        for folder, _, names in os.walk(below):
            inside = Path(folder).relative_to(self._root)
            keys += [(inside / name).as_posix() for name in names if not name.startswith(HIDDEN)]
        return sorted(key for key in keys if key.startswith(prefix))

    def delete(self, key: str) -> None:
        """Forget `key`; one that is not there stays so. Folders left empty go with it.

        Raises:
            InputError: an illegal key.
        """
        path = self._path(key)
        if not path.is_file():
            return
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == self._root or any(folder.iterdir()):
                break
            folder.rmdir()

    def sweep(self) -> None:
        """Delete what writers that were killed left half-written; call it only while nobody else writes."""
        for folder, _, names in os.walk(self._root):
            for name in names:
                if name.startswith(HIDDEN):
                    _unlink(Path(folder) / name)

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other writers out while the body runs; the system lets go of the lock however we end.

        Raises:
            InputError: another writer holds it, or the folder cannot be written.
        """
        try:
            descriptor = os.open(self._root / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise InputError(f"cannot write in {self._root}: {error.strerror}") from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError(f"another run is filling {self._root}; wait for its end, or stop it") from None
            yield
        finally:
            os.close(descriptor)

    def url(self, key: str) -> str:
        """Return an address at which `key` can be read: `file:///...`.

        Raises:
            InputError: an illegal key, or one that is not there (the nearest is named).
        """
        return self._existing(key).as_uri()

    def _existing(self, key: str) -> Path:
        path = self._path(key)
        if not path.is_file():
            raise missing(key, self.list())
        return path

    def _path(self, key: str) -> Path:
        """Return the file of a key, which must be legal and no way out."""
        path = self._root.joinpath(*require_legal(key))
        if not path.resolve().is_relative_to(self._root):
            raise InputError(f"key {key!r} leads out of the store")
        return path


def local_path(uri: str) -> Path:
    """Return the file that a `file://` address names; its percent signs may stand for any bytes.

    Raises:
        InputError: an address of another kind.
    """
    if not uri.startswith("file:///"):
        raise InputError(f"{uri[:80]!r} is no file on this machine; the nearest legal form is 'file:///folder/name'")
    return Path(os.fsdecode(unquote_to_bytes(uri.removeprefix("file://"))))


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except NotADirectoryError:
        return


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


SPEC = LocalStore
