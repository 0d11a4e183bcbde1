"""Jobs: films and trainings that were asked for, from the moment they are accepted until they end, exactly once.

A job's row is the truth; the queue only says whose turn it is. Each try of a job has a number, and whoever holds an old
number can change nothing any more: a worker that was thought dead and wakes up does no harm.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from rushes import config
from rushes.serve.client.database import Base, now
from rushes.serve.client.trainings import TRAINING, TrainingOrder, TrainingRequest
from rushes.types import GenerationRequest

QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = "queued", "running", "succeeded", "failed", "cancelled"
LIVE, ENDED = (QUEUED, RUNNING), (SUCCEEDED, FAILED, CANCELLED)
TRIES = 3
PATIENCE_S = 2.0  # how long a film waits for a worker that is free before a training gives way to it


class Job(Base):
    """One film, or one training: `request` is what the model is asked for, as JSON; `priority` is a time, and the
    earliest goes first.

    `attempt` counts how often it was handed out, `tries` how often a worker was lost or failed with it. `progress` is
    in percent, `cost` in credits, `measured` holds seconds, bytes and energy once it has ended.
    """

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(index=True)
    state: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    tier: Mapped[str]
    format: Mapped[str]
    request: Mapped[dict[str, Any]]
    extra: Mapped[dict[str, Any]]
    parent: Mapped[str | None] = mapped_column(index=True)
    priority: Mapped[int]
    cost: Mapped[int]
    estimate_s: Mapped[float]
    attempt: Mapped[int] = mapped_column(default=0)
    tries: Mapped[int] = mapped_column(default=0)
    progress: Mapped[int] = mapped_column(default=0)
    phase: Mapped[str] = mapped_column(default=QUEUED)
    wants_cancel: Mapped[bool] = mapped_column(default=False)
    worker: Mapped[str | None]
    created_at: Mapped[float] = mapped_column(index=True)
    started_at: Mapped[float | None]
    seen_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    error_code: Mapped[str | None]
    error: Mapped[str | None]
    measured: Mapped[dict[str, Any]]
    files: Mapped[dict[str, Any]]
    once: Mapped[str | None]

    __table_args__ = (sa.UniqueConstraint("owner", "once"), sa.Index("jobs_by_owner", "owner", "created_at"))

    def generation_request(self) -> GenerationRequest:
        """Return what the model is asked for."""
        return config.from_dict(GenerationRequest, self.request)

    @property
    def is_training(self) -> bool:
        """Return whether this is no film."""
        return self.kind == TRAINING

    def training_request(self) -> TrainingRequest:
        """Return what the model is to learn."""
        return config.from_dict(TrainingRequest, self.request)


IS_FILM = Job.kind != TRAINING


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody asks for, checked, before anything is written.

    `kind` is create, remix, edit or extension; `tier` names the film's tier or is empty; `format` is a file's ending;
    `extra` travels with the job (characters, style); `once` is an idempotency key of the owner's own.
    """

    request: GenerationRequest
    kind: str = "create"
    tier: str = ""
    format: str = "mp4"
    parent: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    once: str | None = None


Settle = Callable[[Session, Job], None]  # what happens in the transaction that ends a job: its cost becomes final


def settle_nothing(session: Session, job: Job) -> None:
    """Settle a job that costs nothing."""


def preview_key(job_id: str) -> str:
    """Return where a worker keeps a small picture of a film that is being made."""
    return f"films/{job_id}/preview.webp"


def live_key(job_id: str, attempt: int, number: int) -> str:
    """Return where a worker keeps a piece of a film that is being made, counted from 0."""
    return f"films/{job_id}/live/{attempt}/{number:05d}.m4s"


def new_id(kind: str = "create") -> str:
    """Return a fresh job id; a training's is never taken for a film's."""
    return f"{TRAINING if kind == TRAINING else 'video'}_{secrets.token_hex(16)}"


def write(
    session: Session, owner: str, order: Order | TrainingOrder, *, priority: int, cost: int, estimate_s: float
) -> Job:
    """Write a job into the transaction of `session`; `queue.Queue.submit` does so and queues it as well."""
    job = Job(
        id=new_id(order.kind),
        owner=owner,
        state=QUEUED,
        kind=order.kind,
        tier=order.tier,
        format=order.format,
        request=config.to_dict(order.request),
        extra=order.extra,
        parent=order.parent,
        priority=priority,
        cost=cost,
        estimate_s=estimate_s,
        created_at=now(),
        measured={},
        files={},
        once=order.once,
    )
    session.add(job)
    session.flush()
    return job


def find(session: Session, job_id: str, owner: str | None = None) -> Job | None:
    """Return the job, if it is there and belongs to `owner` (anybody, if None)."""
    job = session.get(Job, job_id)
    return job if job is not None and owner in (None, job.owner) else None


def repeated(session: Session, owner: str, once: str | None) -> Job | None:
    """Return the job that `owner` sent before under the same idempotency key."""
    if once is None:
        return None
    return session.scalar(sa.select(Job).where(Job.owner == owner, Job.once == once))


