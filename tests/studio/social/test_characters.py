"""Tests characters: whose consent reaches whom, that every use is logged, and what taking it back hides."""

from __future__ import annotations

import pytest
import showings
import studio_subjects
import studios

from rushes.errors import InputError
from rushes.serve.client.database import now
from rushes.studio.errors import RequestError
from rushes.studio.library import subjects
from rushes.studio.social import characters, people
from rushes.studio.social.characters import ALL, FRIENDS, ME


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
        character = characters.create(session, mine, name="Ann", look="a coat")
        with pytest.raises(RequestError, match="no character"):
            characters.consent(session, showings.caller(bob), character.id, ALL)
        with pytest.raises(InputError, match="at most 5"):
            characters.require_usable(session, ann, [character.id] * 6)


def test_films_are_shown_the_first_still_or_the_one_that_is_chosen(house) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    mine, pictures = showings.caller(ann), [subjects.drawn(one) for one in (studio_subjects.FOX, studio_subjects.KITE)]
    with house.database.write() as session:
        character = characters.create(session, mine, name="Ann", look="a coat", wording=characters.WORDING)
        assert characters.best(session, character) is None
        for wrong, said in (([], "0 stills"), (pictures * 11, "legal: 1 to 20")):
            with pytest.raises(InputError, match=said):
                characters.give_stills(house, session, character, wrong)
        with pytest.raises(InputError, match="there is no still 3; legal: 1 to 2"):
            characters.give_stills(house, session, character, pictures, 2)
        characters.give_stills(house, session, character, pictures)
        first, second = characters.stills(session, character)
        assert characters.best(session, character) is first and first.sha256 == pictures[0].sha256
        characters.choose(session, mine, character.id, 1)
        assert characters.best(session, character) is second
        assert house.media.get(characters.still_key(character, second)) == pictures[1].picture
        with pytest.raises(InputError, match="there is no still 3; the character has 2"):
            characters.choose(session, mine, character.id, 2)
        with pytest.raises(RequestError, match="no character"):
            characters.choose(session, showings.caller(bob), character.id, 0)
        characters.consent(session, mine, character.id, ALL)
        assert [one.wording for one in characters.record(session, character)] == [None, characters.WORDING]
