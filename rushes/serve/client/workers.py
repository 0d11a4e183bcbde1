"""Workers as the service sees them: who is alive, what each does, and which jobs were lost with one that is not."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from rushes.serve.client import jobs
from rushes.serve.client.database import Base, Database, now
from rushes.serve.client.jobs import CANCELLED, FAILED, TRIES, Job
from rushes.serve.client.queue import Queue

SILENT_S = 15.0
DEAD_LETTER = "dead_letter"


class Worker(Base):
    """One process that makes films; `seen_at` moves while it lives, `job` is what it does."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    device: Mapped[str]
    started_at: Mapped[float]
    seen_at: Mapped[float] = mapped_column(index=True)
    job: Mapped[str | None]
    drains: Mapped[bool] = mapped_column(default=False)


def beat(session: Session, worker: Worker) -> None:
    """Note that a worker lives."""
    session.merge(worker)


def leave(session: Session, worker_id: str) -> None:
    """Forget a worker that ends."""
    session.execute(sa.delete(Worker).where(Worker.id == worker_id))


def alive(session: Session) -> list[Worker]:
    """Return the workers that were seen lately."""
    return list(session.scalars(sa.select(Worker).where(Worker.seen_at > now() - SILENT_S).order_by(Worker.id)))


def reap(database: Database, queue: Queue, settle: jobs.Settle = jobs.settle_nothing) -> list[Job]:
    """Give the jobs of lost workers to others, or end those that were lost too often; return what changed.

    Any process may do so at any time, and several at once: each job moves on once.
    """
    moved = []
    with database.read() as session:
        lost = jobs.silent(session, now() - SILENT_S)
    for job_id, attempt in lost:
        with database.write() as session:
            job = again_or_end(session, queue, job_id, attempt, "its worker was lost", settle)
        if job is not None:
            queue.drop(job_id, attempt)
            moved.append(job)
    with database.write() as session:
        session.execute(sa.delete(Worker).where(Worker.seen_at < now() - 20 * SILENT_S))
    return moved


def again_or_end(
    session: Session, queue: Queue, job_id: str, attempt: int, reason: str, settle: jobs.Settle
) -> Job | None:
    """Queue a job whose try failed once more, or end it: cancelled if that was wanted, failed after its last try.

    Without a `reason` it gave way to others, which is no try.
    """
    job = jobs.find(session, job_id)
    if job is None:
        return None
    if job.wants_cancel:
        ended = jobs.end(session, job_id, attempt, CANCELLED, error_code="cancelled", error="cancelled")
    elif reason and job.tries + 1 >= TRIES:
        said = f"given up after {TRIES} tries: {reason}"
        ended = jobs.end(session, job_id, attempt, FAILED, error_code=DEAD_LETTER, error=said, tries=TRIES)
    else:
        again = jobs.hand_back(session, job_id, attempt, lost=bool(reason))
        if again is not None:
            queue.put(session, again)
        return again
    if not ended:
        return None
    session.refresh(job)
    settle(session, job)
    return job
