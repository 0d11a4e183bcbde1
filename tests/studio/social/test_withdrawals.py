"""Tests what taking a consent back does: pictures go, what is not made is not made, others' films are hidden."""

from __future__ import annotations

import pytest
import showings
import studio_subjects
import studios

from rushes.serve.client.jobs import CANCELLED, QUEUED, SUCCEEDED, Job
from rushes.studio.errors import RequestError
from rushes.studio.library import subjects
from rushes.studio.members import audit
from rushes.studio.social import characters, posts, withdrawals
from rushes.studio.social.characters import ALL, Character, Consent, Still
from rushes.studio.social.posts import Post


@pytest.fixture
def house(tmp_path):
    with studios.opened(tmp_path) as house:
        yield house


def used(session, user, character, **changed) -> Job:
    allowed = characters.require_usable(session, user, [character.id])
    job = showings.written(session, user, "a boat", **changed)
    characters.note_use(session, user, allowed, job)
    return job


def made(house, user) -> Character:
    with house.database.write() as session:
        character = characters.create(session, showings.caller(user), name="Ann", look="a coat", scope=ALL)
        pictures = [subjects.drawn(content) for content in (studio_subjects.FOX, studio_subjects.KITE)]
        characters.give_stills(house, session, character, pictures)
    return character


def test_every_use_is_seen_and_withdrawing_hides_what_others_made(house) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    mine, theirs = showings.caller(ann), showings.caller(bob)
    character = made(house, ann)
    with house.database.write() as session:
        film, own = used(session, bob, character), used(session, ann, character)
        waiting, own_waiting = (used(session, user, character, state=QUEUED) for user in (bob, ann))
        shown = posts.publish(session, theirs, film.id, title="")
        kept = posts.publish(session, mine, own.id, title="")
        assert [user.username for _, user, _ in characters.uses(session, character)] == ["ann", "bob", "ann", "bob"]
        assert film.extra == {"characters": [character.id]}
    assert len(house.media.list(f"characters/{ann.id}/")) == 4
    with pytest.raises(RequestError, match="no character"):
        withdrawals.withdraw(house, theirs, character.id)
    assert withdrawals.withdraw(house, mine, character.id) == 2
    assert withdrawals.withdraw(house, mine, character.id) == 0
    assert house.media.list("characters/") == []
    with house.database.write() as session:
        states = [session.get_one(Job, job.id).state for job in (waiting, own_waiting, own, film)]
        assert states == [CANCELLED, CANCELLED, SUCCEEDED, SUCCEEDED]
        assert session.get_one(Job, film.id).extra["withdrawn"] == [character.id]
        assert "withdrawn" not in session.get_one(Job, own.id).extra
        assert session.get_one(Post, shown.id).withdrawn and not session.get_one(Post, kept.id).withdrawn
        with pytest.raises(RequestError, match="no post"):
            posts.find(session, shown.id, ann)
        with pytest.raises(RequestError, match="took their consent back"):
            posts.publish(session, theirs, film.id, title="again")
        gone = session.get_one(Character, character.id)
        assert characters.stills(session, gone) == []
        for user in (ann, bob):
            with pytest.raises(RequestError, match="no consent"):
                characters.require_usable(session, user, [gone.id])
        with pytest.raises(RequestError, match="for good"):
            characters.consent(session, mine, character.id, ALL)


def test_deleting_withdraws_and_forgets(house) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    character = made(house, ann)
    with house.database.write() as session:
        film = used(session, bob, character)
    with pytest.raises(RequestError, match="no character"):
        withdrawals.delete(house, showings.caller(bob), character.id)
    withdrawals.delete(house, showings.caller(ann), character.id)
    assert house.media.list("characters/") == []
    with house.database.read() as session:
        assert [session.query(kind).count() for kind in (Character, Still, Consent)] == [0, 0, 0]
        assert session.get_one(Job, film.id).extra["withdrawn"] == [character.id]
        actions = [line.action for line in audit.latest(session, target=character.id)]
    assert actions == ["character.deleted", "character.revoked"]
