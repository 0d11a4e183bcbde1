"""Tests the pages and the API of posts: sharing, reacting, remixing, and that nothing leaks."""

from __future__ import annotations

import pytest
import showings
import sqlalchemy as sa
import studios

from rushes.serve.client.jobs import Job
from rushes.studio.feed import catalogue
from rushes.studio.routes.posts import local
from rushes.studio.social import characters, posts
from rushes.studio.social.posts import PRIVATE, UNLISTED, Post


@pytest.fixture
def house(tmp_path):
    with studios.opened(tmp_path) as house:
        yield house


@pytest.fixture
def talking(house):
    with studios.client(house) as talking:
        yield talking


def send(talking, csrf, path, **values):
    return talking.post(path, data={"csrf": csrf, **values})


def fresh(house, post_id: str) -> Post:
    with house.database.read() as session:
        return session.get(Post, post_id)


def test_a_film_is_posted_changed_and_taken_away_by_forms(house, talking) -> None:
    ann = studios.person(house, "ann")[0]
    film = showings.film(house, ann)
    csrf = studios.signed_in(house, talking, ann)
    answer = send(talking, csrf, "/posts", job_id=film.id, title="Dusk", visibility=UNLISTED)
    assert answer.status_code == 303
    place = answer.headers["location"]
    assert talking.get(place.replace("/p/", "/posts/")).headers["location"] == place
    assert "Dusk" in talking.get(place).text
    assert (
        send(talking, csrf, f"{place}/change", title="Dawn", visibility="public", rating="everyone").status_code == 303
    )
    assert "<h1>Dawn</h1>" in talking.get(place).text
    assert send(talking, "forged", f"{place}/delete").status_code == 403
    assert send(talking, csrf, f"{place}/delete").headers["location"] == "/@ann"
    assert talking.get(place).status_code == 404
    assert send(talking, csrf, "/posts", job_id=film.id, title="naked child").status_code == 400


def test_a_link_plays_on_other_networks_and_only_for_what_strangers_may_see(house, talking) -> None:
    ann = studios.person(house, "ann")[0]
    post, private = showings.shown(house, ann, title='A "boat"'), showings.shown(house, ann, visibility=PRIVATE)
    base = house.config.base_url
    shown = talking.get(f"/p/{post.id}")
    for tag in (
        f'property="og:url" content="{base}/p/{post.id}"',
        'property="og:video:type" content="video/mp4"',
        'name="twitter:card" content="player"',
        f'name="twitter:player" content="{base}/p/{post.id}/player"',
        'content="A &#34;boat&#34;"',
        "application/json+oembed",
    ):
        assert tag in shown.text
    played = talking.get(f"/p/{post.id}/player")
    assert "frame-ancestors *" in played.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in shown.headers["content-security-policy"]
    film = talking.get(f"/p/{post.id}/video.file")
    assert film.status_code == 302 and film.headers["location"].startswith("/media/")
    assert talking.get(film.headers["location"]).content[4:8] == b"ftyp"
    for address in (
        f"/p/{private.id}",
        f"/p/{private.id}/player",
        f"/p/{private.id}/video.file",
        f"/p/{post.id}/x.file",
    ):
        assert talking.get(address).status_code == 404


def test_reactions_comments_and_reports_by_forms(house, talking) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    post = showings.shown(house, ann)
    assert talking.post(f"/p/{post.id}/reactions", data={"kind": "like"}).status_code in (303, 403)
    csrf = studios.signed_in(house, talking, bob)
    place = f"/p/{post.id}"
    answer = send(talking, csrf, f"{place}/reactions", kind="like", next="/feed#x")
    assert (answer.status_code, answer.headers["location"]) == (303, "/feed#x")
    assert fresh(house, post.id).like == 1 and 'aria-pressed="true"' in talking.get(place).text
    send(talking, csrf, f"{place}/reactions", kind="like", undo="1")
    assert fresh(house, post.id).like == 0
    assert send(talking, csrf, f"{place}/reactions", kind="dwell").status_code == 400
    assert send(talking, csrf, f"{place}/comments", text="<b>nice</b>").status_code == 303
    assert "&lt;b&gt;nice&lt;/b&gt;" in talking.get(place).text
    assert send(talking, csrf, f"{place}/comments", text="naked child").status_code == 400
    comment_id = talking.get(place).text.partition('li id="comment_')[2][:16]
    assert send(talking, csrf, f"/comments/comment_{comment_id}/delete").status_code == 303
    assert "nice" not in talking.get(place).text
    assert send(talking, csrf, f"{place}/report", reason="spam").status_code == 303
    assert fresh(house, post.id).report == 1


