"""The queue, and the only file that knows what it is made of: DBOS, on the same database as the jobs."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions
from sqlalchemy.orm import Session

from rushes.serve.client import jobs
from rushes.serve.client.database import Database
from rushes.serve.client.jobs import Job, Order
from rushes.serve.client.trainings import TrainingOrder

FILMS, APPLICATION, VERSION = "films", "rushes", "1"
POLL_S = 0.5
Make = Callable[[str, int], None]


class Queue:
    """Puts jobs in line from any process; it loads no model.

    Submitting belongs to the caller's transaction: a job is in the database and in the queue, or in neither.
    """

    def __init__(self, database: Database) -> None:
        self._client = DBOSClient(
            system_database_url=_url(database), application_name=APPLICATION, lazy=True, retry_connection_errors=False
        )

    def submit(
        self,
        session: Session,
        owner: str,
        order: Order | TrainingOrder,
        *,
        priority: int,
        cost: int = 0,
        estimate_s: float = 0.0,
    ) -> Job:
        """Write a job and queue it, in the transaction of `session`."""
        job = jobs.write(session, owner, order, priority=priority, cost=cost, estimate_s=estimate_s)
        self.put(session, job)
        return job

    def put(self, session: Session, job: Job) -> None:
        """Queue a job's present attempt, in the transaction of `session`."""
        options: EnqueueOptions = {
            "queue_name": FILMS,
            "workflow_name": "make",
            "workflow_id": f"{job.id}.{job.attempt}",
            "priority": job.priority,
            "app_version": VERSION,
        }
        self._client.enqueue_in_transaction(session, options, job.id, job.attempt)

    def drop(self, job_id: str, attempt: int) -> None:
        """Take an attempt out of the queue; a job's row has ended or moved on before."""
        self._client.cancel_workflow(f"{job_id}.{attempt}")

    def close(self) -> None:
        """Give the connections back."""
        self._client.destroy()


def set_up(database: Database) -> None:
    """Make the queue's own tables where they are missing, or bring them up to date."""
    _quiet()
    DBOS.migrate(_url(database))


@contextlib.contextmanager
def listening(database: Database, worker: str, make: Make, drain_s: float):
    """Call `make(job id, attempt)` for one job at a time while the block runs; at its end, wait `drain_s` for the last.

    `worker` is an id that no other process has ever had: with DBOS's own default, one process would take over the
    work that another is still doing.
    """
    _quiet()
    settings: DBOSConfig = {
        "name": APPLICATION,
        "system_database_url": _url(database),
        "executor_id": worker,
        "application_version": VERSION,
        "run_migrations": False,
        "use_listen_notify": False,
        "log_level": "ERROR",
    }
    DBOS(config=settings)

    @DBOS.workflow(name="make")
    def work(job_id: str, attempt: int) -> None:
        make(job_id, attempt)

    DBOS.listen_queues([FILMS])
    DBOS.launch()
    DBOS.register_queue(FILMS, worker_concurrency=1, polling_interval_sec=POLL_S)
    try:
        yield
    finally:
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=int(drain_s))


def _url(database: Database) -> str:
    address: sa.URL = database.url
    plain = address if database.is_sqlite else address.set(drivername="postgresql")
    return plain.render_as_string(hide_password=False)


def _quiet() -> None:
    logging.getLogger("dbos").setLevel(logging.ERROR)
