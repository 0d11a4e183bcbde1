"""Tests of jobs: each ends once, an old attempt changes nothing, a cancelled one never succeeds; on both databases."""

import threading

import postgres
import pytest

from rushes.serve.client import jobs, queue
from rushes.serve.client.database import Database, now
from rushes.serve.client.jobs import Order
from rushes.types import GenerationRequest, VideoShape

REQUEST = GenerationRequest(
    prompt="a boat", shape=VideoShape(frames=8, height=64, width=64), fps=8, num_steps=2, guidance_scale=1.0
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request, tmp_path_factory):
    if request.param == "sqlite":
        made = Database(f"sqlite:///{tmp_path_factory.mktemp('jobs') / 'jobs.db'}")
        made.create()
        yield made
        made.close()
        return
    with postgres.served() as server:
        made = Database(server.database("jobs"))
        made.create()
        yield made
        made.close()


def send(database: Database, **changed):
    with database.write() as session:
        order = Order(request=REQUEST, **{key: value for key, value in changed.items() if key == "once"})
        priority = changed.get("priority", 1)
        return jobs.write(session, changed.get("owner", "ann"), order, priority=priority, cost=3, estimate_s=2.0)


def state(database: Database, job_id: str) -> jobs.Job:
    with database.read() as session:
        return session.get_one(jobs.Job, job_id)


def test_a_job_goes_from_queued_to_its_end_and_keeps_its_request(database):
    job = send(database)
    assert job.generation_request() == REQUEST
    with database.write() as session:
        assert jobs.claim(session, job.id, 0, "w").state == jobs.RUNNING
        assert jobs.beat(session, job.id, 0, progress=40, phase="denoising")
        assert jobs.end(session, job.id, 0, jobs.SUCCEEDED, files={"video": "k"})
    ended = state(database, job.id)
    assert (ended.state, ended.progress, ended.files) == (jobs.SUCCEEDED, 40, {"video": "k"})
    assert ended.started_at <= ended.ended_at


def test_of_many_that_claim_or_end_a_job_one_does(database):
    job, wins = send(database), []

    def grab(name: str) -> None:
        with database.write() as session:
            if jobs.claim(session, job.id, 0, name):
                wins.append(name)
        with database.write() as session:
            if jobs.end(session, job.id, 0, jobs.SUCCEEDED):
                wins.append("end")

    threads = [threading.Thread(target=grab, args=(f"w{index}",)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 2 and wins.count("end") == 1


def test_a_worker_that_was_thought_dead_can_change_nothing(database):
    job = send(database)
    with database.write() as session:
        jobs.claim(session, job.id, 0, "old")
        assert jobs.hand_back(session, job.id, 0, lost=True).tries == 1
        jobs.claim(session, job.id, 1, "new")
    with database.write() as session:
        assert not jobs.beat(session, job.id, 0, progress=99, phase="painting")
        assert not jobs.end(session, job.id, 0, jobs.SUCCEEDED)
        assert jobs.hand_back(session, job.id, 0, lost=True) is None
        assert jobs.end(session, job.id, 1, jobs.FAILED, error_code="x", error="y")
    assert state(database, job.id).state == jobs.FAILED


def test_a_waiting_job_is_cancelled_at_once_and_settled_once(database):
    job, settled = send(database), []
    with database.write() as session:
        assert jobs.cancel(session, job.id, lambda _, ended: settled.append(ended.state))
        assert not jobs.cancel(session, job.id, lambda _, ended: settled.append(ended.state))
        assert jobs.claim(session, job.id, 0, "w") is None
    assert settled == [jobs.CANCELLED] == [state(database, job.id).state]


def test_a_running_job_hears_that_it_is_unwanted(database):
    job = send(database)
    with database.write() as session:
        jobs.claim(session, job.id, 0, "w")
        assert not jobs.cancel(session, job.id)
    with database.write() as session:
        assert not jobs.beat(session, job.id, 0, progress=1, phase="denoising")


def test_an_owners_key_finds_the_job_that_was_sent_before(database):
    job = send(database, owner="once", once="k1")
    with database.read() as session:
        assert jobs.repeated(session, "once", "k1").id == job.id
        assert jobs.repeated(session, "other", "k1") is None
        assert jobs.repeated(session, "once", None) is None
        assert jobs.live_count(session, "once") == 1
        assert jobs.find(session, job.id, "other") is None


def test_who_is_ahead_counts_sooner_jobs_and_what_running_ones_still_need(database):
    with database.write() as session:
        for job_id, attempt in jobs.silent(session, now() + 1):
            jobs.end(session, job_id, attempt, jobs.FAILED)
        session.query(jobs.Job).filter(jobs.Job.state == jobs.QUEUED).delete()
    first, later, last = (send(database, priority=priority) for priority in (1, 2, 3))
    with database.write() as session:
        jobs.claim(session, first.id, 0, "w")
        jobs.beat(session, first.id, 0, progress=50, phase="denoising")
    with database.read() as session:
        assert jobs.ahead(session, last) == (2, pytest.approx(1.0 + 2.0))
        assert jobs.ahead(session, later) == (1, pytest.approx(1.0))


def test_a_job_and_its_place_in_the_queue_are_written_together_or_not_at_all(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'q.db'}")
    database.create()
    queue.set_up(database)
    line = queue.Queue(database)
    with pytest.raises(ZeroDivisionError), database.write() as session:
        line.submit(session, "ann", Order(request=REQUEST), priority=1)
        raise ZeroDivisionError
    with database.write() as session:
        kept = line.submit(session, "ann", Order(request=REQUEST), priority=1)
    with database.engine.connect() as connection:
        queued = connection.exec_driver_sql("SELECT workflow_uuid FROM workflow_status").scalars().all()
        rows = connection.exec_driver_sql("SELECT id FROM jobs").scalars().all()
    assert queued == [f"{kept.id}.0"] and rows == [kept.id]
    line.close()
    database.close()
