"""Tests whom a prompt names: one's own trained characters by their words, others' with consent and by name alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import showings
import studio_subjects
import studios
import trained_there
import wires

from rushes.errors import InputError
from rushes.serve.client.jobs import CANCELLED, ENDED, SUCCEEDED, Job, Order
from rushes.serve.film import ShippedFilm
from rushes.studio.errors import RequestError
from rushes.studio.house import House
from rushes.studio.library.drafts import Draft
from rushes.studio.social import adapters, casting, withdrawals
from rushes.studio.social.adapters import Adapter
from rushes.studio.social.characters import ALL
from rushes.types import Condition


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory):
    return studio_subjects.weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, weights) -> Iterator[House]:
    with studios.opened(tmp_path_factory.mktemp("studio"), weights=str(weights)) as house:
        yield house


def order(prompt: str, *conditions: Condition, **said: object) -> Order:
    request = Draft(prompt=prompt, steps="2", **said).order().request
    return Order(request=replace(request, conditions=conditions))


@pytest.mark.parametrize(
    ("prompt", "is_named"),
    [
        ("Mister  Fox hops left", True),
        ("a red cat and @mister fox", True),
        ("mister foxes hop left", False),
        ("mister-fox hops left", False),
        ("a mister and a fox", False),
    ],
)
def test_a_prompt_names_a_word_whole(prompt: str, is_named: bool) -> None:
    assert adapters.says(prompt, Adapter(word="mister fox")) is is_named


def test_ones_own_is_named_by_its_word_and_others_by_their_ids(house: House) -> None:
    ann, bob = (studios.person(house, name, "admin")[0] for name in ("ann", "bob"))
    mine, theirs = showings.caller(ann), showings.caller(bob)
    fox = trained_there.character(house, ann, scope=ALL)
    trained_there.trained(house, ann, fox)
    said = order("mister fox left", tier="flipbook")
    job = casting.ask(house, mine, said, [])
    (named,) = job.extra["adapters"]
    assert (named["character"], job.extra["characters"]) == (fox.id, [fox.id])
    assert house.media.get(named["uri"]) and job.request["prompt"] == "mister fox left"
    assert "adapters" not in casting.ask(house, mine, order("a fox left"), []).extra
    assert "adapters" not in casting.ask(house, theirs, said, []).extra  # it is not his

    lent = casting.ask(house, theirs, order("@Mister Fox left"), [fox.id])
    assert lent.request["prompt"] == "mister fox left" and lent.extra["adapters"] == [named]
    assert not lent.request["conditions"] and "note" not in lent.extra
    asked = Order(request=lent.generation_request(), kind="remix", parent=lent.id)
    remixed = casting.ask(house, theirs, asked, [])
    assert remixed.extra["adapters"] == [named] and remixed.extra["characters"] == [fox.id]
    before = casting.ask(house, mine, order("left"), [fox.id])
    assert before.request["prompt"] == "mister fox, left" and before.extra["adapters"] == [named]

    looped = casting.ask(house, mine, order("mister fox left", Condition(kind="loop")), [fox.id])
    assert looped.extra["adapters"] == [named]

    kite = trained_there.character(house, bob, "Kit", scope=ALL)
    both = casting.ask(house, mine, order("mister fox and Kit"), [kite.id])
    assert both.extra["note"] == "Kit is described in words alone: a film shows trained characters or a still"
    trained_there.trained(house, bob, kite, word="mister fox")
    with pytest.raises(InputError, match="two characters are called 'mister fox'"):
        casting.ask(house, mine, order("mister fox left"), [fox.id, kite.id])

    withdrawals.withdraw(house, mine, fox.id)
    with house.database.read() as session:
        assert session.get_one(Job, lent.id).state == CANCELLED
    with pytest.raises(RequestError, match="no consent"):
        casting.ask(house, theirs, asked, [])
    assert "adapters" not in casting.ask(house, mine, said, []).extra


def test_other_weights_show_a_still_and_say_so(house: House) -> None:
    cid = studios.person(house, "cid")[0]
    fox = trained_there.character(house, cid)
    trained_there.trained(house, cid, fox)
    with house.database.write() as session:
        session.query(Adapter).filter_by(character_id=fox.id).update({"base": "0" * 64})
    job = casting.ask(house, showings.caller(cid), order("mister fox left"), [fox.id])
    assert "adapters" not in job.extra and [one["kind"] for one in job.request["conditions"]] == ["subject"]
    assert job.extra["note"] == "Mister Fox is shown as its still: it was trained for other weights; train it again"


def test_a_worker_makes_films_with_what_was_learned_and_others_stay_as_they_were(house: House, weights) -> None:
    dan = studios.person(house, "dan", "admin")[0]
    fox, mine = trained_there.character(house, dan), showings.caller(dan)
    trained_there.trained(house, dan, fox)
    films = [casting.ask(house, mine, order(prompt, seed="5"), []) for prompt in ("red cat left", "mister fox left")]
    films += [casting.ask(house, mine, order("red cat left", seed="5"), [])]

    def state(film: Job) -> Job:
        with house.database.read() as session:
            return session.get_one(Job, film.id)

    with wires.working(house, ShippedFilm(weights, device="cpu", threads=1)):
        deadline = time.monotonic() + 240
        while any(state(film).state not in ENDED for film in films) and time.monotonic() < deadline:
            time.sleep(0.1)
    made = [state(film) for film in films]
    assert [film.state for film in made] == [SUCCEEDED] * 3, [film.error for film in made]
    pictures = [house.media.get(film.files["thumbnail"]) for film in made]
    assert pictures[0] == pictures[2] != pictures[1]
    assert ["lora" in film.measured["weights"] for film in made] == [False, True, False]
