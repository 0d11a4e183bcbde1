"""Tests of a worker: films are kept whole, cancelled within a second, tried again when lost, given up after three."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rushes import config, store
from rushes.errors import InputError, RushesError
from rushes.media.metadata import read_request
from rushes.media.probe import probe
from rushes.serve.client import jobs, queue, workers
from rushes.serve.client.database import Database, now
from rushes.serve.client.jobs import Job, Order
from rushes.serve.film import ShippedFilm
from rushes.serve.worker import Bare, Worker
from rushes.tiers import TIERS
from rushes.types import Condition, GenerationRequest, VideoShape

SHAPE = VideoShape(frames=8, height=48, width=64)
REQUEST = GenerationRequest(prompt="a boat", shape=SHAPE, fps=8, num_steps=4, guidance_scale=1.0)
FOREVER = 10**6


class Flat:
    """A film of flat pictures; `seed` says how it goes: how long a step takes, or that it fails."""

    device = "none"
    BROKEN, REFUSED = 666, 667

    def frames(self, request: GenerationRequest, watch) -> Iterator[np.ndarray]:
        if request.seed == self.BROKEN:
            raise RushesError("the lamp is broken")
        if request.seed == self.REFUSED:
            raise InputError("no such size")
        for step in range(4 if request.seed < FOREVER else 4000):
            time.sleep(0.01 * min(request.seed, 5))
            watch("denoising", step / 4000, np.full((48, 64, 3), 128, np.uint8))
        for index in range(SHAPE.frames):
            yield np.full((48, 64, 3), 20 * index, np.uint8)

    def record(self, request: GenerationRequest) -> dict:
        return {"prompt": request.prompt}


class Books(Bare):
    """Writes down what is settled."""

    def __init__(self) -> None:
        self.settled: list[tuple[str, str]] = []

    def settle(self, session, job: Job) -> None:
        self.settled.append((job.id, job.state))


class Shop:
    """A database, a queue and a store, with workers that run in threads."""

    def __init__(self, folder: Path) -> None:
        self.database, self.books = Database(f"sqlite:///{folder / 'studio.db'}"), Books()
        self.database.create()
        queue.set_up(self.database)
        self.line, self.store = queue.Queue(self.database), store.at(str(folder / "media"))

    def send(self, seed: int = 0, request: GenerationRequest = REQUEST, **order) -> str:
        asked = Order(request=GenerationRequest(**{f: getattr(request, f) for f in FIELDS} | {"seed": seed}), **order)
        with self.database.write() as session:
            return self.line.submit(session, "ann", asked, priority=1).id

    def job(self, job_id: str) -> Job:
        with self.database.read() as session:
            return session.get_one(Job, job_id)

    def wait(self, job_id: str, is_there, within_s: float = 20.0) -> Job:
        deadline = time.monotonic() + within_s
        while not is_there(self.job(job_id)):
            assert time.monotonic() < deadline, self.job(job_id).state
            time.sleep(0.02)
        return self.job(job_id)

    @contextlib.contextmanager
    def working(self, film=None, drain_s: float = 5.0) -> Iterator[Worker]:
        worker, stop = Worker(self.database, self.store, film or Flat(), self.books), threading.Event()
        thread = threading.Thread(target=worker.run, args=(stop, drain_s))
        thread.start()
        try:
            yield worker
        finally:
            stop.set()
            thread.join(30)
            assert not thread.is_alive()


FIELDS = ("prompt", "shape", "fps", "num_steps", "guidance_scale", "conditions")


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path)
    yield made
    made.line.close()
    made.database.close()


def is_over(job: Job) -> bool:
    return job.state in jobs.ENDED


def test_the_shipped_model_makes_a_film_that_can_be_made_again(shop, tmp_path):
    request = GenerationRequest(
        prompt="a red boat", shape=TIERS["flipbook"].shape, fps=8, num_steps=2, guidance_scale=1.0, seed=3
    )
    with shop.working(ShippedFilm(Path("weights"), device="cpu")):
        job = shop.wait(shop.send(3, request), is_over, 60)
    assert job.state == jobs.SUCCEEDED and job.progress == 100, job.error
    film = tmp_path / "film.mp4"
    film.write_bytes(shop.store.get(job.files["video"]))
    assert (probe(film).width, probe(film).height) == (512, 512)
    assert read_request(film)["seed"] == 3 and read_request(film)["job"] == job.id
    assert set(job.files) == {"video", "thumbnail", "spritesheet"}
    assert all(shop.store.get(key) for key in job.files.values())
    assert job.measured["seconds"] > 0 and job.measured["energy_source"] in ("rapl", "unavailable")
    assert {"autoencoder", "film"} <= job.measured["weights"].keys()  # so that votes know what they are about
    assert shop.books.settled == [(job.id, jobs.SUCCEEDED)]


class Seen(Flat):
    """A film that notes what its conditions named when it was made."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def frames(self, request: GenerationRequest, watch) -> Iterator[np.ndarray]:
        self.seen += [Path(condition.uri).read_bytes() for condition in request.conditions if condition.uri]
        yield from super().frames(request, watch)

    def record(self, request: GenerationRequest) -> dict:
        return config.to_dict(request)


