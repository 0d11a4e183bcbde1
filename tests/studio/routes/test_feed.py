"""Tests the feed's page and API: steering, breaks, and that what was shown is kept."""

from __future__ import annotations

import pytest
import showings
import sqlalchemy as sa
import studios

from rushes.studio.feed import catalogue
from rushes.studio.feed.impressions import Impression


@pytest.fixture
def house(tmp_path):
    with studios.opened(tmp_path) as house:
        yield house


@pytest.fixture
def talking(house):
    with studios.client(house) as talking:
        yield talking


def test_a_stranger_and_a_member_see_a_feed_that_explains_itself(house, talking) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    assert "That was everything" in talking.get("/feed").text
    post = showings.shown(house, ann, title="A dusk boat")
    shown = talking.get("/feed").text
    assert "A dusk boat" in shown and "Why this" in shown and 'preload="none"' in shown
    csrf = studios.signed_in(house, talking, bob)
    shown = talking.get("/feed").text
    name = shown.partition('data-impression="')[2].partition('"')[0]
    assert "Not interested" in shown and name.startswith("imp_")
    talking.post(f"/p/{post.id}/reactions", data={"csrf": csrf, "kind": "not_interested", "impression": name})
    with house.database.read() as session:
        kept = session.get_one(Impression, name)
        assert (kept.user_id, kept.not_interested, kept.like) == (bob.id, True, False)
    assert "A dusk boat" not in talking.get("/feed").text


def test_choices_are_kept_and_checked(house, talking) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    showings.shown(house, ann, "a red boat"), showings.shown(house, ann, "a cat on a roof")
    csrf = studios.signed_in(house, talking, bob)

    def choose(**values):
        return talking.post("/feed/choices", data={"csrf": csrf, **values})

    assert choose(steer="more cats", order="time", break_min="5", agrees="1").status_code == 303
    shown = talking.get("/feed").text
    assert "Newest first" in shown and "more cats" in shown and "before=" in shown
    with house.database.read() as session:
        said = session.get_one(type(bob), bob.id).settings
        assert said == {"steer": "more cats", "chronological": True, "break_min": 5, "adult_films": False} | {
            "flywheel": True
        }
    assert choose(steer="x" * 301).status_code == 400 and choose(break_min="999").status_code == 400
    assert choose(break_min="soon").status_code == 400


def test_the_api_returns_what_comes_next(house, talking) -> None:
    ann = studios.person(house, "ann")[0]
    bob, key = studios.person(house, "bob")
    for number in range(2):
        showings.shown(house, ann, f"a boat number{number}")
    first = talking.get("/api/feed", headers=key).json()
    assert len(first["data"]) == 2 and first["has_more"] and first["break_after_min"] == 0
    assert all(one["why"] and 0 < one["propensity"] <= 1 and one["impression"] for one in first["data"])
    assert talking.get("/api/feed", headers=key).json()["data"] == []
    catalogue.of(house).recorder.flush()
    with house.database.read() as session:
        rows = session.scalars(sa.select(Impression).where(Impression.user_id == bob.id)).all()
    assert {row.seed for row in rows} == {first["seed"]} and sorted(row.position for row in rows) == [0, 1]
    assert talking.get("/api/feed").status_code == 401
