"""Tests one request of a feed, from the database and back."""

from __future__ import annotations

import pytest
import showings
import studios

from rushes.studio.feed import catalogue, impressions, show
from rushes.studio.social import people, posts, reactions


@pytest.fixture
def house(tmp_path):
    with studios.opened(tmp_path) as house:
        yield house


def test_a_feed_goes_on_explains_itself_and_keeps_what_it_showed(house) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    made = [showings.shown(house, ann if n % 2 else bob, f"a boat number{n}") for n in range(6)]
    cy = studios.person(house, "cy")[0]
    first = show.following(house, cy, seed=5)
    assert len(first.films) == 4 and all(one.why for one in first.films)  # two of each author
    rest = show.following(house, cy, seed=5)
    shown = [one.post.id for one in first.films + rest.films]
    assert sorted(shown) == sorted(post.id for post in made)  # before it is written, what was shown is known
    assert show.following(house, cy).films == []
    catalogue.of(house).recorder.flush()
    with house.database.read() as session:
        assert len(impressions.lately(session, cy.id, 20)) == 6


def test_words_follows_and_time_decide_and_are_named(house) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    boat, cat = showings.shown(house, ann, "a red boat"), showings.shown(house, bob, "a cat on a roof")
    cy = studios.person(house, "cy")[0]
    wanted = (
        ({"steer": "more boats"}, boat, "steer"),
        ({"steer": "less boats, more cats"}, cat, "steer"),
        ({"chronological": True}, cat, "chronological"),
    )
    for number, (chosen, first, source) in enumerate(wanted):
        viewer = studios.person(house, f"viewer{number}")[0]
        with house.database.write() as session:
            people.choose(session, viewer.id, **chosen)
            viewer = session.get_one(type(viewer), viewer.id)
        found = show.following(house, viewer, seed=1)
        assert (found.films[0].post.id, found.films[0].source) == (first.id, source)
    with house.database.write() as session:
        people.tie(session, cy, ann, people.FOLLOW)
    assert "You follow ann." in [one.why for one in show.following(house, cy, seed=1).films]


def test_what_was_hidden_a_moment_ago_is_not_shown(house) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    one, other = showings.shown(house, ann, "a boat"), showings.shown(house, bob, "a cat")
    catalogue.of(house).catalogue.films()
    with house.database.write() as session:
        posts.take_down(session, one.id)
    assert [found.post.id for found in show.following(house, None).films] == [other.id]
    with house.database.write() as session:
        reactions.react(session, ann, other.id, "like")
    (found,) = show.following(house, ann).films
    assert found.did == {"like"} and found.author.username == "bob" and found.job.id == other.job_id
