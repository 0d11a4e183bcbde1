"""Browsers for tests: a studio that really listens, films in it, and a real Chromium that looks at it."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from rushes.media.encode import encode
from rushes.media.thumbnails import save_image
from rushes.serve.client import jobs
from rushes.serve.client.database import now
from rushes.serve.client.jobs import Job, Order
from rushes.studio import app, who
from rushes.studio.house import House
from rushes.studio.members import accounts
from rushes.studio.members.accounts import User
from rushes.types import GenerationRequest, VideoShape

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu"]
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 800}


@contextlib.contextmanager
def served(house: House) -> Iterator[str]:
    """Serve a studio from a thread of this process; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = uvicorn.Config(app.create(house), port=port, log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(settings)
    serving = threading.Thread(target=server.run, daemon=True)
    serving.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline and serving.is_alive(), "the studio did not start"
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        serving.join(10)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A Chromium without a window; the test is skipped where there is none."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def axe() -> str:
    """Return the source of axe-core, which finds what people with disabilities could not use; skips without it."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        pytest.skip("axe-playwright-python is not installed")
    return Path(found.origin).with_name("axe.min.js").read_text(encoding="utf-8")


def barriers(page: Page, source: str) -> list[str]:
    """Return what axe-core finds wrong with a page."""
    page.evaluate(source)
    return page.evaluate(
        "async () => (await axe.run()).violations.flatMap((one) => one.nodes.map((node) => one.id + ': ' + node.html))"
    )


def sign_in(house: House, context: BrowserContext, address: str, user: User) -> None:
    """Give a browser the cookie of a session of `user`."""
    with house.database.write() as session:
        token = accounts.sign_in(session, user)
    context.add_cookies([{"name": who.COOKIE, "value": token, "url": address}])


def watched(page: Page) -> list[str]:
    """Return a list that fills with what goes wrong on a page: errors of scripts, the console, missing files."""
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("response", lambda got: wrong.append(f"{got.status} {got.url}") if got.status >= 400 else None)
    return wrong


def finished_film(house: House, user: User, prompt: str, *, format: str = "mp4", parent: str | None = None) -> Job:
    """Put a small finished film of a moving dot into somebody's library, with real files."""
    shape = VideoShape(frames=8, height=512, width=512)
    request = GenerationRequest(prompt=prompt, shape=shape, fps=8, num_steps=20, guidance_scale=3.0, seed=7)
    order = Order(request=request, tier="flipbook", format=format, parent=parent)
    frames = [np.full((512, 512, 3), 40 + 20 * index, np.uint8) for index in range(8)]
    for index, frame in enumerate(frames):
        frame[200:260, 50 * index : 50 * index + 60] = (230, 120, 60)
    with house.database.write() as session:
        job = jobs.write(session, user.id, order, priority=1, cost=2, estimate_s=3.0)
    folder = house.config.folder / "made" / job.id
    folder.mkdir(parents=True)
    film, still = folder / f"video.{format}", folder / "thumbnail.webp"
    encode(film, iter(frames), fps=8, shape=shape, request={})
    save_image(still, frames[4])
    files = {"video": f"films/{job.id}/0/{film.name}", "thumbnail": f"films/{job.id}/0/thumbnail.webp"}
    for name, path in (("video", film), ("thumbnail", still)):
        house.media.put(files[name], path.read_bytes())
    measured = {"seconds": 2.9, "num_bytes": film.stat().st_size, "energy_j": None, "energy_source": "unavailable"}
    ended = {"state": jobs.SUCCEEDED, "phase": jobs.SUCCEEDED, "progress": 100, "started_at": now(), "ended_at": now()}
    with house.database.write() as session:
        session.execute(sa.update(Job).where(Job.id == job.id).values(**ended, files=files, measured=measured))
        return session.get_one(Job, job.id, populate_existing=True)
