"""Tests the arena's page: blind until the vote, then open."""

from __future__ import annotations

import showings
import studios


def test_a_vote_on_the_page(tmp_path) -> None:
    with studios.opened(tmp_path) as house, studios.client(house) as talking:
        ann, bob, cy = (studios.person(house, name)[0] for name in ("ann", "bob", "cy"))
        assert talking.get("/arena").status_code == 303
        csrf = studios.signed_in(house, talking, cy)
        assert "No pair is left" in talking.get("/arena").text
        showings.shown(house, ann, "a boat"), showings.shown(house, bob, "a boat")
        blind = talking.get("/arena").text
        assert "Which is the better film?" in blind and "@ann" not in blind and "seed" not in blind
        place = blind.partition('action="/arena/')[2].partition('"')[0]
        voted = talking.post(f"/arena/{place}", data={"csrf": csrf, "choice": "left"})
        assert voted.headers["location"] == f"/arena?judged={place}"
        shown = talking.get(voted.headers["location"]).text
        assert "You chose the left one" in shown and "@ann" in shown and "Films that win" in shown
        assert talking.post(f"/arena/{place}", data={"csrf": csrf, "choice": "left"}).status_code == 404
        studios.signed_in(house, talking, bob)
        assert "You chose" not in talking.get(voted.headers["location"]).text
