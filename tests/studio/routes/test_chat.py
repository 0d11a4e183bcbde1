"""The chat page as a browser without script uses it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import studios
import wires

from rushes.serve.client import jobs
from rushes.studio.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with studios.opened(tmp_path) as opened:
        yield opened


def newest(house: House) -> jobs.Job:
    with house.database.read() as session:
        return session.query(jobs.Job).order_by(jobs.Job.created_at.desc()).first()


def test_a_conversation_makes_films_and_remembers_them(house: House) -> None:
    user = studios.person(house, "anna", plan="admin")[0]
    with studios.client(house) as talking:
        assert talking.get("/chat").status_code == 303  # strangers sign in
        csrf = studios.signed_in(house, talking, user)
        page = talking.get("/chat").text
        assert page.count("<h1") == 1 and 'name="text"' in page

        def say(text: str, place: str = "/chat", once: str = ""):
            return talking.post(place, data={"csrf": csrf, "text": text, "once": once})

        begun = say("a red boat crosses a lake")
        place = begun.headers["location"].partition("#")[0]
        first = newest(house)
        assert begun.status_code == 303 and first.request["prompt"] == "a red boat crosses a lake"
        live = talking.get(place).text
        assert "hx-get" in live and "http-equiv" in live and "<progress" in live
        assert talking.get(f"{place}/talk").text.lstrip().startswith("<ol")

        say("make it night", place)
        second = newest(house)
        assert (second.request["prompt"], second.parent) == ("a red boat crosses a lake at night", first.id)
        for _ in range(2):  # a form that is sent twice
            assert say("make it night & <b>bold</b>", place, "once").status_code == 303
        with house.database.read() as session:
            assert session.query(jobs.Job).count() == 3
        assert "&lt;b&gt;bold" in talking.get(place).text
        assert say("cancel", place).status_code == 303 and newest(house).state == jobs.CANCELLED
        assert "is not" in talking.get(place).text or "not made" in talking.get(place).text
        assert say(" ", place).status_code == 400 and say("", "/chat").status_code == 400
        assert say("x" * 2001, place).status_code == 400
        say("1x1 film " + "y" * 1999, place)
        assert talking.post(place, data={"text": "no token"}).status_code == 403

        other = studios.person(house, "other")[0]
        theirs = studios.signed_in(house, talking, other)
        assert talking.get(place).status_code == 404
        assert talking.post(place, data={"csrf": theirs, "text": "hi"}).status_code == 404
        assert talking.get("/chat/chat_%00").status_code == 404
        csrf = studios.signed_in(house, talking, user)
        assert talking.post(f"{place}/delete", data={"csrf": csrf}).status_code == 303
        assert talking.get(place).status_code == 404


def test_a_finished_film_plays_and_what_cannot_be_is_said(house: House) -> None:
    user = studios.person(house, "anna")[0]
    film = wires.finished(house, user)
    with studios.client(house) as talking:
        csrf = studios.signed_in(house, talking, user)
        begun = talking.post("/chat", data={"csrf": csrf, "text": f"is {film} ready"})
        place = begun.headers["location"].partition("#")[0]
        talking.post(place, data={"csrf": csrf, "text": "a boat in hd, 10 seconds"})
        said = re.sub(r"\s+", " ", talking.get(place).text)
        assert "The plan" in said  # the free plan makes no such film