def live_count(session: Session, owner: str) -> int:
    """Return how many jobs of `owner` wait or run."""
    query = sa.select(sa.func.count()).select_from(Job).where(Job.owner == owner, Job.state.in_(LIVE))
    return session.scalar(query) or 0


def claim(session: Session, job_id: str, attempt: int, worker: str) -> Job | None:
    """Make a queued job `worker`'s, if it still is at `attempt` and nobody wants it cancelled."""
    mine = (Job.id == job_id, Job.attempt == attempt, Job.state == QUEUED)
    moment = now()
    changed = {"state": RUNNING, "worker": worker, "started_at": moment, "seen_at": moment, "phase": "loading"}
    if not _update(session, mine, changed):
        return None
    return session.get(Job, job_id, populate_existing=True)


def beat(session: Session, job_id: str, attempt: int, *, progress: int, phase: str) -> bool:
    """Note that the job goes on; return whether it should (False: it is cancelled, or another's by now)."""
    mine = (*_held(job_id, attempt), Job.wants_cancel.is_(False))
    return _update(session, mine, {"seen_at": now(), "progress": progress, "phase": phase})


def end(session: Session, job_id: str, attempt: int, state: str, **changed: Any) -> bool:
    """End a running job, once; return whether this call did so. Settle its cost in the same transaction."""
    assert state in ENDED, state
    return _update(session, _held(job_id, attempt), {"state": state, "phase": state, "ended_at": now(), **changed})


def cancel(session: Session, job_id: str, settle: Settle = settle_nothing) -> bool:
    """Ask for an end: a waiting job ends at once (True), a running one when its worker looks, soon (False)."""
    waiting = (Job.id == job_id, Job.state == QUEUED)
    ended = {"state": CANCELLED, "phase": CANCELLED, "ended_at": now(), "error_code": "cancelled"}
    if _update(session, waiting, {**ended, "error": "cancelled before it began", "wants_cancel": True}):
        settle(session, session.get_one(Job, job_id, populate_existing=True))
        return True
    _update(session, (Job.id == job_id, Job.state == RUNNING), {"wants_cancel": True})
    return False


def hand_back(session: Session, job_id: str, attempt: int, *, lost: bool) -> Job | None:
    """Return a running job to the queue under the next attempt; `lost` counts it as a try.

    None where it was no longer at `attempt`. The caller queues it again, or ends it where its tries are used up.
    """
    changed = {"state": QUEUED, "phase": QUEUED, "attempt": attempt + 1, "worker": None, "progress": 0}
    if not _update(session, _held(job_id, attempt), changed | {"tries": Job.tries + int(lost)}):
        return None
    return session.get(Job, job_id, populate_existing=True)


def gives_way(session: Session, job: Job) -> bool:
    """Return whether a running training should stop for films that are due before it and that no worker has taken.

    Of several trainings the ones that are due last stop first.
    """
    is_urgent = (Job.state == QUEUED, IS_FILM, Job.priority < job.priority)
    query = sa.select(sa.func.count()).select_from(Job)
    waiting = session.scalar(query.where(*is_urgent, Job.created_at < now() - PATIENCE_S)) or 0
    later = sa.tuple_(Job.priority, Job.id) > sa.tuple_(sa.literal(job.priority), sa.literal(job.id))
    return waiting > (session.scalar(query.where(Job.state == RUNNING, Job.kind == TRAINING, later)) or 0)


def silent(session: Session, before: float) -> list[tuple[str, int]]:
    """Return (id, attempt) of the running jobs that nobody has spoken for since `before`."""
    query = sa.select(Job.id, Job.attempt).where(Job.state == RUNNING, Job.seen_at < before)
    return [(job_id, attempt) for job_id, attempt in session.execute(query)]


def ahead(session: Session, job: Job) -> tuple[int, float]:
    """Return how many jobs go before a queued one, and the seconds that those and the running ones still need."""
    sooner = sa.or_(Job.priority < job.priority, sa.and_(Job.priority == job.priority, Job.created_at < job.created_at))
    waiting = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(Job.estimate_s), 0.0)).where(
        Job.state == QUEUED, sooner, Job.id != job.id
    )
    left_s = Job.estimate_s * (100 - Job.progress) / 100.0
    stays = sa.or_(IS_FILM, Job.priority < job.priority)  # other trainings give way
    running = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(left_s), 0.0)).where(Job.state == RUNNING, stays)
    num, seconds = session.execute(waiting).one()
    num_running, seconds_running = session.execute(running).one()
    return num + num_running, float(seconds) + float(seconds_running)


def _held(job_id: str, attempt: int) -> tuple[sa.ColumnElement[bool], ...]:
    return Job.id == job_id, Job.attempt == attempt, Job.state == RUNNING


def _update(session: Session, where: tuple[sa.ColumnElement[bool], ...], changed: dict[str, Any]) -> bool:
    query = sa.update(Job).where(*where).values(**changed).returning(Job.id)
    return session.execute(query.execution_options(synchronize_session=False)).one_or_none() is not None
