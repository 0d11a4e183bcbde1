"""Films as their owners use them: asked for, looked up, listed, cancelled and deleted; each for its owner alone."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from starlette.datastructures import UploadFile

from rushes.errors import RushesError
from rushes.media import metadata
from rushes.serve.client import jobs
from rushes.serve.client.jobs import Job, Order
from rushes.studio import orders
from rushes.studio.errors import RequestError, unknown
from rushes.studio.house import House
from rushes.studio.members.accounts import Caller
from rushes.studio.money import ledger
from rushes.studio.trust import moderation
from rushes.studio.wire import webhooks

JOB_ID = re.compile(r"video_[0-9a-f]{32}")
LARGEST_PAGE = 100
END_S, LOOK_S = 3.0, 0.1  # how long a deletion waits for the worker to let go of a film


def settle(session: Session, job: Job) -> None:
    """Do what belongs to a job's end, in the transaction that ends it."""
    ledger.settle(session, job)
    webhooks.on_end(session, job)


def ask(house: House, caller: Caller, order: Order) -> Job:
    """Place an order in a transaction of its own; a key that is sent again gets the first film again.

    Raises:
        RequestError: 400 where the same idempotency key came with another order, 404 for a parent that is not the
            caller's; else as `orders.place`.
    """
    if order.parent is not None:
        with house.database.read() as session:
            own(session, caller, order.parent)
    moderation.check(house, order.request.prompt)  # remembered, so that no endpoint is asked while the database is held
    try:
        with house.database.write() as session:
            job = orders.place(house, session, caller, order)
    except IntegrityError:
        if order.once is None:
            raise
        with house.database.write() as session:  # the same order arrived twice at once, and the other was first
            job = orders.place(house, session, caller, order)
    if order.once is not None and job.extra.get("asked") != order.extra.get("asked"):
        said = "this Idempotency-Key came with another request before; each new film needs a new key"
        raise RequestError(400, "idempotency_key_reused", said)
    return job


def own(session: Session, caller: Caller, job_id: str) -> Job:
    """Return the caller's film. Raises: RequestError 404; whose it is otherwise, nobody learns."""
    job = jobs.find(session, job_id, caller.user.id) if JOB_ID.fullmatch(job_id) else None
    if job is None:
        raise unknown("video", job_id[:80])
    return job


def finished(session: Session, caller: Caller, job_id: str) -> Job:
    """Return the caller's film, which is whole. Raises: RequestError 404, or 400 while there is nothing to go on."""
    job = own(session, caller, job_id)
    if job.state != jobs.SUCCEEDED:
        raise RequestError(400, "video_not_completed", f"{job.id} is {job.state}; only a completed film can be reused")
    return job


def named(value: object) -> str | None:
    """Return the id of the film that a body names: as text, as `{"id": ...}`, or by its own file; None for others."""
    if isinstance(value, UploadFile):
        return _recognised(value.file)
    job_id = value.get("id") if isinstance(value, dict) else value
    return job_id if isinstance(job_id, str) else None


def _recognised(file: BinaryIO) -> str | None:
    """Return the id of the film that an uploaded file's record says it is."""
    with tempfile.NamedTemporaryFile(prefix="rushes-") as copy:
        shutil.copyfileobj(file, copy)
        copy.flush()
        try:
            return str(metadata.read_request(Path(copy.name)).get("job"))
        except RushesError:
            return None


def listed(session: Session, caller: Caller, *, after: str, limit: int, order: str) -> tuple[list[Job], bool]:
    """Return one page of the caller's films from the one after `after` on, and whether there are more."""
    query = sa.select(Job).where(Job.owner == caller.user.id, jobs.IS_FILM)
    place = sa.tuple_(Job.created_at, Job.id)
    if after:
        last = own(session, caller, after)
        mark = sa.tuple_(sa.literal(last.created_at), sa.literal(last.id))
        query = query.where(place > mark if order == "asc" else place < mark)
    columns = (Job.created_at, Job.id)
    query = query.order_by(*(column.asc() if order == "asc" else column.desc() for column in columns))
    page = list(session.scalars(query.limit(limit + 1)))
    return page[:limit], len(page) > limit


def cancel(house: House, caller: Caller, job_id: str) -> Job:
    """Ask for a film's end and return it as it then is; one that has ended stays as it is."""
    with house.database.write() as session:
        job = own(session, caller, job_id)
        attempt = job.attempt
        has_ended = jobs.cancel(session, job_id, settle)
        session.refresh(job)
    if has_ended:
        house.queue.drop(job_id, attempt)
    return job


def delete(house: House, caller: Caller, job_id: str) -> None:
    """Forget a film and its files; one that is being made is cancelled first.

    Raises:
        RequestError: 404, or 409 where its worker has not let go of it yet.
    """
    deadline = time.monotonic() + END_S
    while cancel(house, caller, job_id).state in jobs.LIVE:
        if time.monotonic() > deadline:
            raise RequestError(409, "video_not_ended", f"{job_id} is being cancelled; delete it again soon", retry_s=1)
        time.sleep(LOOK_S)
    with house.database.write() as session:
        session.execute(sa.delete(Job).where(Job.id == job_id, Job.state.in_(jobs.ENDED)))
    for key in house.media.list(f"films/{job_id}/"):
        house.media.delete(key)
