"""The house: one studio's settings, database, queue, films and secret, opened once per process."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from rushes import store, tiers
from rushes.serve.client.database import Database
from rushes.serve.client.queue import Queue
from rushes.studio.settings import PlanConfig, StudioConfig


class House:
    """An open studio; `offered` are its models beside our own, with what they take.

    Tables must be there: `rushes.studio.schema.upgrade` sees to that.
    """

    def __init__(self, config: StudioConfig, offered: Mapping[str, tiers.Native] | None = None) -> None:
        self.config, self.offered = config, offered or {}
        config.folder.mkdir(parents=True, exist_ok=True)
        self.database = Database(config.database_url)
        self.queue = Queue(self.database)
        self.media = store.at(config.media_place)
        self._secret = _secret(config.folder / "secret")

    def plan(self, name: str) -> PlanConfig:
        """Return what accounts of the plan may do."""
        return getattr(self.config.plans, name)

    def keyed(self, purpose: str, text: str) -> str:
        """Return a keyed hash (HMAC-SHA256, hexadecimal) of `text`; each purpose has a key of its own."""
        key = hmac.digest(self._secret, purpose.encode(), "sha256")
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    def key(self, purpose: str) -> bytes:
        """Return 32 secret bytes for one purpose."""
        return hmac.digest(self._secret, purpose.encode(), "sha256")

    def close(self) -> None:
        """Give every connection back."""
        self.queue.close()
        self.database.close()


def _secret(path: Path) -> bytes:
    """Return the studio's secret; it is made once, for the owner's eyes alone."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(32))
        file.flush()
        os.fsync(file.fileno())
    return path.read_bytes()
