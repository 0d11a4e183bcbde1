"""The studio at a glance, for its admins: what waits, who works, what failed, what films took."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from rushes.serve.client import jobs, workers
from rushes.serve.client.database import now
from rushes.serve.client.jobs import Job
from rushes.serve.client.workers import Worker
from rushes.studio.errors import unknown
from rushes.studio.house import House
from rushes.studio.members.accounts import User

SHOWN = 50
DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Counts, rows and costs; `took` has a row for each tier: films, seconds (median, largest), joules or None."""

    states: dict[str, int]
    waiting_s: float
    queue: list[tuple[Job, str]]
    failed: list[tuple[Job, str]]
    workers: list[Worker]
    num_users: int
    new_users: int
    credits: int
    took: list[tuple[str, int, float, float, float | None]]


def look(session: Session) -> Overview:
    """Return what an admin wants to know."""
    live = _rows(session, Job.state.in_(jobs.LIVE), Job.state.desc(), Job.priority, Job.created_at)
    oldest = session.scalar(sa.select(sa.func.min(Job.created_at)).where(Job.state == jobs.QUEUED))
    today = now() - DAY_S
    return Overview(
        states=states(session),
        waiting_s=now() - oldest if oldest else 0.0,
        queue=live,
        failed=_rows(session, Job.state == jobs.FAILED, Job.ended_at.desc()),
        workers=workers.alive(session),
        num_users=session.scalar(sa.select(sa.func.count()).select_from(User)) or 0,
        new_users=session.scalar(sa.select(sa.func.count()).select_from(User).where(User.created_at > today)) or 0,
        credits=session.scalar(sa.select(sa.func.coalesce(sa.func.sum(Job.cost), 0)).where(_made_since(today))) or 0,
        took=_took(session, today),
    )


def states(session: Session) -> dict[str, int]:
    """Return how many jobs are in each state."""
    query = sa.select(Job.state, sa.func.count()).group_by(Job.state)
    counted = {state: num for state, num in session.execute(query)}
    return {state: counted.get(state, 0) for state in (*jobs.LIVE, *jobs.ENDED)}


def again(house: House, session: Session, job_id: str) -> Job:
    """Queue a failed job once more, for free: what it cost was given back when it failed. Raises: RequestError 404."""
    query = sa.update(Job).where(Job.id == job_id, Job.state == jobs.FAILED).returning(Job.id)
    fresh = {"state": jobs.QUEUED, "phase": jobs.QUEUED, "attempt": Job.attempt + 1, "tries": 0, "progress": 0}
    fresh |= {"error": None, "error_code": None, "ended_at": None, "worker": None, "cost": 0, "wants_cancel": False}
    if session.execute(query.values(**fresh).execution_options(synchronize_session=False)).one_or_none() is None:
        raise unknown("failed film", job_id[:80])
    job = session.get_one(Job, job_id, populate_existing=True)
    house.queue.put(session, job)
    return job


def _rows(session: Session, which: sa.ColumnElement[bool], *order: Any) -> list[tuple[Job, str]]:
    """Return jobs with their owners' usernames; an owner may be gone."""
    query = (
        sa.select(Job, User.username).outerjoin(User, User.id == Job.owner).where(which).order_by(*order).limit(SHOWN)
    )
    return [(job, name or "") for job, name in session.execute(query)]


def _made_since(moment: float) -> sa.ColumnElement[bool]:
    return sa.and_(Job.state == jobs.SUCCEEDED, Job.ended_at > moment)


def _took(session: Session, since: float) -> list[tuple[str, int, float, float, float | None]]:
    by_tier: dict[str, list[dict]] = {}
    query = sa.select(Job.tier, Job.measured).where(_made_since(since)).order_by(Job.ended_at.desc()).limit(5_000)
    for tier, measured in session.execute(query):
        by_tier.setdefault(tier, []).append(measured)
    rows = []
    for tier, films in sorted(by_tier.items()):
        lengths = [film["seconds"] for film in films if "seconds" in film] or [0.0]
        joules = [film["energy_j"] for film in films if film.get("energy_j") is not None]
        energy = statistics.median(joules) if joules else None
        rows.append((tier, len(films), statistics.median(lengths), max(lengths), energy))
    return rows
