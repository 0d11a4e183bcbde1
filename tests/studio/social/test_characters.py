"""Tests characters: whose consent reaches whom, that every use is logged, and what taking it back hides."""

from __future__ import annotations

import pytest
import showings
import studios

from rushes.errors import InputError
from rushes.serve.client.database import now
from rushes.serve.client.jobs import CANCELLED, QUEUED, Job
from rushes.studio.errors import RequestError
from rushes.studio.social import characters, people, posts
from rushes.studio.social.characters import ALL, FRIENDS, ME, Character
from rushes.studio.social.posts import Post


@pytest.fixture
def house(tmp_path):
    with studios.opened(tmp_path) as house:
        yield house


def may_use(session, user, character) -> bool:
    try:
        characters.require_usable(session, user, [character.id])
    except RequestError as fault:
        assert fault.status == 403
        return False
    return True


def test_consent_reaches_whom_it_names_until_it_ends(house) -> None:
    ann, bob, cy = (studios.person(house, name)[0] for name in ("ann", "bob", "cy"))
    mine = showings.caller(ann)
    with house.database.write() as session:
        people.tie(session, ann, bob, people.FOLLOW)
        people.tie(session, bob, ann, people.FOLLOW)
        people.tie(session, cy, ann, people.FOLLOW)
        character = characters.create(session, mine, name=" Ann ", look="a woman in a green coat")
        reached = {}
        for scope in (ME, FRIENDS, ALL):
            characters.consent(session, mine, character.id, scope)
            reached[scope] = [may_use(session, user, character) for user in (ann, bob, cy)]
        assert reached == {ME: [True, False, False], FRIENDS: [True, True, False], ALL: [True, True, True]}
        characters.consent(session, mine, character.id, ALL, days=3)
        assert character.expires_at == pytest.approx(now() + 3 * 86_400, abs=60)
        character.expires_at = now() - 1
        session.flush()
        assert not may_use(session, bob, character)
        assert [one.scope for one in characters.record(session, character)] == [ALL, ALL, FRIENDS, ME, ME]


def test_what_is_illegal_is_named(house) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    film = showings.film(house, bob)
    with house.database.write() as session:
        mine = showings.caller(ann)
        for changed, said in (
            ({"name": ""}, "legal: 1 to 40"),
            ({"look": "x" * 301}, "legal: 1 to 300"),
            ({"scope": "world"}, "legal: me, friends, all"),
            ({"days": 0}, "legal: 1 to 3650"),
        ):
            with pytest.raises(InputError, match=said):
                characters.create(session, mine, **({"name": "Ann", "look": "a coat"} | changed))
        with pytest.raises(RequestError, match="no film"):
            characters.create(session, mine, name="Ann", look="a coat", job_id=film.id)
        character = characters.create(session, mine, name="Ann", look="a coat")
        with pytest.raises(RequestError, match="no character"):
            characters.consent(session, showings.caller(bob), character.id, ALL)
        with pytest.raises(RequestError, match="no character"):
            characters.revoke(session, showings.caller(bob), character.id)
        with pytest.raises(InputError, match="at most 5"):
            characters.require_usable(session, ann, [character.id] * 6)


def used(session, user, character, **changed) -> Job:
    allowed = characters.require_usable(session, user, [character.id])
    job = showings.written(session, user, "a boat", **changed)
    characters.note_use(session, user, allowed, job)
    return job


def test_every_use_is_seen_and_revoking_hides_what_others_made(house) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    mine, theirs = showings.caller(ann), showings.caller(bob)
    with house.database.write() as session:
        character = characters.create(session, mine, name="Ann", look="a coat", scope=ALL)
        made, own, waiting = (
            used(session, bob, character),
            used(session, ann, character),
            used(session, bob, character, state=QUEUED),
        )
        shown = posts.publish(session, theirs, made.id, title="")
        kept = posts.publish(session, mine, own.id, title="")
        assert [user.username for _, user, _ in characters.uses(session, character)] == ["bob", "ann", "bob"]
        assert made.extra == {"characters": [character.id]}
    with house.database.write() as session:
        assert characters.revoke(session, mine, character.id) == 2
        assert characters.revoke(session, mine, character.id) == 0
    with house.database.write() as session:
        assert session.get_one(Job, waiting.id).state == CANCELLED
        assert session.get_one(Job, made.id).extra["withdrawn"] == [character.id]
        assert session.get_one(Post, shown.id).withdrawn and not session.get_one(Post, kept.id).withdrawn
        with pytest.raises(RequestError, match="no post"):
            posts.find(session, shown.id, ann)
        with pytest.raises(RequestError, match="took their consent back"):
            posts.publish(session, theirs, made.id, title="again")
        gone = session.get_one(Character, character.id)
        assert not may_use(session, bob, gone) and not may_use(session, ann, gone)
        with pytest.raises(RequestError, match="for good"):
            characters.consent(session, mine, character.id, ALL)
