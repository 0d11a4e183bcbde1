"""Tests that trainings are asked for, paid, followed, ended and forgotten as films are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import showings
import studios
import trained_there

from rushes.errors import InputError
from rushes.serve.client import fairness, jobs
from rushes.serve.client.database import now
from rushes.serve.client.jobs import CANCELLED, QUEUED, Job
from rushes.serve.client.trainings import LATER_S, TRAINING, checkpoint_key
from rushes.studio.errors import RequestError
from rushes.studio.house import House
from rushes.studio.library import films, shelf
from rushes.studio.library.shelf import Shelf
from rushes.studio.money import ledger
from rushes.studio.settings import PlanConfig, PlansConfig
from rushes.studio.social import characters, trainings, withdrawals

PLANS = PlansConfig(free=PlanConfig(delay_s=60, live_jobs=2, monthly_credits=250), plus=PlanConfig(tiers=("short",)))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    changed = {"plans": PLANS}
    if request.param == "postgresql":
        changed["database"] = request.getfixturevalue("postgres_server").database("trainings")
    with studios.opened(tmp_path_factory.mktemp("studio"), **changed) as house:
        yield house


def credits(house: House, user) -> int:
    with house.database.write() as session:
        return ledger.lock(session, user, house.plan(user.plan)).credits


def test_a_training_is_paid_waits_behind_films_and_is_no_film(house: House) -> None:
    ann = studios.person(house, "ann")[0]
    mine, fox = showings.caller(ann), trained_there.character(house, ann)
    job = trainings.ask(house, mine, fox.id, once="first")
    assert trainings.ask(house, mine, fox.id, once="first").id == job.id
    assert (job.state, job.kind, job.tier, job.cost, job.estimate_s > 60) == (QUEUED, TRAINING, TRAINING, 100, True)
    assert job.priority == pytest.approx(fairness.due(now(), 60 + LATER_S, 0, 0), abs=5)
    asked = job.training_request()
    assert (asked.name, asked.like, len(asked.stills), asked.character) == ("mister fox", "", 5, fox.id)
    assert all(house.media.get(key)[8:12] == b"WEBP" for key in asked.stills)
    assert credits(house, ann) == 150
    with pytest.raises(RequestError, match="Mister Fox is being trained already"):
        trainings.ask(house, mine, fox.id)
    with house.database.read() as session:
        assert films.listed(session, mine, after="", limit=9, order="asc") == ([], False)
        assert shelf.search(session, ann.id, Shelf()) == ([], False)
        assert shelf.own_films(session, ann.id, [job.id]) == []
        with pytest.raises(RequestError, match="there is no video"):
            films.own(session, mine, job.id)
        lesson = trainings.lesson(house, session, mine, fox)
        assert lesson.is_live and lesson.left_s >= job.estimate_s and "trained already" in lesson.why_not
    ended = trainings.cancel(house, mine, fox.id)
    assert (ended.state, trainings.cancel(house, mine, fox.id).state) == (CANCELLED, CANCELLED)
    assert credits(house, ann) == 250
    again = trainings.ask(house, mine, fox.id, word="Reynard the-fox", like="orange cat")
    assert again.training_request().name == "reynard the-fox" and again.training_request().like == "orange cat"
    trained_there.ended(house, again)
    assert credits(house, ann) == 150
    with house.database.read() as session:
        lesson = trainings.lesson(house, session, mine, fox)
        assert lesson.adapter is not None and not lesson.why_not and not lesson.is_live
        assert (lesson.adapter.word, lesson.adapter.num_stills) == ("reynard the-fox", 5)
        assert lesson.estimate_s == pytest.approx(9.0)  # as the last one took


def test_what_cannot_be_trained_is_said_in_a_line(house: House) -> None:
    bob, eve, max_ = (studios.person(house, *who)[0] for who in (("bob",), ("eve",), ("max", "plus")))
    mine, few = showings.caller(bob), trained_there.character(house, bob, "Kit", num=4)
    fox = trained_there.character(house, bob)
    for one, said, error in (
        (few, {}, "Kit has 4 stills; 5 are needed to train it"),
        (fox, {"word": "f\u00fcchslein"}, "prompts can't say"),
        (fox, {"word": "fox fox"}, "1 to 4 different words"),
        (fox, {"word": "red cat"}, "'red cat' means something to the model"),
        (fox, {"like": "griffin"}, "the model was not taught 'griffin'"),
    ):
        with pytest.raises(InputError, match=error):
            trainings.ask(house, mine, one.id, **said)
    with pytest.raises(RequestError, match="there is no character"):
        trainings.ask(house, showings.caller(eve), fox.id)
    with pytest.raises(RequestError) as caught:
        trainings.ask(house, showings.caller(max_), trained_there.character(house, max_).id)
    assert caught.value.code == "tier_not_in_plan"
    trained_there.trained(house, bob, fox)
    twin = trained_there.character(house, bob, "Twin")
    with pytest.raises(InputError, match="prompts call Mister Fox 'mister fox' already"):
        trainings.ask(house, mine, twin.id, word="mister fox")
    withdrawals.withdraw(house, mine, twin.id)
    with pytest.raises(RequestError, match="taken back for good"):
        trainings.ask(house, mine, twin.id)


def test_withdrawing_deletes_what_was_learned_and_what_is_being_learned(house: House) -> None:
    cid = studios.person(house, "cid")[0]
    mine, fox = showings.caller(cid), trained_there.character(house, cid)
    place = characters.folder(fox)
    trained_there.trained(house, cid, fox)
    (first,) = [key for key in house.media.list(place) if key.endswith(".safetensors")]
    trained_there.trained(house, cid, fox)
    (second,) = [key for key in house.media.list(place) if key.endswith(".safetensors")]
    assert first != second  # the one before is gone
    with house.database.write() as session:
        job = trainings.latest(session, fox)
        assert job is not None
        job.state = QUEUED
    house.media.put(checkpoint_key(job.id), b"how it looks, half learned")
    withdrawals.withdraw(house, mine, fox.id)
    assert house.media.list(place) == [] and house.media.list(f"films/{job.id}/") == []
    with house.database.read() as session:
        assert session.get_one(Job, job.id).state == CANCELLED
        assert trainings.lesson(house, session, mine, fox).adapter is None
    withdrawals.delete(house, mine, fox.id)
    with house.database.read() as session:
        assert session.get(Job, job.id) is None


def test_a_training_that_ends_after_the_consent_leaves_nothing(house: House) -> None:
    dan = studios.person(house, "dan")[0]
    fox = trained_there.character(house, dan)
    job = trainings.ask(house, showings.caller(dan), fox.id)
    with house.database.write() as session:
        assert jobs.claim(session, job.id, 0, "slow") is not None
    withdrawals.withdraw(house, showings.caller(dan), fox.id)
    with house.database.write() as session:
        jobs.hand_back(session, job.id, 0, lost=False)
        late = session.get_one(Job, job.id, populate_existing=True)
    trained_there.ended(house, late)
    assert house.media.list(characters.folder(fox)) == []


def test_further_stills_need_their_own_consent_and_are_counted(house: House) -> None:
    fay = studios.person(house, "fay")[0]
    mine, fox = showings.caller(fay), trained_there.character(house, fay, num=2)
    more = [trained_there.subject(number) for number in range(2, 20)]
    with house.database.write() as session:
        characters.add_stills(house, session, mine, fox.id, more[:3], characters.WORDING)
        kept = characters.stills(session, fox)
        assert [one.position for one in kept] == list(range(5)) and [one.is_best for one in kept] == [True] + [
            False
        ] * 4
        assert characters.record(session, fox)[0].wording == characters.WORDING
        assert trainings.lesson(house, session, mine, fox).why_not == ""
        with pytest.raises(InputError, match="23 stills of a character; legal: 1 to 20"):
            characters.add_stills(house, session, mine, fox.id, more, characters.WORDING)
