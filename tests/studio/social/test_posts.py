"""Tests the posts: who may show a film, who sees it, and what came out of what."""

from __future__ import annotations

import pytest
import showings
import sqlalchemy as sa
import studios

from rushes.errors import InputError
from rushes.serve.client.jobs import FAILED, Job
from rushes.studio.errors import RequestError
from rushes.studio.social import people, posts
from rushes.studio.social.posts import ADULTS, PRIVATE, UNLISTED, Post


@pytest.fixture
def house(tmp_path):
    with studios.opened(tmp_path) as house:
        yield house


def people_of(house, *usernames):
    return [studios.person(house, name)[0] for name in usernames]


def seen_by(house, post, viewer) -> bool:
    with house.database.read() as session:
        try:
            posts.find(session, post.id, viewer)
        except RequestError as fault:
            assert fault.status in (403, 404)
            return False
    return True


def test_only_the_owner_of_a_finished_film_shows_it(house) -> None:
    ann, bob = people_of(house, "ann", "bob")
    film, broken = showings.film(house, ann), showings.film(house, ann, state=FAILED)
    with house.database.write() as session:
        with pytest.raises(RequestError, match="no film"):
            posts.publish(session, showings.caller(bob), film.id, title="mine now")
        with pytest.raises(InputError, match="failed"):
            posts.publish(session, showings.caller(ann), broken.id, title="")
        with pytest.raises(InputError, match="legal: public, unlisted, private"):
            posts.publish(session, showings.caller(ann), film.id, title="", visibility="secret")
        with pytest.raises(InputError, match="legal: at most 120"):
            posts.publish(session, showings.caller(ann), film.id, title="x" * 121)
        post = posts.publish(session, showings.caller(ann), film.id, title="  Dusk \n boat ")
    assert (post.title, post.author, post.prompt) == ("Dusk boat", ann.id, "a red boat at dusk")


def test_a_film_is_posted_once_and_changes_as_said(house) -> None:
    (ann,) = people_of(house, "ann")
    film = showings.film(house, ann)
    with house.database.write() as session:
        first = posts.publish(session, showings.caller(ann), film.id, title="one")
        again = posts.publish(session, showings.caller(ann), film.id, title="two", visibility=UNLISTED)
        assert (again.id, again.title, again.visibility) == (first.id, "two", UNLISTED)
        assert session.scalar(sa.select(sa.func.count()).select_from(Post)) == 1


@pytest.mark.parametrize(
    ("changed", "strangers", "friends"),
    [
        ({}, True, True),
        ({"visibility": UNLISTED}, True, True),
        ({"visibility": PRIVATE}, False, False),
        ({"rating": ADULTS}, False, False),
    ],
)
def test_who_sees_a_post(house, changed, strangers, friends) -> None:
    ann, bob = people_of(house, "ann", "bob")
    post = showings.shown(house, ann, **changed)
    assert seen_by(house, post, ann)
    assert (seen_by(house, post, None), seen_by(house, post, bob)) == (strangers, friends)


def test_adults_who_chose_so_see_films_for_adults(house) -> None:
    ann, bob = people_of(house, "ann", "bob")
    post = showings.shown(house, ann, rating=ADULTS)
    with house.database.write() as session:
        people.choose(session, bob.id, adult_films=True)
        bob = session.get(type(bob), bob.id)
    assert seen_by(house, post, bob)


def test_taken_down_blocked_and_suspended_are_gone_for_others(house) -> None:
    ann, bob = people_of(house, "ann", "bob")
    post = showings.shown(house, ann)
    with house.database.write() as session:
        people.tie(session, ann, bob, people.BLOCK)
    assert (seen_by(house, post, bob), seen_by(house, post, None)) == (False, True)
    with house.database.write() as session:
        people.untie(session, ann, bob, people.BLOCK)
        assert posts.take_down(session, post.id)
    assert (seen_by(house, post, bob), seen_by(house, post, ann)) == (False, True)
    with house.database.write() as session:
        posts.take_down(session, post.id, False)
        session.get(type(ann), ann.id).is_suspended = True
    assert not seen_by(house, post, bob)


def test_the_tree_grows_through_films_that_nobody_showed(house) -> None:
    ann, bob = people_of(house, "ann", "bob")
    first = showings.shown(house, ann, "a boat")
    hidden = showings.film(house, bob, "a boat at night", parent=first.job_id, kind="remix")
    with house.database.write() as session:
        job = showings.written(session, bob, "a boat in rain", parent=hidden.id, kind="remix")
        second = posts.publish(session, showings.caller(bob), job.id, title="")
    third = showings.shown(house, ann, "a boat in snow", parent=second)
    assert second.parent == first.id
    for post in (first, second, third):
        with house.database.read() as session:
            tree = [(one.id, depth) for one, _, depth in posts.tree(session, post, None)]
        assert tree == [(first.id, 0), (second.id, 1), (third.id, 2)]


def test_a_hidden_branch_moves_up_and_a_deleted_one_leaves_its_heirs(house) -> None:
    ann, bob = people_of(house, "ann", "bob")
    first = showings.shown(house, ann, "a boat")
    second = showings.shown(house, bob, "a boat at night", parent=first)
    third = showings.shown(house, ann, "a boat in snow", parent=second)
    with house.database.write() as session:
        posts.take_down(session, second.id)
    with house.database.write() as session:
        assert [d for _, _, d in posts.tree(session, third, None)] == [0, 1]
        with pytest.raises(RequestError, match="no post"):
            posts.delete(session, showings.caller(ann), second.id)
        posts.delete(session, showings.caller(bob), second.id)
        assert session.get(Post, third.id, populate_existing=True).parent == first.id
        assert session.get(Job, second.job_id) is not None
        assert [one.id for one, _, _ in posts.tree(session, third, None)] == [first.id, third.id]


def test_a_profile_lists_what_a_viewer_may_see(house) -> None:
    ann, bob = people_of(house, "ann", "bob")
    shown = [showings.shown(house, ann, f"boat {v}", visibility=v) for v in posts.VISIBILITIES]
    with house.database.read() as session:
        assert [p.id for p in posts.of_author(session, ann, bob, 10)] == [shown[0].id]
        assert {p.id for p in posts.of_author(session, ann, ann, 10)} == {p.id for p in shown}
        assert posts.of_author(session, ann, ann, 10, before=shown[0].created_at) == []
