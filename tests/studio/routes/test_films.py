"""Tests the page of a film: its progress, its end, and that nobody else sees it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from browsers import finished_film
from studios import client, opened, person, signed_in

from rushes.serve.client import jobs
from rushes.serve.client.database import now
from rushes.serve.client.jobs import Job
from rushes.studio import media
from rushes.studio.library import shelf as library
from rushes.studio.library.drafts import Draft


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("films")) as house:
        yield house


@pytest.fixture(scope="module")
def mara(house):
    return person(house, "mara")[0]


@pytest.fixture
def talking(house, mara):
    with client(house) as talking:
        talking.headers["x-csrf-token"] = signed_in(house, talking, mara)
        yield talking


@pytest.fixture
def waiting(house, mara):
    with house.database.write() as session:
        return house.queue.submit(session, mara.id, Draft(prompt="a boat").order(), priority=1, estimate_s=9.0)


def test_a_film_in_the_making_says_how_far_it_is(house, talking, waiting) -> None:
    assert "first in line" in talking.get(f"/films/{waiting.id}").text
    running = {"state": jobs.RUNNING, "phase": "denoising", "progress": 47, "started_at": now(), "seen_at": now()}
    with house.database.write() as session:
        session.execute(sa.update(Job).where(Job.id == waiting.id).values(**running))
    house.media.put(media.preview_key(waiting.id), b"RIFF")
    got = talking.get(f"/films/{waiting.id}/progress")
    assert "denoising, 40 percent" in got.text and 'value="47"' in got.text and "preview.webp?at=47" in got.text
    assert "hx-refresh" not in got.headers and got.headers["cache-control"] == "no-store"


def test_a_cancelled_film_ends_and_its_page_loads_anew(talking, waiting) -> None:
    assert talking.post(f"/films/{waiting.id}/cancel").status_code == 303
    assert talking.get(f"/films/{waiting.id}/progress").headers["hx-refresh"] == "true"
    shown = talking.get(f"/films/{waiting.id}").text
    assert "cancelled before it began" in shown and "Try again" in shown and "http-equiv" not in shown


def test_a_finished_film_says_what_it_took(house, talking, mara) -> None:
    film = finished_film(house, mara, "a boat")
    shown = talking.get(f"/films/{film.id}").text
    assert media.url(house, film, "video") in shown and "2.9 s (said 3 s)" in shown and "not measured here" in shown
    assert f'name="job_id" value="{film.id}"' in shown
    assert talking.post(f"/films/{film.id}/delete").headers["location"] == "/library"
    assert talking.get(f"/films/{film.id}").status_code == 404
    assert talking.get(media.url(house, film, "video")).status_code == 404


def test_a_film_goes_into_a_collection_and_out_again(house, talking, mara) -> None:
    film = finished_film(house, mara, "a boat")
    with house.database.write() as session:
        sea = library.gather(session, mara.id, "Sea").id
    for said in ("In: Sea", "Add: Sea"):
        talking.post(f"/films/{film.id}/keep", data={"collection": sea})
        assert said in talking.get(f"/films/{film.id}").text


@pytest.mark.parametrize("path", ["", "/progress", "/cancel", "/delete", "/keep"])
def test_nobody_else_sees_it(house, talking, path: str) -> None:
    other = finished_film(house, person(house, f"bob_{path[1:]}")[0], "a secret")
    ask = talking.get if path in ("", "/progress") else talking.post
    got = ask(f"/films/{other.id}{path}", **({"data": {"collection": "x"}} if path == "/keep" else {}))
    assert got.status_code == 404 and "secret" not in got.text