def test_a_remix_is_ordered_once_keeps_its_lineage_and_counts_as_making(house, talking) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    post = showings.shown(house, ann, "a red boat", seed=9)
    csrf = studios.signed_in(house, talking, bob)
    sent = {"prompt": "a red boat at night", "once": "key1"}
    places = {send(talking, csrf, f"/p/{post.id}/remix", **sent).headers["location"] for _ in range(2)}
    assert len(places) == 1 and fresh(house, post.id).create == 1
    with house.database.read() as session:
        (job,) = session.scalars(sa.select(Job).where(Job.owner == bob.id))
    assert (job.kind, job.parent, job.request["prompt"], job.request["seed"]) == (
        ("remix", post.job_id, "a red boat at night", 9)
    )


def test_a_remix_of_somebodys_likeness_needs_their_consent(house, talking) -> None:
    ann, bob = (studios.person(house, name)[0] for name in ("ann", "bob"))
    with house.database.write() as session:
        mine = showings.caller(ann)
        character = characters.create(session, mine, name="Ann", look="a woman in a green coat")
        job = showings.written(session, ann, "a boat")
        characters.note_use(session, ann, [character], job)
        post = posts.publish(session, mine, job.id, title="me")
    csrf = studios.signed_in(house, talking, bob)
    assert send(talking, csrf, f"/p/{post.id}/remix", prompt="a boat", once="a").status_code == 403
    with house.database.write() as session:
        characters.consent(session, mine, character.id, "all")
    assert send(talking, csrf, f"/p/{post.id}/remix", prompt="a boat", once="b").status_code == 303
    with house.database.read() as session:
        assert [user.username for _, user, _ in characters.uses(session, character)] == ["bob", "ann"]


def test_the_api_says_the_same(house, talking) -> None:
    (ann, key), (_, other) = (studios.person(house, name) for name in ("ann", "bob"))
    film = showings.film(house, ann, "a boat")
    made = talking.post("/api/posts", json={"job_id": film.id, "title": "Boat"}, headers=key)
    assert made.status_code == 201 and made.json()["author"] == "ann"
    place = f"/api/posts/{made.json()['id']}"
    assert talking.get(place, headers=other).json()["tree"] == [{"id": made.json()["id"], "author": "ann", "depth": 0}]
    said = talking.post(f"{place}/reactions", json={"kind": "like"}, headers=other)
    assert said.json()["changed"] is True and talking.get(place, headers=other).json()["likes"] == 1
    assert talking.post("/api/posts", json={"job_id": film.id}, headers=other).status_code == 404
    assert talking.delete(place, headers=other).status_code == 404
    assert talking.get(place).status_code == 401
    reading = studios.person(house, "cy", scopes=("films:read",))[1]
    assert talking.post(f"{place}/reactions", json={"kind": "like"}, headers=reading).status_code == 403
    assert talking.delete(place, headers=key).json()["deleted"] is True
    assert catalogue.of(house).catalogue.refresh().is_listed.sum() == 0


@pytest.mark.parametrize(
    ("address", "kept"),
    [("/feed#a", True), ("//evil.example", False), ("https://evil.example", False), ("/\\evil", False), ("", False)],
)
def test_forms_lead_back_to_this_site_alone(address, kept) -> None:
    assert local(address, "/x") == (address if kept else "/x")
