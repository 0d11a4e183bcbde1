"""Tests the page of characters: made, lent, seen, taken back."""

from __future__ import annotations

import showings
import studios

from rushes.studio.social import characters


def test_a_character_from_making_to_taking_back(tmp_path) -> None:
    with studios.opened(tmp_path) as house, studios.client(house) as talking:
        ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
        csrf = studios.signed_in(house, talking, ann)

        def send(path: str, **values):
            return talking.post(path, data={"csrf": csrf, **values})

        said = {"name": "Annie", "look": "a woman in a green coat", "scope": "me", "days": ""}
        assert send("/characters", **said).status_code == 400  # whose likeness is it?
        assert send("/characters", **said | {"days": "soon", "is_me": "1"}).status_code == 400
        assert send("/characters", **said, is_me="1").status_code == 303
        with house.database.write() as session:
            (one,) = characters.owned(session, ann.id)
        assert send(f"/characters/{one.id}/consent", scope="all", days="7").status_code == 303
        assert "until" in talking.get("/characters").text
        with house.database.write() as session:
            job = showings.written(session, bob, "a boat")
            characters.note_use(session, bob, [one], job)
        assert "@bob" in talking.get("/characters").text
        assert send(f"/characters/{one.id}/revoke").status_code == 303
        assert "taken back" in talking.get("/characters").text
        studios.signed_in(house, talking, bob)
        assert "Annie" not in talking.get("/characters").text
