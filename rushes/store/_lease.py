"""A lease in a bucket: one writer at a time, known by an object of its own that it touches every few seconds.

Whoever wants to write puts its object first and lists the others then. Puts and lists of S3 are consistent, so of two
that begin together at least one sees the other and gives way (perhaps both do). No server has to know conditional
writes for that, which some take and ignore. A writer that was killed goes silent, and is dead after STALE_S.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from rushes.errors import InputError, RushesError

FOLDER = "lock/"
RENEW_S = 10.0
LOST_S = 30.0  # a writer that could not renew for so long stops by itself, well before others take its place
STALE_S = 60.0
# Linux stops the monotonic clock while the machine sleeps, and a sleeper must find out that it lost its lease.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Lease:
    """The lease of everything below `prefix` in `bucket`; `taken` holds it."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client, self._bucket, self._folder = client, bucket, f"{prefix}{FOLDER}"
        self._place = f"s3://{bucket}/{prefix}".rstrip("/")
        self._name = f"{self._folder}{secrets.token_hex(8)}"
        self._renewed_s = 0.0
        self._is_over = threading.Event()

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Hold the lease while the body runs.

        Raises:
            InputError: another writer holds it.
            ClientError, BotoCoreError: the bucket did not answer.
        """
        self._renew()
        try:
            self._require_nobody_else()
            renewing = threading.Thread(target=self._renew_on, daemon=True)
            renewing.start()
            try:
                yield
            finally:
                self._is_over.set()
                renewing.join()
        finally:
            with contextlib.suppress(ClientError, BotoCoreError):  # it grows stale
                self._client.delete_object(Bucket=self._bucket, Key=self._name)

    def require(self) -> None:
        """Pass while the lease is surely ours.

        Raises:
            RushesError: it may be another's by now.
        """
        silent_s = time.clock_gettime(_CLOCK) - self._renewed_s
        if silent_s > LOST_S:
            said = f"gave no sign of life for {silent_s:.0f} s, so another run may fill {self._place} now"
            raise RushesError(f"this run {said}; start it again to go on")

    def _renew(self) -> None:
        begun_s = time.clock_gettime(_CLOCK)
        self._client.put_object(Bucket=self._bucket, Key=self._name, Body=b"")
        self._renewed_s = begun_s

    def _renew_on(self) -> None:
        while not self._is_over.wait(RENEW_S):
            try:
                self.require()  # what is lost is not taken back
                self._renew()
            except RushesError:
                return
            except (ClientError, BotoCoreError):
                continue  # `require` says when that was too often

    def _require_nobody_else(self) -> None:
        for name, silent_s in self._others():
            if silent_s < STALE_S:
                raise InputError(
                    f"another run is filling {self._place}; wait for its end, or stop it "
                    f"(if it was killed, it counts as dead in {STALE_S - silent_s:.0f} s)"
                )
            self._client.delete_object(Bucket=self._bucket, Key=name)

    def _others(self) -> list[tuple[str, float]]:
        """Return (name, seconds since its last sign of life) of the other leases, both times by the server's clock."""
        others: list[tuple[str, datetime]] = []
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=self._folder):
            now = parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"])
            others += [(one["Key"], one["LastModified"]) for one in page.get("Contents", ())]
        return [(name, (now - last).total_seconds()) for name, last in others if name != self._name]
