"""A studio on the wire for tests: served over real HTTP, with a worker that draws films fast, and finished films."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import uvicorn

from rushes.media.encode import encode
from rushes.media.thumbnails import save_image
from rushes.serve.client import jobs
from rushes.serve.client.jobs import Job, Order
from rushes.serve.worker import DENOISING, PAINTING, Watch, Worker
from rushes.studio import app
from rushes.studio.house import House
from rushes.studio.library import films
from rushes.studio.members.accounts import User
from rushes.types import GenerationRequest, VideoShape

SMALL = VideoShape(frames=8, height=512, width=512)


class Drawn:
    """Draws a moving square in place of a model's film; each step takes `step_s`, so that it can be watched."""

    device = "cpu"

    def __init__(self, step_s: float = 0.0) -> None:
        self.step_s = step_s

    def frames(self, request: GenerationRequest, watch: Watch) -> Iterator[np.ndarray]:
        """Yield the frames, uint8 RGB `[h w 3]`."""
        for step in range(request.num_steps):
            time.sleep(self.step_s)
            watch(DENOISING, 0.6 * (step + 1) / request.num_steps, np.zeros((16, 16, 3), np.uint8))
        for index in range(request.shape.frames):
            watch(PAINTING, 0.6 + 0.4 * index / request.shape.frames, None)
            yield picture(request.shape, index)

    def record(self, request: GenerationRequest) -> dict:
        """Return what the file carries."""
        return {"prompt": request.prompt, "seed": request.seed}


def picture(shape: VideoShape, index: int) -> np.ndarray:
    """Return one frame: a light square that moves over a dark ground."""
    frame = np.full((shape.height, shape.width, 3), 40, np.uint8)
    left = index * 8 % (shape.width - 32)
    frame[32:64, left : left + 32] = 220
    return frame


@contextlib.contextmanager
def serving(house: House) -> Iterator[str]:
    """Serve the studio over HTTP in a thread; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app.create(house), host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


class Settling:
    """The house around a worker, as far as the wire needs one: its films end as the studio's do."""

    def mark(self, job: Job, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Leave the frames as they are."""
        return frames

    def sign(self, job: Job, path: Path) -> None:
        """Leave the file as it is."""

    def settle(self, session, job: Job) -> None:
        """Settle the books and tell whoever wants to hear."""
        films.settle(session, job)

    def tidy(self, job: Job) -> None:
        """Leave what trainings left behind."""


@contextlib.contextmanager
def working(house: House, film: object) -> Iterator[Worker]:
    """Let a worker make the studio's films in a thread."""
    worker, stop = Worker(house.database, house.media, film, Settling()), threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop, 5.0))
    thread.start()
    try:
        yield worker
    finally:
        stop.set()
        thread.join()


def finished(house: House, owner: User, prompt: str = "a red boat crosses a lake", **said: object) -> str:
    """Put a small finished film of `owner` into the studio; return its id."""
    request = GenerationRequest(prompt=prompt, seed=7, shape=SMALL, fps=8, num_steps=2, guidance_scale=3.0)
    with house.database.write() as session:
        order = Order(request=request, tier="flipbook", **said)
        job = jobs.write(session, owner.id, order, priority=1, cost=0, estimate_s=1.0)
        jobs.claim(session, job.id, 0, "test")
        keys = {"video": "video.mp4", "thumbnail": "thumbnail.webp", "spritesheet": "video.jpg"}
        files = {name: f"films/{job.id}/0/{file}" for name, file in keys.items()}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "video.mp4"
            frames = (picture(SMALL, index) for index in range(SMALL.frames))
            encode(path, frames, fps=8, shape=SMALL, request={"job": job.id})
            house.media.put(files["video"], path.read_bytes())
            measured = {"seconds": 1.0, "num_bytes": path.stat().st_size}
            for name in ("thumbnail", "spritesheet"):
                small = Path(folder) / keys[name]
                save_image(small, picture(SMALL, 0))
                house.media.put(files[name], small.read_bytes())
        jobs.end(session, job.id, 0, jobs.SUCCEEDED, files=files, measured=measured, progress=100)
    return job.id
