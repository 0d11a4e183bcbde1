"""Tests of `rushes studio` as a whole: first start, a film through the API, a killed worker, the end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

FILM = {"prompt": "a red boat drifts left across the sea", "seconds": "1", "size": "512x512", "num_inference_steps": 2}


@pytest.fixture
def studio(tmp_path: Path):
    """A studio in processes of its own: (running, address, lines that it printed)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = (tmp_path / "said").open("w+")
    command = [sys.executable, "-m", "rushes", "studio", "--home", str(tmp_path / "home"), "--port", str(port)]
    running = subprocess.Popen(
        command, stdout=said, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait(lambda: httpx.get(f"{address}/healthz").status_code == 200, 60)
        yield running, address, (tmp_path / "said").read_text()
    finally:
        running.send_signal(signal.SIGINT)
        running.wait(60)
        said.close()


def wait(is_so, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while True:
        try:
            if is_so():
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)


def test_a_studio_from_its_first_start_to_its_end(studio):
    running, address, said = studio
    key = re.search(r"rsh_[\w-]+", said)[0]
    link = re.search(r"http://\S+/sign-in/\S+", said)[0]
    assert httpx.get(link).status_code == 200
    assert httpx.get(f"{address}/v1/videos").status_code == 401
    with httpx.Client(base_url=f"{address}/v1", headers={"authorization": f"Bearer {key}"}, timeout=30) as api:
        film = film_after_a_kill(running, api)
    assert httpx.post(f"{address}/api/verify", files={"film": ("film.mp4", film)}).json()["verdict"] == "ours"
    assert not any("libtorch" in region.path for region in psutil.Process(running.pid).memory_maps())
    crew = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(signal.SIGINT)
    running.wait(60)
    assert not [child for child in crew if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def film_after_a_kill(running: subprocess.Popen[bytes], api: httpx.Client) -> bytes:
    """Ask for a film, kill the worker that makes it, and return what another one made."""
    made = api.post("/videos", json=FILM).json()
    wait(lambda: api.get(f"/videos/{made['id']}").json()["status"] == "in_progress", 90)
    workers = [child for child in psutil.Process(running.pid).children() if "worker" in child.cmdline()]
    os.kill(workers[0].pid, signal.SIGKILL)
    wait(lambda: api.get(f"/videos/{made['id']}").json()["status"] == "completed", 120)
    film = api.get(f"/videos/{made['id']}/content").content
    assert film[4:8] == b"ftyp"
    return film
