"""Tests of trainings: a killed worker's goes on elsewhere, films go first, and what ends leaves nothing by halves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import subjects_there
import trained_there

from rushes import store
from rushes.nn import lora
from rushes.serve.client import jobs, queue
from rushes.serve.client.database import Database, now
from rushes.serve.client.jobs import Job, Order
from rushes.serve.client.trainings import TrainingOrder, TrainingRequest, checkpoint_key
from rushes.serve.training import Training
from rushes.serve.worker import Bare, Worker
from rushes.types import GenerationRequest, VideoShape

FILM = GenerationRequest(
    prompt="a boat", shape=VideoShape(frames=8, height=48, width=64), fps=8, num_steps=2, guidance_scale=1.0
)
WAIT_S = 240.0  # a process that trains starts in seconds, on a busy machine in minutes
STEPS = 120


class Studio:
    """A database, a queue and a store with stills in it, and workers that make flat films and train."""

    device = "none"

    def __init__(self, folder: Path) -> None:
        self.folder, self.shares = folder, list[float]()
        self.database, self.store = Database(f"sqlite:///{folder / 'studio.db'}"), store.at(str(folder / "media"))
        self.ended: list[str] = []
        self.tidied: list[str] = []

    def set_up(self) -> None:
        self.database.create()
        queue.set_up(self.database)
        subjects_there.cutter(self.folder / "weights/cutout")
        for still in subjects_there.stills(self.folder / "stills", 6).iterdir():
            self.store.put(f"characters/ann/fox/{still.name}", still.read_bytes())

    def frames(self, request: GenerationRequest, watch) -> Iterator[np.ndarray]:
        for index in range(request.shape.frames):
            yield np.full((48, 64, 3), 20 * index, np.uint8)

    def record(self, request: GenerationRequest) -> dict:
        return {"prompt": request.prompt}

    def train(self, request, stills, folder, watch) -> Path:
        def heard(phase: str, share: float) -> None:
            self.shares.append(share)
            watch(phase, share)

        settings = trained_there.tiny(self.folder / "banks")
        teacher = Training(self.folder / "weights", threads=1, settings=settings, nice=0)
        return teacher.run(request, stills, folder, heard)

    def mark(self, job, frames):
        return frames

    sign = Bare.sign

    def settle(self, session, job: Job) -> None:
        self.ended.append(job.id)

    def tidy(self, job: Job) -> None:
        self.tidied.append(job.id)

    def order(self, **changed) -> str:
        stills = tuple(key for key in self.store.list("characters/") if "-left" not in key)
        request = TrainingRequest(
            character="fox", name="mister fox", stills=stills, folder="characters/ann/fox/", like="cat", steps=STEPS
        )
        asked, line = TrainingOrder(request=replace(request, **changed)), queue.Queue(self.database)
        with self.database.write() as session:
            job = line.submit(session, "ann", asked, priority=1000)
        line.close()
        return job.id

    def film(self) -> str:
        line = queue.Queue(self.database)
        with self.database.write() as session:
            job = line.submit(session, "bob", Order(request=FILM), priority=1)
            job.created_at -= 2 * jobs.PATIENCE_S
        line.close()
        return job.id

    def job(self, job_id: str) -> Job:
        with self.database.read() as session:
            return session.get_one(Job, job_id)

    def wait(self, is_there) -> None:
        deadline = time.monotonic() + WAIT_S
        while not is_there():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def working(self):
        return _Working(self)


class _Working:
    def __init__(self, studio: Studio) -> None:
        self.stop = threading.Event()
        worker = Worker(studio.database, studio.store, studio, studio)
        self.thread = threading.Thread(target=worker.run, args=(self.stop, 60.0))

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *raised: object) -> None:
        self.stop.set()
        self.thread.join(WAIT_S)
        assert not self.thread.is_alive()


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    made = Studio(tmp_path)
    made.set_up()
    yield made
    made.database.close()


def run(folder: str) -> None:
    """Work for the studio in `folder` until somebody kills this process."""
    studio = Studio(Path(folder))
    with studio.working():
        signal.pause()


def trainers(folder: Path) -> list[str]:
    """Return the processes that train with what lies in `folder`."""
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in found if "--preset subject" in line and str(folder) in line]


def test_a_killed_workers_training_goes_on_elsewhere_and_gives_way_to_a_film(studio: Studio) -> None:
    job_id = studio.order()
    code = f"import test_training; test_training.run({str(studio.folder)!r})"
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(trained_there.__file__).parent)])
    lost = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths})
    try:
        studio.wait(lambda: studio.store.list(checkpoint_key(job_id)) or studio.job(job_id).error)
        assert studio.job(job_id).error is None
    finally:
        lost.kill()
        assert lost.wait() == -signal.SIGKILL
    studio.wait(lambda: not trainers(studio.folder))  # what it had started ends without it
    with studio.database.write() as session:
        session.query(Job).update({"seen_at": now() - 60})
    with studio.working():
        studio.wait(lambda: studio.job(job_id).attempt == 1 and any(studio.shares))
        film = studio.film()
        studio.wait(lambda: studio.job(film).state == jobs.SUCCEEDED)
        assert studio.job(job_id).state != jobs.SUCCEEDED and studio.ended == [film]
        studio.wait(lambda: studio.job(job_id).state in jobs.ENDED)
    job = studio.job(job_id)
    assert (job.state, job.attempt, job.tries, job.progress) == (jobs.SUCCEEDED, 2, 1, 100), job.error
    first = next(share for share in studio.shares if share)
    assert first > 5 / STEPS  # the first checkpoint is of the fifth step
    assert studio.ended == [film, job_id] and set(studio.tidied) == {job_id}
    key = f"characters/ann/fox/{job_id}-2.safetensors"
    assert job.files == {"adapter": key} and job.measured["seconds"] > 0 and job.measured["cpu_s"] > 0
    path = studio.folder / "fox.safetensors"
    path.write_bytes(studio.store.get(key))
    read = lora.read(path)
    assert (read.words, read.facts["like"], read.facts["steps"]) == (("mister", "fox"), "cat", STEPS)
    assert job.measured["weights"] == {"cutout": read.base} and job.measured["like"] == "cat"


def test_what_cannot_be_learned_is_said_in_a_line_and_a_cancelled_one_ends_soon(studio: Studio) -> None:
    blank = studio.store.list("characters/")[2]
    studio.store.put(blank, b"no picture")
    wrong, endless = studio.order(like="griffin"), studio.order(steps=10**6, like="cat")
    with studio.database.write() as session:
        later = session.get_one(Job, endless)
        later.request = later.request | {"stills": [key for key in later.request["stills"] if key != blank] * 2}
    with studio.working():
        studio.wait(lambda: studio.job(endless).state == jobs.RUNNING)
        failed, begun = studio.job(wrong), time.monotonic()
        with studio.database.write() as session:
            assert not jobs.cancel(session, endless)
        studio.wait(lambda: studio.job(endless).state in jobs.ENDED)
        assert time.monotonic() - begun < 30
    assert (failed.state, failed.error_code) == (jobs.FAILED, "invalid_request")
    assert failed.error is not None and failed.error.startswith("still 03.png is no picture that can be read")
    assert studio.job(endless).state == jobs.CANCELLED
    assert not any(key.endswith(".safetensors") for key in studio.store.list())
