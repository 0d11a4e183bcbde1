"""Tests how characters come into films: in words, in pictures where the model can see them, and with consent alone."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import showings
import studio_subjects
import studios
import wires

from rushes.errors import InputError
from rushes.serve.client.jobs import ENDED, SUCCEEDED, Job, Order
from rushes.serve.film import ShippedFilm
from rushes.studio.errors import RequestError
from rushes.studio.library import subjects
from rushes.studio.library.drafts import Draft
from rushes.studio.social import casting, characters, withdrawals
from rushes.studio.social.characters import ALL, Character
from rushes.types import Condition


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return studio_subjects.weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def house(tmp_path, weights):
    with studios.opened(tmp_path, weights=str(weights)) as house:
        yield house


def made(house, user, *pictures: bytes, name: str = "Reynard", look: str = "a red fox in a coat") -> Character:
    with house.database.write() as session:
        character = characters.create(session, showings.caller(user), name=name, look=look, scope=ALL)
        if pictures:
            characters.give_stills(house, session, character, [subjects.drawn(one) for one in pictures])
    return character


def order(prompt: str, *conditions: Condition, **said: object) -> Order:
    request = Draft(prompt=prompt, **said).order().request
    return Order(request=replace(request, conditions=conditions))


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("@Reynard drifts left", "a red fox in a coat drifts left"),
        ("Reynard and a cat", "a red fox in a coat and a cat"),
        ("drifts left", "a red fox in a coat, drifts left"),
        ("Reynards drift left", "a red fox in a coat, Reynards drift left"),
        ("A red fox in a coat at night", "A red fox in a coat at night"),
    ],
)
def test_a_look_stands_where_the_name_does(prompt: str, said: str) -> None:
    assert casting.told(prompt, Character(name="Reynard", look="a red fox in a coat")) == said


def test_a_picture_is_shown_where_it_can_be_and_what_is_not_is_said(house, tmp_path) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    fox = made(house, ann, studio_subjects.FOX, studio_subjects.KITE)
    kite = made(house, ann, studio_subjects.KITE, name="Kitty", look="a blue kite")
    words = made(house, ann, name="Moon", look="a yellow moon")

    def cast(asked: Order, *cast: Character) -> Order:
        with house.database.read() as session:
            return casting.cast(house, session, showings.caller(bob), asked, [one.id for one in cast])

    shown = cast(order("@Reynard drifts left"), fox)
    (subject,) = shown.request.conditions
    assert subject.kind == "subject" and subject.uri.startswith(f"characters/{ann.id}/{fox.id}/")
    assert house.media.get(subject.uri)[8:12] == b"WEBP"
    assert shown.extra == {"characters": [fox.id]} and shown.request.prompt == "a red fox in a coat drifts left"

    three = cast(order("over the hills"), words, fox, kite)
    assert three.request.prompt == "a yellow moon, a red fox in a coat, a blue kite, over the hills"
    assert [one.uri for one in three.request.conditions] == [subject.uri]
    assert three.extra["note"] == (
        "Moon is described in words alone: there is no picture of it; "
        "Kitty is described in words alone: a film can be shown one subject"
    )
    for asked in (order("a fox", Condition(kind="remix", uri="a.mp4")), order("a fox", tier="still")):
        told = cast(asked, fox)
        assert told.request.conditions == (*asked.request.conditions, subject) and "note" not in told.extra
    with studios.opened(tmp_path / "blind", weights=str(tmp_path)) as blind:
        eve = studios.person(blind, "eve")[0]
        one = made(blind, eve, studio_subjects.FOX)
        with blind.database.read() as session:
            told = casting.cast(blind, session, showings.caller(eve), order("a fox"), [one.id])
    assert told.request.conditions == () and "not known on this machine" in told.extra["note"]


def test_without_consent_nobody_is_cast_nor_kept_in_a_remix(house) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    fox, theirs = made(house, ann, studio_subjects.FOX), showings.caller(bob)
    job = casting.ask(house, theirs, order("@Reynard drifts left"), [fox.id])
    again = Order(request=job.generation_request(), kind="remix", parent=job.id)
    second = casting.ask(house, theirs, again, [])
    assert second.extra["characters"] == [fox.id] and second.request["conditions"] == job.request["conditions"]
    withdrawals.withdraw(house, showings.caller(ann), fox.id)
    for asked, ids in ((again, []), (order("a boat"), [fox.id])):
        with pytest.raises(RequestError, match="no consent") as caught:
            casting.ask(house, theirs, asked, ids)
        assert caught.value.status == 403
    with pytest.raises(InputError, match="at most 5"):
        casting.ask(house, theirs, order("a boat"), [fox.id] * 6)


def test_a_subject_is_in_the_film_that_a_worker_makes(house, weights) -> None:
    ann = studios.person(house, "ann", plan="admin")[0]
    fox, mine = made(house, ann, studio_subjects.FOX), showings.caller(ann)
    plain = order("red cat left", steps="2", seed="5")
    films = [casting.ask(house, mine, plain, []), casting.ask(house, mine, plain, [fox.id])]
    told = Order(request=replace(plain.request, prompt=films[1].request["prompt"]))
    films.append(casting.ask(house, mine, told, []))
    with wires.working(house, ShippedFilm(weights, device="cpu", threads=1)):
        deadline = time.monotonic() + 60
        while any(_state(house, film) not in ENDED for film in films) and time.monotonic() < deadline:
            time.sleep(0.1)
    assert [_state(house, film) for film in films] == [SUCCEEDED] * 3
    with house.database.read() as session:
        content = [house.media.get(session.get_one(Job, film.id).files["thumbnail"]) for film in films]
    assert content[1] != content[2]  # the same words, and a picture


def test_weights_that_see_nothing_refuse_a_subject_at_once(tmp_path) -> None:
    with studios.opened(tmp_path) as house:  # whatever weights are shipped, these are said to be blind
        film = tmp_path / "blind" / "film"
        film.mkdir(parents=True)
        (film / "config.json").write_text('{"config": {"layout": true, "text": {"words": []}}}')
        (film / "synonyms.json").write_text("{}")
    with studios.opened(tmp_path, weights=str(film.parent)) as house:
        ann = studios.person(house, "ann")[0]
        key = subjects.drawn(studio_subjects.FOX).keep(house.media, f"inputs/{ann.id}/")
        asked = order("a fox", Condition(kind="subject", uri=key))
        with pytest.raises(RequestError, match="can't be shown a subject; take others, or name none") as caught:
            casting.ask(house, showings.caller(ann), asked, [])
        assert (caught.value.status, caught.value.param) == (400, "subject_reference")


def _state(house, film: Job) -> str:
    with house.database.read() as session:
        return session.get_one(Job, film.id).state
