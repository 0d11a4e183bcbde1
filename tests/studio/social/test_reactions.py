"""Tests what somebody does about a film: once each, counted, and reported at most once."""

from __future__ import annotations

import pytest
import showings
import studios

from rushes.errors import InputError
from rushes.studio.errors import RequestError
from rushes.studio.social import posts, reactions
from rushes.studio.social.posts import Post
from rushes.studio.trust import reviews


@pytest.fixture
def house(tmp_path):
    with studios.opened(tmp_path) as house:
        yield house


def test_a_like_counts_once_and_can_be_taken_back(house) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    post = showings.shown(house, ann)
    with house.database.write() as session:
        assert [reactions.react(session, bob, post.id, "like") for _ in range(3)] == [True, False, False]
        reactions.react(session, ann, post.id, "like")  # one's own counts for nothing
        assert session.get_one(Post, post.id, populate_existing=True).like == 1
        assert reactions.of_user(session, bob.id, [post.id]) == {post.id: frozenset({"like"})}
        assert reactions.lately(session, bob.id, 5) == [(post.id, "like")]
        assert reactions.take_back(session, bob, post.id, "like")
        assert not reactions.take_back(session, bob, post.id, "like")
        assert session.get_one(Post, post.id, populate_existing=True).like == 0
        with pytest.raises(InputError, match="legal: create"):
            reactions.react(session, bob, post.id, "dwell")


def test_a_report_counts_once_and_waits_for_a_decision(house) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    post, asking = showings.shown(house, ann), showings.caller(bob)
    with house.database.write() as session:
        assert reactions.report(session, asking, post.id, "spam", " look ")
        assert not reactions.report(session, asking, post.id, "other")
        assert session.get_one(Post, post.id, populate_existing=True).report == 1
        (waiting,) = reviews.open_reports(session)
        assert (waiting.kind, waiting.subject, waiting.detail) == ("post", post.id, "look")
        with pytest.raises(InputError, match="boring"):
            reactions.report(session, asking, post.id, "boring")
    admin = showings.caller(studios.person(house, "admin", "admin")[0])
    with house.database.write() as session:
        reviews.decide_report(session, admin, waiting.id, reviews.UPHELD)
        with pytest.raises(RequestError, match="no post"):
            posts.find(session, post.id, bob)
        assert posts.find(session, post.id, ann)[0].id == post.id
        assert session.execute(posts.listed(bob)).all() == []
