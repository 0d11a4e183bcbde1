"""Where bytes are kept: one file per scheme, each exporting a class with put, get, list and other verbs."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

from rushes import registry
from rushes.errors import InputError


class Store(Protocol):
    """What every store can do: `rushes/store/local.py` says what each verb does, `tests/test_store.py` checks it."""

    def put(self, key: str, content: bytes | BinaryIO) -> None: ...
    def create(self, key: str, content: bytes) -> None: ...
    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes: ...
    def list(self, prefix: str = "") -> list[str]: ...
    def delete(self, key: str) -> None: ...
    def sweep(self) -> None: ...
    def hold(self) -> AbstractContextManager[None]: ...
    def url(self, key: str) -> str: ...


def at(place: str) -> Store:
    """Return the store at `place`: a folder, or an address whose scheme is a file of `rushes/store`, as `s3://...`.

    Raises:
        InputError: an unknown scheme; the known ones are listed, nearest first.
    """
    scheme, separator, _ = place.partition("://")
    if not separator or scheme == "file":
        return registry.find("store", "local").at(place)
    if not scheme.isidentifier():
        raise InputError(f"{place[:80]!r} has no legal scheme; known: {', '.join(registry.names('store'))}")
    return registry.find("store", scheme).at(place)
