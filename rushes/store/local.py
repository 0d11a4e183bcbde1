"""A store in a local folder: each key is a file below the root, written whole or not at all."""

from __future__ import annotations

import difflib
import errno
import os
import secrets
import shutil
from pathlib import Path
from typing import BinaryIO

from rushes.errors import InputError, RushesError

_HIDDEN = ".part-"
_MAX_KEY_BYTES = 1024


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
        path = self._path(key)
        temporary = path.with_name(f"{_HIDDEN}{secrets.token_hex(8)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as file:
                if isinstance(content, bytes):
                    file.write(content)
                else:
                    shutil.copyfileobj(content, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _flush_folder(path.parent)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
                raise InputError(f"key {key!r} is illegal here: a key cannot lie below another key") from None
            raise RushesError(f"could not store {key!r}: {error.strerror}") from None
        finally:
            _unlink(temporary)

    def get(self, key: str) -> bytes:
        """Return the content of `key`.

        Raises:
            InputError: an illegal key, or one that is not there (the nearest is named).
        """
        return self._existing(key).read_bytes()

    def list(self, prefix: str = "") -> list[str]:
        """Return the keys that begin with `prefix`, sorted."""
        keys = []
        for folder, _, names in os.walk(self._root):
            inside = Path(folder).relative_to(self._root)
            keys += [(inside / name).as_posix() for name in names if not name.startswith(_HIDDEN)]
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

    def url(self, key: str) -> str:
        """Return an address at which `key` can be read: `file:///...`.

        Raises:
            InputError: an illegal key, or one that is not there (the nearest is named).
        """
        return self._existing(key).as_uri()

    def _existing(self, key: str) -> Path:
        path = self._path(key)
        if not path.is_file():
            near = difflib.get_close_matches(key, self.list(), n=1)
            raise InputError(f"the store has no {key!r}" + (f"; the nearest is {near[0]!r}" if near else ""))
        return path

    def _path(self, key: str) -> Path:
        """Return the file of a key: names joined by `/`, none of them empty, `.`, `..` or ours, and no way out."""
        parts = key.split("/")
        bad = {"", ".", ".."}
        is_plain = key.isprintable() and "\\" not in key and len(key.encode(errors="replace")) <= _MAX_KEY_BYTES
        if not is_plain or any(part in bad or part.startswith(_HIDDEN) for part in parts):
            raise InputError(f"key {key[:80]!r} is illegal; a legal one looks like 'films/2025/boat.mp4'")
        if any(len(part.encode(errors="replace")) > 255 for part in parts):
            raise InputError(f"key {key[:80]!r}... is illegal; a name between slashes has at most 255 bytes")
        path = self._root.joinpath(*parts)
        if not path.resolve().is_relative_to(self._root):
            raise InputError(f"key {key!r} leads out of the store")
        return path


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