def test_what_a_film_starts_from_is_fetched_and_its_place_is_not_told(shop, tmp_path):
    shop.store.put("inputs/ann/abc.webp", b"picture")
    loop = Condition(kind="loop")
    request = replace(REQUEST, conditions=(Condition(kind="first", uri="inputs/ann/abc.webp"),))
    film = Seen()
    with shop.working(film):
        job = shop.wait(shop.send(0, request), is_over)
        looped = shop.wait(shop.send(0, replace(REQUEST, conditions=(loop,))), is_over)
        gone = Condition(kind="first", uri="inputs/ann/gone.webp")
        lost = shop.wait(shop.send(0, replace(REQUEST, conditions=(gone,))), is_over)
    assert (job.state, looped.state, film.seen) == (jobs.SUCCEEDED, jobs.SUCCEEDED, [b"picture"])
    assert (lost.state, lost.error_code) == (jobs.FAILED, "invalid_request")
    path = tmp_path / "film.mp4"
    path.write_bytes(shop.store.get(job.files["video"]))
    assert read_request(path)["conditions"][0]["uri"] == "abc.webp"


def test_a_film_can_be_watched_while_it_is_made_and_leaves_no_pieces(shop):
    class Slow(Flat):
        def frames(self, request: GenerationRequest, watch) -> Iterator[np.ndarray]:
            for index in range(request.shape.frames):
                yield np.full((48, 64, 3), 2 * index, np.uint8)
                time.sleep(0.02)

    long = replace(REQUEST, shape=replace(SHAPE, frames=80))
    with shop.working(Slow()):
        name = shop.send(0, long)
        shop.wait(name, lambda job: len(shop.store.list(f"films/{job.id}/live/")) >= 3)
        job = shop.job(name)
        if job.state == jobs.RUNNING:
            assert shop.store.get(jobs.live_key(name, job.attempt, 0))[4:8] == b"ftyp"
        job = shop.wait(name, is_over)
    assert job.state == jobs.SUCCEEDED
    assert shop.store.list(f"films/{name}/live/") == []


def test_films_wait_their_turn_and_end_in_every_way(shop):
    broken, refused = shop.send(Flat.BROKEN), shop.send(Flat.REFUSED)
    gif = shop.send(1, format="gif")
    with shop.working():
        lost = shop.wait(broken, is_over)
        assert shop.wait(refused, is_over).error_code == "invalid_request"
        assert shop.wait(gif, is_over).files["video"].endswith(".gif")
    assert (lost.state, lost.error_code, lost.tries) == (jobs.FAILED, workers.DEAD_LETTER, jobs.TRIES)
    assert "the lamp is broken" in lost.error
    assert sorted(shop.books.settled) == sorted([(broken, jobs.FAILED), (refused, jobs.FAILED), (gif, jobs.SUCCEEDED)])


def test_a_film_that_is_being_made_is_cancelled_within_a_second_and_the_next_begins(shop):
    endless, after = shop.send(FOREVER), shop.send(0)
    with shop.working():
        shop.wait(endless, lambda job: job.state == jobs.RUNNING and job.progress >= 0 and job.phase == "denoising")
        shop.wait(endless, lambda _: jobs.preview_key(endless) in shop.store.list())
        begun = time.monotonic()
        with shop.database.write() as session:
            assert not jobs.cancel(session, endless)
        ended = shop.wait(endless, is_over, 5)
        took_s = time.monotonic() - begun
        assert shop.wait(after, is_over).state == jobs.SUCCEEDED
    assert ended.state == jobs.CANCELLED and took_s < 1.5, took_s
    assert not ended.files and shop.books.settled[0] == (endless, jobs.CANCELLED)


def test_a_worker_that_is_told_to_end_finishes_its_film(shop):
    job_id = shop.send(5)
    with shop.working() as worker:
        shop.wait(job_id, lambda job: job.state == jobs.RUNNING)
        with shop.database.read() as session:
            assert [one.id for one in workers.alive(session)] == [worker.id]
    assert shop.job(job_id).state == jobs.SUCCEEDED
    with shop.database.read() as session:
        assert not workers.alive(session)


def test_a_lost_workers_job_is_made_by_another_and_given_up_after_three(shop):
    job_id = shop.send(0)
    for attempt in range(jobs.TRIES):
        with shop.database.write() as session:
            assert jobs.claim(session, job_id, attempt, "dead").tries == attempt
            session.query(Job).update({"seen_at": now() - 60})
        moved = workers.reap(shop.database, shop.line, shop.books.settle)
        assert [job.id for job in moved] == [job_id]
        assert not workers.reap(shop.database, shop.line, shop.books.settle)
    ended = shop.job(job_id)
    assert (ended.state, ended.error_code) == (jobs.FAILED, workers.DEAD_LETTER)
    assert shop.books.settled == [(job_id, jobs.FAILED)]

    again = shop.send(0)
    with shop.database.write() as session:
        jobs.claim(session, again, 0, "dead")
        session.query(Job).filter(Job.id == again).update({"seen_at": now() - 60})
    with shop.working():
        made = shop.wait(again, is_over)
    assert (made.state, made.attempt, made.tries) == (jobs.SUCCEEDED, 1, 1)
