"""A worker: takes jobs off the queue one at a time, makes what they ask for and keeps it, whole or not at all."""

from __future__ import annotations

import contextlib
import logging
import resource
import secrets
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from rushes.errors import InputError, RushesError
from rushes.media.encode import encode
from rushes.media.thumbnails import contact_sheet, pick, save_image
from rushes.metering import Meter
from rushes.serve import training
from rushes.serve.client import jobs, queue, workers
from rushes.serve.client.database import Database, now
from rushes.serve.client.jobs import Job
from rushes.store import Store
from rushes.types import GenerationRequest

LOGGER = logging.getLogger("rushes.worker")
LOOK_S = 0.25  # how often a worker looks whether its job is still wanted
PREVIEW_S = 1.0
SPRITES, SPRITE_COLUMNS, SPRITE_PX = 12, 4, 1280
DENOISING, PAINTING = "denoising", "painting"

Watch = Callable[[str, float, np.ndarray | None], None]


class Studio(Protocol):
    """What the house around a worker adds to a film: marks, signatures, and the books."""

    def mark(self, job: Job, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]: ...
    def sign(self, job: Job, path: Path) -> None: ...
    def settle(self, session: Session, job: Job) -> None: ...
    def tidy(self, job: Job) -> None: ...


class Bare:
    """A house that adds nothing."""

    def mark(self, job: Job, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Leave the frames, uint8 `[h w 3]`, as they are."""
        return frames

    def sign(self, job: Job, path: Path) -> None:
        """Leave the file as it is."""

    def settle(self, session: Session, job: Job) -> None:
        """Charge nothing."""

    def tidy(self, job: Job) -> None:
        """Leave what a training left behind."""


class Film(training.Teacher, Protocol):
    """Makes the frames of a request, uint8 RGB `[h w 3]`; `watch(phase, share done, small picture)` follows.

    `taught` is the same with the subjects that adapters teach.
    """

    device: str

    def frames(self, request: GenerationRequest, watch: Watch) -> Iterator[np.ndarray]: ...
    def record(self, request: GenerationRequest) -> dict[str, Any]: ...
    def taught(self, adapters: Sequence[Path]) -> Self: ...


class Unwanted(Exception):  # noqa: N818 - no error: somebody changed their mind
    """The job is cancelled, or another worker's by now."""


class GaveWay(Exception):  # noqa: N818 - no error: others are more urgent
    """A training stopped for films, or for a worker that ends."""


@dataclass(slots=True)
class _Progress:
    """What a job's own thread tells the one that speaks with the database."""

    share: float = 0.0
    phase: str = "loading"
    picture: np.ndarray | None = None
    is_unwanted: bool = False
    gives_way: bool = False


class _Live:
    """Keeps the pieces of a film that is being made, for those who watch meanwhile; the film never waits for them."""

    def __init__(self, store: Store, job: Job) -> None:
        self._store, self._job, self._count = store, job, 0

    def keep(self, piece: bytes) -> None:
        """Keep the next piece; after one that could not be kept, no more."""
        if self._count < 0:
            return
        try:
            self._store.put(jobs.live_key(self._job.id, self._job.attempt, self._count), piece)
            self._count += 1
        except RushesError as error:
            LOGGER.warning("%s can't be watched while it is made: %s", self._job.id, error)
            self._count = -1

    def __enter__(self) -> _Live:
        return self

    def __exit__(self, *raised: object) -> None:
        """Delete the pieces: the film is there, or will not be."""
        with contextlib.suppress(RushesError):
            for key in self._store.list(f"films/{self._job.id}/live/"):
                self._store.delete(key)


class Worker:
    """Makes what `database`'s queue asks for, keeps it in `store`; use it with `run`."""

    def __init__(self, database: Database, store: Store, film: Film, studio: Studio | None = None) -> None:
        self.id = f"{socket.gethostname()}-{secrets.token_hex(6)}"
        self._database, self._store, self._film, self._studio = database, store, film, studio or Bare()
        self._queue = queue.Queue(database)
        self._row = {"host": socket.gethostname(), "device": film.device, "started_at": now()}
        self._job: str | None = None
        self._stop = threading.Event()

    def run(self, stop: threading.Event, drain_s: float = 120.0) -> None:
        """Take jobs until `stop` is set; the one at hand may then take `drain_s` more, or goes back into the queue.

        A training goes back at once.
        """
        self._stop = stop
        pulse = threading.Thread(target=self._pulse, args=(stop,), daemon=True)
        pulse.start()
        try:
            with queue.listening(self._database, self.id, self.make, drain_s):
                stop.wait()
        finally:
            pulse.join()
            with contextlib.suppress(sa.exc.OperationalError), self._database.write() as session:
                workers.leave(session, self.id)
            self._queue.close()

    def make(self, job_id: str, attempt: int) -> None:
        """Make one job, if it is still to be made; whatever happens is in its row at the end."""
        with self._patiently() as session:
            job = jobs.claim(session, job_id, attempt, self.id)
        if job is None:
            return
        self._job, progress, done = job_id, _Progress(), threading.Event()
        teller = threading.Thread(target=self._tell, args=(job, progress, done), daemon=True)
        teller.start()
        spent = training.Spent(job)
        try:
            files, measured = (self._training_of if job.is_training else self._film_of)(job, progress)
            if job.is_training:
                measured |= spent.reading()
            ended: dict[str, Any] = {"state": jobs.SUCCEEDED, "files": files, "measured": measured, "progress": 100}
        except GaveWay:
            ended = {"state": "", "error": "", "measured": spent.reading()}
        except Unwanted:
            ended = {"state": jobs.CANCELLED, "error_code": "cancelled", "error": "cancelled while it was made"}
        except InputError as error:  # nobody else could make it either
            ended = {"state": jobs.FAILED, "error_code": "invalid_request", "error": str(error)}
        except (RushesError, MemoryError, RuntimeError, OSError) as error:
            LOGGER.exception("%s failed", job_id)
            ended = {"state": "", "error": f"{type(error).__name__}: {error}"}
        finally:
            done.set()
            teller.join()
            self._job = None
        self._end(job, ended)

    def _end(self, job: Job, ended: dict[str, Any]) -> None:
        state = ended.pop("state")
        with self._patiently() as session:
            if not state:
                again = workers.again_or_end(
                    session, self._queue, job.id, job.attempt, ended["error"], self._studio.settle
                )
                if again is not None:
                    again.measured = ended.get("measured", again.measured)
            elif jobs.end(session, job.id, job.attempt, state, **ended):
                self._studio.settle(session, session.get_one(Job, job.id, populate_existing=True))
        self._tidy(job)

    def _tidy(self, job: Job) -> None:
        """Let the house clean up after a training; what it could not delete now, it can when the character goes."""
        try:
            if job.is_training:
                self._studio.tidy(job)
        except (RushesError, sa.exc.OperationalError) as error:
            LOGGER.warning("%s left files behind: %s", job.id, error)

    def _training_of(self, job: Job, progress: _Progress) -> tuple[dict[str, Any], dict[str, Any]]:
        """Train and keep the adapter; return its key and what it is about."""

        def watch(phase: str, share: float) -> None:
            progress.phase, progress.share = phase, share
            if progress.is_unwanted:
                raise Unwanted
            if progress.gives_way:
                raise GaveWay

        made = training.make(job, self._store, self._film, watch)
        return {"adapter": made.pop("adapter")}, made

    def _film_of(self, job: Job, progress: _Progress) -> tuple[dict[str, Any], dict[str, Any]]:
        """Make and keep the film's files; return their keys and what they took."""
        request, begun, shown = job.generation_request(), time.perf_counter(), []
        picked = set(pick(request.shape.frames, SPRITES))

        def watch(phase: str, share: float, picture: np.ndarray | None) -> None:
            progress.phase, progress.share = phase, share
            progress.picture = picture if picture is not None else progress.picture
            if progress.is_unwanted:
                raise Unwanted

        def seen(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
            for index, frame in enumerate(frames):
                if index in picked:
                    shown.append(frame.copy())
                yield frame

        meter = Meter()
        with tempfile.TemporaryDirectory(prefix="rushes-") as folder:
            path = Path(folder) / f"video.{job.format}"
            film = self._cast(job, Path(folder))
            frames = seen(self._studio.mark(job, film.frames(self._fetched(request, Path(folder)), watch)))
            record = film.record(_anonymous(request)) | {"job": job.id}
            with _Live(self._store, job) as live:
                encode(path, frames, fps=request.fps, shape=request.shape, request=record, live=live.keep)
            self._studio.sign(job, path)
            made = {"video": path, **_pictures(Path(folder), shown)}
            keys = {name: f"films/{job.id}/{job.attempt}/{file.name}" for name, file in made.items()}
            for name, file in made.items():
                with file.open("rb") as content:
                    self._store.put(keys[name], content)
            num_bytes = path.stat().st_size
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        seconds = round(time.perf_counter() - begun, 3)
        told = {"weights": record["weights"]} if "weights" in record else {}
        return keys, {"seconds": seconds, "memory_bytes": peak, "num_bytes": num_bytes, **told, **meter.reading()}

    def _cast(self, job: Job, folder: Path) -> Film:
        """Return the model with the subjects that a job names. Raises: InputError where one is gone."""
        found = []
        for number, one in enumerate(job.extra.get("adapters", [])):
            path = folder / f"adapter-{number}.safetensors"
            path.write_bytes(self._store.get(one["uri"]))
            found.append(path)
        return self._film.taught(found) if found else self._film

    def _fetched(self, request: GenerationRequest, folder: Path) -> GenerationRequest:
        """Put what the conditions name into `folder`. Raises: InputError where it has been deleted meanwhile."""
        found = []
        for number, condition in enumerate(request.conditions):
            if condition.uri:
                path = folder / f"given-{number}{Path(condition.uri).suffix}"
                path.write_bytes(self._store.get(condition.uri))
                condition = replace(condition, uri=str(path))
            found.append(condition)
        return replace(request, conditions=tuple(found))

    def _tell(self, job: Job, progress: _Progress, done: threading.Event) -> None:
        """Keep the job's row and preview fresh, and learn whether it is still wanted."""
        shown, shown_at = None, 0.0
        while not done.wait(LOOK_S):
            try:
                picture = progress.picture
                if picture is not None and picture is not shown and time.monotonic() - shown_at > PREVIEW_S:
                    shown, shown_at = picture, time.monotonic()
                    self._keep_preview(job, picture)
                with self._database.write() as session:
                    percent = min(99, int(100 * progress.share))
                    going_on = jobs.beat(session, job.id, job.attempt, progress=percent, phase=progress.phase)
                    gives_way = job.is_training and jobs.gives_way(session, job)
                progress.is_unwanted = not going_on
                progress.gives_way = gives_way or self._stop.is_set()
            except sa.exc.OperationalError:
                LOGGER.warning("the database does not answer; %s goes on without it", job.id)
            except RushesError as error:
                LOGGER.warning("no preview of %s: %s", job.id, error)

    def _keep_preview(self, job: Job, picture: np.ndarray) -> None:
        with tempfile.TemporaryDirectory(prefix="rushes-") as folder:
            path = Path(folder) / "preview.webp"
            save_image(path, picture)
            self._store.put(jobs.preview_key(job.id), path.read_bytes())

    def _pulse(self, stop: threading.Event) -> None:
        """Say that the worker lives, and give the jobs of those that do not to others."""
        while True:
            try:
                with self._database.write() as session:
                    row = workers.Worker(id=self.id, seen_at=now(), job=self._job, drains=stop.is_set(), **self._row)
                    workers.beat(session, row)
                for lost in workers.reap(self._database, self._queue, self._studio.settle):
                    self._tidy(lost)
            except sa.exc.OperationalError:
                LOGGER.warning("the database does not answer")
            if stop.wait(workers.SILENT_S / 5):
                return

    @contextlib.contextmanager
    def _patiently(self) -> Iterator[Session]:
        """A transaction that waits while the database is gone; a worker that waits too long is reaped meanwhile."""
        while True:
            try:
                with self._database.read() as session:
                    session.execute(sa.select(1))
                break
            except sa.exc.OperationalError:
                time.sleep(1.0)
        with self._database.write() as session:
            yield session


def _anonymous(request: GenerationRequest) -> GenerationRequest:
    """Return a request as its film's file may show it: keys of a store say whose they are, names of files do not."""
    named = tuple(replace(each, uri=Path(each.uri).name if each.uri else "") for each in request.conditions)
    return replace(request, conditions=named)


def _pictures(folder: Path, shown: list[np.ndarray]) -> dict[str, Path]:
    """Write a film's middle frame and a sheet of its frames."""
    made = {"thumbnail": folder / "thumbnail.webp", "spritesheet": folder / "spritesheet.jpg"}
    save_image(made["thumbnail"], shown[len(shown) // 2])
    save_image(made["spritesheet"], contact_sheet(shown, columns=SPRITE_COLUMNS, width_px=SPRITE_PX))
    return made
