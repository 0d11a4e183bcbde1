"""Tests the ties between people, on both databases."""

from __future__ import annotations

import threading

import postgres
import pytest
import studios

from rushes.errors import InputError
from rushes.studio.errors import RequestError
from rushes.studio.social import people


@pytest.fixture(scope="module")
def server():
    with postgres.served() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request, tmp_path):
    changed = {}
    if request.param == "postgresql":
        server = request.getfixturevalue("server")
        changed = {"database": server.database(f"t{abs(hash(tmp_path)) % 10**9}")}
    with studios.opened(tmp_path, **changed) as house:
        yield house


def test_ties_are_made_once_and_taken_back(house) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    with house.database.write() as session:
        assert people.tie(session, ann, bob, people.FOLLOW)
        assert not people.tie(session, ann, bob, people.FOLLOW)
        assert people.counts(session, bob.id) == (1, 0) and people.counts(session, ann.id) == (0, 1)
        assert session.scalars(people.friends(ann.id)).all() == []
        people.tie(session, bob, ann, people.FOLLOW)
        assert session.scalars(people.friends(ann.id)).all() == [bob.id]
        people.untie(session, ann, bob, people.FOLLOW)
        assert people.ties(session, ann, bob.id) == frozenset()
        with pytest.raises(InputError, match="yourself"):
            people.tie(session, ann, ann, people.FOLLOW)
        with pytest.raises(InputError, match="legal: follow, block, mute"):
            people.tie(session, ann, bob, "poke")


def test_a_block_ends_follows_both_ways_and_hides_the_blocker(house) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    with house.database.write() as session:
        people.tie(session, ann, bob, people.FOLLOW)
        people.tie(session, bob, ann, people.FOLLOW)
        people.tie(session, ann, bob, people.BLOCK)
        assert people.circle(session, bob.id) == people.Circle(hidden=frozenset({ann.id}))
        assert people.circle(session, ann.id).hidden == {bob.id}
        with pytest.raises(InputError, match="blocks"):
            people.tie(session, bob, ann, people.FOLLOW)
        with pytest.raises(RequestError, match="no person"):
            people.by_handle(session, "@ann", bob)
        assert people.by_handle(session, "bob", ann).id == bob.id
        assert [(u.username, kind) for u, kind in people.hidden_by(session, ann)] == [("bob", "block")]


def test_two_choices_at_once_both_hold(house) -> None:
    ann = studios.person(house, "ann")[0]

    def choose(number: int) -> None:
        with house.database.write() as session:
            people.choose(session, ann.id, **{f"choice{number}": number})

    threads = [threading.Thread(target=choose, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with house.database.read() as session:
        assert session.get_one(people.User, ann.id).settings == {f"choice{n}": n for n in range(8)}


def test_a_profile_has_bounds(house) -> None:
    ann = studios.person(house, "ann")[0]
    with house.database.write() as session:
        people.describe(session, ann, name=" Ann ", bio="boats")
        with pytest.raises(InputError, match="at most 300"):
            people.describe(session, ann, name="Ann", bio="x" * 301)
        ann = people.by_handle(session, "ann", None)
    assert (ann.name, ann.bio) == ("Ann", "boats")
