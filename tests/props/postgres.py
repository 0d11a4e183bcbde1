"""A real PostgreSQL for tests: a fresh cluster in a temporary folder, on a free port, gone afterwards."""

from __future__ import annotations

import contextlib
import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest


def binary(name: str) -> str | None:
    """Return where a PostgreSQL program lies; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return str(found[0]) if found else shutil.which(name)


class Server:
    """A cluster that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._process = folder, None
        # PostgreSQL refuses to run as root
        self._user = "postgres" if os.geteuid() == 0 else getpass.getuser()
        self._as = {"user": self._user, "group": pwd.getpwnam(self._user).pw_gid} if os.geteuid() == 0 else {}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        if self._as:
            shutil.chown(folder, self._user)
        made = [binary("initdb"), "-D", folder / "data", "-A", "trust", "-U", "rushes", "-E", "UTF8", "--no-sync"]
        subprocess.run(made, check=True, capture_output=True, cwd="/", **self._as)
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = ["-p", str(self.port), "-k", str(self._folder), "-c", "max_connections=200"]
        command = [binary("postgres"), "-D", str(self._folder / "data"), "-h", "127.0.0.1", *options]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, cwd="/", start_new_session=True, **quiet, **self._as)
        deadline = time.monotonic() + 30
        while True:
            try:
                with psycopg.connect(self.url("postgres"), connect_timeout=2):
                    return
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.1)

    def kill(self) -> None:
        """Kill every process of it, as a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        time.sleep(0.2)

    def url(self, name: str) -> str:
        """Return the address of the database `name`."""
        return f"postgresql://rushes@127.0.0.1:{self.port}/{name}"

    def database(self, name: str) -> str:
        """Make a database and return its address."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)


@contextlib.contextmanager
def served() -> Iterator[Server]:
    """A server for a few tests; without PostgreSQL's programs they are skipped, but not in continuous integration."""
    if binary("initdb") is None:
        if os.environ.get("RUSHES_CI"):
            pytest.fail("PostgreSQL is not installed; .ci/run should have seen to that")
        pytest.skip("PostgreSQL is not installed; on Debian and Ubuntu: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="rushes-pg-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        server = Server(Path(folder))
        try:
            yield server
        finally:
            server.kill()
