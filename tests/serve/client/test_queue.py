"""Tests of the queue: a flood waits behind others' first films, on both databases, and each attempt comes once."""

from __future__ import annotations

import threading
import time

import postgres
import pytest

from rushes.serve.client import fairness, queue
from rushes.serve.client.database import Database, now
from rushes.serve.client.jobs import Order
from rushes.types import GenerationRequest, VideoShape

REQUEST = GenerationRequest(
    prompt="a boat", shape=VideoShape(frames=8, height=64, width=64), fps=8, num_steps=2, guidance_scale=1.0
)
FREE_S, OWN_S = 600.0, 30.0


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    if request.param == "sqlite":
        made = Database(f"sqlite:///{tmp_path / 'q.db'}")
        made.create()
        yield made
        made.close()
        return
    with postgres.served() as server:
        made = Database(server.database("queue"))
        made.create()
        yield made
        made.close()


def test_a_pro_film_is_next_though_a_thousand_free_ones_wait_and_newcomers_do_not_starve(database):
    queue.set_up(database)
    line = queue.Queue(database)

    def send(owner: str, delay_s: float, waiting: int, sent_at: float) -> str:
        due = fairness.due(sent_at, delay_s, waiting, OWN_S)
        return line.submit(session, owner, Order(request=REQUEST), priority=due).id

    with database.write() as session:
        flood = [send("flood", FREE_S, waiting, now()) for waiting in range(1000)]
        newcomer = send("newcomer", FREE_S, 0, now() + 60)
        pro = send("pro", 0.0, 0, now() + 60)
    made: list[str] = []
    enough = threading.Event()

    def make(job_id: str, attempt: int) -> None:
        made.append(job_id)
        if len(made) >= 6:
            enough.set()
            time.sleep(0.5)

    with queue.listening(database, "only", make, 2):
        assert enough.wait(60)
    assert made[0] == pro
    assert made[1:4] == flood[:3] and newcomer in made[1:6]
    assert len(made) == len(set(made))
    line.close()
