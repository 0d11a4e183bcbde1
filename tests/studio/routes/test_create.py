"""Tests the form by which films are asked for: estimates, faults that keep what was typed, double sends."""

from __future__ import annotations

import io
import re

import browsers
import pytest
from browsers import finished_film
from PIL import Image
from studios import client, person, signed_in

from rushes.serve.client import jobs


def test_strangers_sign_in_first(house) -> None:
    with client(house) as as_mara:
        assert as_mara.get("/create").headers["location"].startswith("/sign-in")


def test_a_film_is_asked_for_once_however_often_the_form_is_sent(as_mara) -> None:
    form = {"prompt": "a red boat", "tier": "flipbook", "once": "form-1"}
    sent = [as_mara.post("/create", data=form) for _ in range(2)]
    assert [one.status_code for one in sent] == [303, 303]
    assert sent[0].headers["location"] == sent[1].headers["location"]
    shown = as_mara.get(sent[0].headers["location"])
    assert shown.status_code == 200 and 'http-equiv="refresh"' in shown.text and "waiting for a worker" in shown.text


def test_the_estimate_names_words_that_were_not_taught(as_mara) -> None:
    got = as_mara.post("/create/estimate", data={"prompt": "a crimson qwxz", "tier": "flipbook"})
    assert got.status_code == 200 and "<html" not in got.text
    assert "<q>crimson</q> (nearest: <em>red</em>)" in got.text and "<q>qwxz</q>" in got.text
    assert "about" in got.text and "1 credit" in got.text
    assert "prompt is empty" in as_mara.post("/create/estimate", data={}).text


def test_the_estimate_also_comes_without_script(as_mara) -> None:
    got = as_mara.post("/create", data={"prompt": "a boat", "tier": "short", "only": "estimate"})
    assert got.status_code == 200 and "a boat</textarea>" in got.text and "2" in got.text
    assert 'value="short" checked' in got.text


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"seed": "abc"}, 400, "seed &#39;abc&#39; is no whole number"),
        ({"prompt": ""}, 400, "the prompt is empty"),
        ({"tier": "feature"}, 403, "makes flipbook, short, still, not"),
        ({"format": "avi"}, 400, "format &#39;avi&#39; is illegal"),
    ],
)
def test_a_fault_keeps_what_was_typed(as_mara, changed: dict, status: int, said: str) -> None:
    form = {"prompt": "a green <b>boat</b>", "tier": "flipbook"} | changed
    got = as_mara.post("/create", data=form)
    assert got.status_code == status and said in got.text
    assert changed.get("prompt") == "" or "a green &lt;b&gt;boat&lt;/b&gt;</textarea>" in got.text


def test_a_remix_begins_with_its_film_and_only_with_ones_own(house, as_mara, mara) -> None:
    film = finished_film(house, mara, "a yellow moon")
    got = as_mara.get(f"/create?remix={film.id}")
    assert "a yellow moon</textarea>" in got.text and f'value="{film.id}"' in got.text
    other = finished_film(house, person(house, "bob")[0], "a secret film")
    assert as_mara.get(f"/create?remix={other.id}").status_code == 404


def test_a_picture_is_kept_while_the_form_is_filled_in_and_the_film_begins_with_it(house, as_mara, mara) -> None:
    made = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(made, "PNG")
    form = {"prompt": "a red boat", "tier": "flipbook", "once": "form-2", "loop": ""}
    files = {"first_picture": ("a.png", made.getvalue(), "image/png"), "last_picture": ("", b"", "text/plain")}
    shown = as_mara.post("/create", data=form | {"only": "estimate"}, files=files)
    [digest] = re.findall(r'name="first" value="([0-9a-f]{64})"', shown.text)
    sent = as_mara.post("/create", data=form | {"first": digest})
    film = sent.headers["location"].removeprefix("/films/")
    with house.database.read() as session:
        [first] = session.get_one(jobs.Job, film).request["conditions"]
    assert (first["kind"], first["sha256"]) == ("first", digest)
    assert "the picture is gone" in as_mara.post("/create", data=form | {"first": "0" * 64}).text
    svg = {"last_picture": ("a.png", b"<svg/>", "image/png")}
    assert "the file is no picture" in as_mara.post("/create", data=form, files=svg).text


def test_another_persons_picture_is_not_there(house, as_mara) -> None:
    other = person(house, "eve")[0]
    key = f"inputs/{other.id}/{'a' * 64}.webp"
    house.media.put(key, b"x")
    form = {"prompt": "a red boat", "tier": "flipbook", "first": "a" * 64}
    assert "the picture is gone" in as_mara.post("/create", data=form).text


def test_a_remix_may_begin_as_its_film(house, as_mara, mara) -> None:
    film = finished_film(house, mara, "a yellow moon")
    form = {"prompt": "a yellow moon at night", "tier": "flipbook", "parent": film.id, "strength": "70", "loop": "1"}
    sent = as_mara.post("/create", data=form)
    with house.database.read() as session:
        made = session.get_one(jobs.Job, sent.headers["location"].removeprefix("/films/"))
    assert [one["kind"] for one in made.request["conditions"]] == ["remix", "loop"]
    assert made.request["conditions"][0]["strength"] == 0.7
    other = finished_film(house, person(house, "zoe")[0], "a secret film")
    assert as_mara.post("/create", data=form | {"parent": other.id}).status_code == 404


def test_a_path_is_kept_and_a_remix_has_it_again(house, as_mara) -> None:
    as_mara.headers["x-csrf-token"] = signed_in(house, as_mara, person(house, "pia")[0])  # mara has films waiting
    form = {"prompt": "a red boat", "tier": "flipbook", "path": "0.1,0.6 0.9,0.4"}
    film = as_mara.post("/create", data=form).headers["location"].removeprefix("/films/")
    with house.database.read() as session:
        [path] = session.get_one(jobs.Job, film).request["conditions"]
    assert path["points"] == [[0.1, 0.6], [0.9, 0.4]]
    assert 'value="0.1,0.6 0.9,0.4"' in as_mara.get(f"/create?remix={film}").text
    assert "the nearest legal number is 2" in as_mara.post("/create", data=form | {"path": "0.1,0.6"}).text


@pytest.mark.browser
def test_a_path_can_be_drawn(house, mara) -> None:
    with browsers.served(house) as address, browsers.chromium() as browser:
        context = browser.new_context(viewport=browsers.PHONE, base_url=address)
        browsers.sign_in(house, context, address, mara)
        page = context.new_page()
        page.goto("/create")
        page.get_by_text("Draw where the subject goes").click()
        pad = page.locator("svg.pad")
        pad.scroll_into_view_if_needed()
        box = pad.bounding_box()
        at = [
            (box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in ((0.1, 0.8), (0.5, 0.2), (0.9, 0.8))
        ]
        page.mouse.move(*at[0])
        page.mouse.down()
        for point in at[1:]:
            page.mouse.move(*point, steps=10)
        page.mouse.up()
        points = [tuple(map(float, point.split(","))) for point in page.get_by_label("Path").input_value().split()]
        assert 2 <= len(points) <= 12 and points[0] == (0.1, 0.8) and points[-1] == (0.9, 0.8)
        assert min(y for _, y in points) < 0.3
        assert pad.locator("polyline").get_attribute("points").count(",") == len(points)
