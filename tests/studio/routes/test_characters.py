"""Tests the page of characters: made, lent, seen, taken back."""

from __future__ import annotations

import re

import showings
import studio_subjects
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
        assert send("/characters", **said | {"days": "soon", "agreed": "1"}).status_code == 400
        assert send("/characters", **said, agreed="1").status_code == 303
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
        csrf = studios.signed_in(house, talking, ann)
        assert send(f"/characters/{one.id}/delete").status_code == 303
        assert "Annie" not in talking.get("/characters").text


FOX, KITE, PAPER = (
    ("stills", (name, content, "image/jpeg"))
    for name, content in (
        ("fox.jpg", studio_subjects.FOX),
        ("kite.webp", studio_subjects.KITE),
        ("paper.jpg", studio_subjects.NOTHING),
    )
)
SAID = {"name": "Reynard", "look": "a red fox in a coat", "scope": "friends", "days": "7", "agreed": "1"}


def test_stills_are_cut_out_before_anything_is_kept(tmp_path) -> None:
    with studios.opened(tmp_path) as house, studios.client(house) as talking:
        ann = studios.person(house, "ann")[0]
        csrf = {"csrf": studios.signed_in(house, talking, ann)}
        shown = talking.post("/characters/stills", data=csrf, files=[FOX, PAPER, KITE])
        assert shown.status_code == 200 and "<html" not in shown.text
        assert shown.text.count("data:image/png;base64,") == 2 and shown.text.count("checked") == 1
        assert "paper.jpg: the picture shows no subject" in shown.text
        many = talking.post("/characters/stills", data=csrf, files=[FOX] * 21)
        assert "21 stills are too many; legal: 1 to 20" in many.text

        for changed, files, said in (
            ({"agreed": ""}, [FOX], "tick that it is yours to use"),
            ({}, [FOX, PAPER], "paper.jpg: the picture shows no subject"),
            ({"best": "2"}, [FOX, KITE], "there is no still 3"),
        ):
            got = talking.post("/characters", data=csrf | SAID | changed, files=files)
            assert got.status_code == 400 and said in got.text and 'value="Reynard"' in got.text
        assert house.media.list() == []
        with house.database.read() as session:
            assert characters.owned(session, ann.id) == []


def test_a_character_of_stills_from_making_to_taking_back(tmp_path) -> None:
    with studios.opened(tmp_path) as house, studios.client(house) as talking:
        ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
        csrf = {"csrf": studios.signed_in(house, talking, ann)}
        made = talking.post("/characters", data=csrf | SAID | {"best": "1"}, files=[FOX, KITE])
        assert made.status_code == 303
        with house.database.read() as session:
            (one,) = characters.owned(session, ann.id)
            (said,) = characters.record(session, one)
            assert [still.is_best for still in characters.stills(session, one)] == [False, True]
        assert (said.wording, said.scope) == (characters.WORDING, "friends") and said.at > 0
        page = talking.get("/characters").text
        assert f"{characters.WORDINGS[-1]}” (wording 2)" in page
        addresses = re.findall(r'src="(/media/[^"]+)"', page)
        assert len(addresses) == 2
        assert [talking.get(address).headers["content-type"] for address in addresses] == ["image/png"] * 2
        assert talking.post(f"/characters/{one.id}/best", data=csrf | {"still": "0"}).status_code == 303
        assert talking.post(f"/characters/{one.id}/best", data=csrf | {"still": "9"}).status_code == 400
        talking.post(f"/characters/{one.id}/consent", data=csrf | {"scope": "all"})
        studios.signed_in(house, talking, bob)
        assert "Reynard" in (lent := talking.get("/characters").text) and addresses[0] in lent
        csrf = {"csrf": studios.signed_in(house, talking, ann)}
        assert talking.post(f"/characters/{one.id}/revoke", data=csrf).status_code == 303
        assert house.media.list("characters/") == []
        assert [talking.get(address).status_code for address in addresses] == [404] * 2
