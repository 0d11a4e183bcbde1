"""Tests that a row is written once, by however many at a time."""

from __future__ import annotations

import threading

import studios

from rushes.serve.client.database import now
from rushes.studio import rows
from rushes.studio.social.people import Tie


def test_of_many_at_once_one_writes(tmp_path) -> None:
    with studios.opened(tmp_path) as house:
        ann, bob = (studios.person(house, name)[0].id for name in ("ann", "bob"))
        won = []

        def add() -> None:
            with house.database.write() as session:
                won.append(rows.add_once(session, Tie, user_id=ann, other_id=bob, kind="follow", created_at=now()))

        threads = [threading.Thread(target=add) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(won) == [False] * 7 + [True]
