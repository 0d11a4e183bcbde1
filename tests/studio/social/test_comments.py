"""Tests comments: who writes, who deletes, and whose words are hidden from whom."""

from __future__ import annotations

import pytest
import showings
import studios

from rushes.errors import InputError
from rushes.studio.errors import RequestError
from rushes.studio.social import comments, people


@pytest.fixture
def house(tmp_path):
    with studios.opened(tmp_path) as house:
        yield house


def test_comments_stand_in_order_and_go_by_their_writer_or_host(house) -> None:
    ann, bob, cy = (studios.person(house, name)[0] for name in ("ann", "bob", "cy"))
    post = showings.shown(house, ann)
    with house.database.write() as session:
        first = comments.write(session, showings.caller(bob), post, " what a boat ")
        second = comments.write(session, showings.caller(cy), post, "slow it down")
        assert [c.text for c, _ in comments.below(session, post, None)] == ["what a boat", "slow it down"]
        with pytest.raises(RequestError, match="no comment"):
            comments.delete(session, showings.caller(cy), first.id)
        assert comments.delete(session, showings.caller(bob), first.id) == post.id
        comments.delete(session, showings.caller(ann), second.id)
        assert comments.below(session, post, None) == []
        for text in ("  ", "x" * 1001):
            with pytest.raises(InputError, match="legal: 1 to 1000"):
                comments.write(session, showings.caller(bob), post, text)


def test_hidden_people_are_not_read_and_blocked_ones_do_not_write(house) -> None:
    ann, bob, cy = (studios.person(house, name)[0] for name in ("ann", "bob", "cy"))
    post = showings.shown(house, ann)
    with house.database.write() as session:
        comment = comments.write(session, showings.caller(bob), post, "hello")
        people.tie(session, cy, bob, people.MUTE)
        assert comments.below(session, post, cy) == []
        assert len(comments.below(session, post, ann)) == 1
        assert comments.take_down(session, comment.id)
        assert comments.below(session, post, ann) == []
        people.tie(session, ann, bob, people.BLOCK)
        with pytest.raises(InputError, match="blocks"):
            comments.write(session, showings.caller(bob), post, "me again")
