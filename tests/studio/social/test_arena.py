"""Tests the arena: which pairs are drawn, that a vote counts once, and who wins."""

from __future__ import annotations

import numpy as np
import pytest
import showings
import studios

from rushes.errors import InputError
from rushes.studio.errors import RequestError
from rushes.studio.social import arena, people, posts
from rushes.studio.social.arena import LEFT, RIGHT, TIE, Battle


@pytest.fixture
def house(tmp_path):
    with studios.opened(tmp_path) as house:
        yield house


def drawn(house, voter, seed=1) -> Battle | None:
    with house.database.write() as session:
        return arena.next_battle(session, voter, seed)


def test_a_pair_is_two_films_of_one_prompt_by_others_and_waits_for_its_vote(house) -> None:
    ann, bob, cy = (studios.person(house, name)[0] for name in ("ann", "bob", "cy"))
    one, other = showings.shown(house, ann, "A Boat"), showings.shown(house, bob, "a  boat")
    showings.shown(house, ann, "a cat")
    showings.shown(house, bob, "a cat", visibility=posts.PRIVATE)
    assert drawn(house, ann) is None  # her own against another's
    battle = drawn(house, cy)
    assert {battle.left, battle.right} == {one.job_id, other.job_id} and battle.propensity == 0.5
    assert drawn(house, cy, seed=2).id == battle.id
    with house.database.write() as session:
        with pytest.raises(RequestError, match="no open pair"):
            arena.vote(session, bob, battle.id, LEFT)
        with pytest.raises(InputError, match="legal: left, right, tie"):
            arena.vote(session, cy, battle.id, "both")
        assert arena.vote(session, cy, battle.id, RIGHT).choice == RIGHT
        with pytest.raises(RequestError, match="no open pair"):
            arena.vote(session, cy, battle.id, LEFT)
    assert drawn(house, cy) is None


def test_sides_and_pairs_are_drawn_evenly_and_people_kept_apart_stay_apart(house) -> None:
    ann, bob, cy = (studios.person(house, name)[0] for name in ("ann", "bob", "cy"))
    for seed in range(3):
        showings.shown(house, ann, "a boat", seed=seed)
    seen = set()
    for seed in range(40):
        with house.database.write() as session:
            battle = arena.next_battle(session, bob, seed)
            seen.add((battle.left, battle.right))
            assert battle.propensity == pytest.approx(1 / 6)
            session.rollback()
    assert len(seen) == 6
    with house.database.write() as session:
        people.tie(session, ann, cy, people.BLOCK)
    assert drawn(house, cy) is None


def test_two_own_films_make_a_pair_though_nobody_else_sees_them(house) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    films = {showings.film(house, ann, "a boat").id for _ in range(2)}
    battle = drawn(house, ann)
    assert {battle.left, battle.right} == films
    assert drawn(house, bob) is None


def test_strengths_recover_who_is_better() -> None:
    rng, true = np.random.default_rng(0), np.array([0.25, 0.5, 1.0, 2.0, 4.0])
    wins = []
    for _ in range(3000):
        i, j = rng.choice(5, 2, replace=False)
        wins.append((int(i), int(j), float(rng.random() < true[i] / (true[i] + true[j]))))
    assert arena.strengths(5, wins) == pytest.approx(true, rel=0.25)
    assert arena.strengths(2, [(0, 1, 0.5)] * 9) == pytest.approx([1, 1])
    assert len(arena.strengths(0, [])) == 0
    few, many = arena.strengths(2, [(0, 1, 1.0)])[0], arena.strengths(2, [(0, 1, 1.0)] * 30)[0]
    assert 1 < few < 2 < many


def test_a_clear_winner_is_a_source_of_the_feed(house) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    good, bad = showings.shown(house, ann, "a boat"), showings.shown(house, bob, "a boat")
    with house.database.read() as session:
        assert arena.winners(session) == [] and arena.standings(session) == []
    for number in range(4):
        voter = studios.person(house, f"voter{number}")[0]
        battle = drawn(house, voter, seed=number)
        choice = LEFT if battle.left == good.job_id else RIGHT
        with house.database.write() as session:
            arena.vote(session, voter, battle.id, choice if number else TIE)
    with house.database.read() as session:
        assert arena.winners(session) == [good.id]
        first, last = arena.standings(session)
        assert (first.name, last.name, first.votes, first.share) == (good.job_id, bad.job_id, 4, 0.875)
        assert arena.standings(session, by="model") == []  # both come from the same model
