"""Does every accepted job end exactly once while workers, the submitting server and the database are killed at random?

Run: benchmarks/queue_chaos.py [--sqlite] [--jobs 500] [--workers 4] [--seconds 120]; it exits with 1 if any is lost.
Films are tiny, so that the queue and not the model is tried.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "props"))
import postgres

from rushes import store
from rushes.serve.client import fairness, jobs, queue, workers
from rushes.serve.client.database import Base, Database, now
from rushes.serve.client.jobs import Job, Order
from rushes.serve.worker import Bare, Watch, Worker
from rushes.types import GenerationRequest, VideoShape

SHAPE = VideoShape(frames=8, height=48, width=64)
STEPS, STEP_S, PRICE = 6, 0.03, 7


class Charge(Base):
    """What a job cost: one row for a job that ended, whichever way."""

    __tablename__ = "chaos_charges"

    id: Mapped[int] = mapped_column(primary_key=True)
    job: Mapped[str]
    credits: Mapped[int]


class Books(Bare):
    """Writes a charge in the transaction that ends a job; nothing but that transaction keeps it from doing so twice."""

    def settle(self, session: Session, job: Job) -> None:
        """Charge a film that was made, and nothing for one that was not."""
        session.add(Charge(job=job.id, credits=PRICE if job.state == jobs.SUCCEEDED else 0))


class Tiny:
    """A film in a quarter of a second."""

    device = "none"

    def frames(self, request: GenerationRequest, watch: Watch) -> Iterator[np.ndarray]:
        """Yield flat frames, uint8 `[h w 3]`."""
        for step in range(STEPS):
            time.sleep(STEP_S)
            watch("denoising", (step + 1) / STEPS, None)
        for index in range(SHAPE.frames):
            yield np.full((SHAPE.height, SHAPE.width, 3), 30 * index, np.uint8)

    def record(self, request: GenerationRequest) -> dict[str, Any]:
        """Return nothing of interest."""
        return {"seed": request.seed}


def work(url: str, media: str) -> None:
    """Be a worker until killed."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Worker(Database(url), store.at(media), Tiny(), Books()).run(stop, drain_s=10)


def submit(url: str, num: int) -> None:
    """Be the server: accept `num` jobs, each under a key of its own, so that sending them all again changes nothing."""
    database = Database(url)
    line, index = queue.Queue(database), 0
    while index < num:
        request = GenerationRequest(
            prompt="a boat", seed=index, shape=SHAPE, fps=8, num_steps=STEPS, guidance_scale=1.0
        )
        try:
            with database.write() as session:
                owner, once = f"user{index % 10}", f"order{index}"
                if jobs.repeated(session, owner, once) is None:
                    line.submit(
                        session, owner, Order(request=request, once=once), priority=fairness.due(now(), 0, 0, 0)
                    )
            index += 1
        except sa.exc.OperationalError:
            time.sleep(0.2)
        time.sleep(0.02)


def main() -> None:
    """Run the trial and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sqlite", action="store_true")
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rushes-chaos-") as folder, contextlib.ExitStack() as stack:
        server = None if args.sqlite else stack.enter_context(postgres.served())
        url = f"sqlite:///{folder}/chaos.db" if server is None else server.database("chaos")
        database = Database(url)
        database.create()
        queue.set_up(database)
        kills = storm(args, url, f"{folder}/media", server)
        failures = verdict(args.jobs, database, store.at(f"{folder}/media").list("films/"))
        print(f"killed: {dict(kills)}")
        print("exactly once, books exact" if not failures else "\n".join(failures))
        sys.exit(bool(failures))


def storm(args: argparse.Namespace, url: str, media: str, server: postgres.Server | None) -> collections.Counter[str]:
    """Kill at random for `args.seconds`, then let what is left be done; return how often what was killed."""
    dice, kills = random.Random(args.seed), collections.Counter[str]()

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, __file__, *arguments], stderr=subprocess.DEVNULL)

    crew = [start("work", url, media) for _ in range(args.workers)]
    front = start("submit", url, str(args.jobs))
    begun = time.monotonic()
    try:
        while (left := count_left(url, args.jobs)) or front.poll() is None:
            is_storm = time.monotonic() - begun < args.seconds
            print(f"{time.monotonic() - begun:6.0f} s  left {left}  {'storm' if is_storm else 'calm'}", flush=True)
            if time.monotonic() - begun > args.seconds + 600:
                break
            time.sleep(dice.uniform(1.0, 4.0))
            victim = dice.choice(["worker"] * 3 + ["server"] + ["database"] * (server is not None)) if is_storm else ""
            kills[victim] += bool(victim)
            if victim == "worker":
                dice.choice(crew).kill()
            elif victim == "server":
                front.kill()
            elif victim == "database" and server is not None:
                server.kill()
                time.sleep(dice.uniform(0.0, 2.0))
                server.start()
            crew = [one if one.poll() is None else start("work", url, media) for one in crew]
            front = start("submit", url, str(args.jobs)) if front.poll() not in (None, 0) else front
    finally:
        for one in [*crew, front]:
            one.kill()
    return kills


def count_left(url: str, num: int) -> int:
    """Return how many of `num` jobs have not ended, or all where the database is gone."""
    database = Database(url)
    try:
        with database.read() as session:
            query = sa.select(sa.func.count()).select_from(Job).where(Job.state.in_(jobs.ENDED))
            return num - (session.scalar(query) or 0)
    except sa.exc.OperationalError:
        return num
    finally:
        database.close()


def verdict(num: int, database: Database, kept: list[str]) -> list[str]:
    """Return what is wrong at the end; print what happened."""
    with database.read() as session:
        made = list(session.scalars(sa.select(Job)))
        charges = collections.Counter(
            dict(session.execute(sa.select(Charge.job, sa.func.count()).group_by(Charge.job)).all())
        )
        credits = session.scalar(sa.select(sa.func.sum(Charge.credits)))
    states, tries = collections.Counter(job.state for job in made), collections.Counter(job.tries for job in made)
    print(f"jobs {len(made)}  states {dict(states)}  lost tries {dict(tries)}  credits {credits}")
    wrong = [f"{len(made)} jobs instead of {num}"] * (len(made) != num)
    wrong += [f"{job.id} is {job.state}" for job in made if job.state not in jobs.ENDED]
    wrong += [f"{job.id} was charged {charges[job.id]} times" for job in made if charges[job.id] != 1]
    wrong += [f"credits {credits}"] * (credits != PRICE * states[jobs.SUCCEEDED])
    files = set(kept)
    wrong += [f"{job.id} lacks {key}" for job in made for key in job.files.values() if key not in files]
    wrong += [f"{job.id} failed: {job.error}" for job in made if job.error_code not in (None, workers.DEAD_LETTER)]
    return wrong


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        work(*sys.argv[2:4])
    elif sys.argv[1:2] == ["submit"]:
        submit(sys.argv[2], int(sys.argv[3]))
    else:
        main()
