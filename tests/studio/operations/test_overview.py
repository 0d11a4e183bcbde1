"""Tests what admins see: counts, the line, what films took, and failed films that get another chance."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from browsers import finished_film
from studios import opened, person

from rushes.serve.client import jobs
from rushes.serve.client.jobs import Job
from rushes.studio.errors import RequestError
from rushes.studio.library.drafts import Draft
from rushes.studio.operations import overview


@pytest.fixture
def house(tmp_path):
    with opened(tmp_path) as house:
        yield house


def test_an_empty_studio_is_quiet(house) -> None:
    with house.database.read() as session:
        seen = overview.look(session)
    assert set(seen.states.values()) == {0} and seen.waiting_s == 0 and seen.took == [] and seen.num_users == 0


def test_everything_is_counted(house) -> None:
    user, _ = person(house, "mara")
    finished_film(house, user, "a boat")
    with house.database.write() as session:
        house.queue.submit(session, user.id, Draft(prompt="a cat").order(), priority=2)
        first = house.queue.submit(session, "user_gone", Draft(prompt="a dog").order(), priority=1)
        seen = overview.look(session)
    assert (seen.states["queued"], seen.states["succeeded"], seen.num_users, seen.new_users) == (2, 1, 1, 1)
    assert [(job.id == first.id, name) for job, name in seen.queue] == [(True, ""), (False, "mara")]
    assert seen.took == [("flipbook", 1, 2.9, 2.9, None)] and seen.credits == 2


def test_a_failed_film_is_queued_once_more_and_only_once(house) -> None:
    with house.database.write() as session:
        job = house.queue.submit(session, "user_a", Draft(prompt="a cat").order(), priority=2, cost=5)
        with pytest.raises(RequestError, match="no failed film"):
            overview.again(house, session, job.id)
        ended = {"state": jobs.FAILED, "error": "its worker was lost", "tries": 3, "ended_at": 1.0}
        session.execute(sa.update(Job).where(Job.id == job.id).values(**ended))
        fresh = overview.again(house, session, job.id)
        assert (fresh.state, fresh.attempt, fresh.tries, fresh.cost, fresh.error) == (jobs.QUEUED, 1, 0, 0, None)
        with pytest.raises(RequestError, match="no failed film"):
            overview.again(house, session, job.id)
