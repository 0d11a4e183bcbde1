"""Tests the form by which films are asked for: estimates, faults that keep what was typed, double sends."""

from __future__ import annotations

import io
import re

import browsers
import pytest
import studio_subjects
import studios
from browsers import finished_film
from PIL import Image
from playwright.sync_api import expect
from studios import client, person, signed_in

from rushes.serve.client import jobs
from rushes.studio.library import subjects
from rushes.studio.members.accounts import SCOPES, Caller
from rushes.studio.social import characters


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
        ({"tier": "feature"}, 403, "makes flipbook, short, still, training, not"),
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


def test_a_film_is_laid_out_like_a_picture_however_that_is_read(house, as_mara) -> None:
    made = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(made, "PNG")
    form = {"prompt": "a red boat", "tier": "flipbook", "like_as": "depth"}
    files = {"like_picture": ("a.png", made.getvalue(), "image/png")}
    shown = as_mara.post("/create", data=form | {"only": "estimate"}, files=files)
    [digest] = re.findall(r'name="like" value="([0-9a-f]{64})"', shown.text)
    sent = as_mara.post("/create", data=form | {"like": digest, "like_as": "sketch"})
    film = sent.headers["location"].removeprefix("/films/")
    with house.database.read() as session:
        [like] = session.get_one(jobs.Job, film).request["conditions"]
    assert (like["kind"], like["sha256"]) == ("sketch", digest)
    as_mara.post(f"/films/{film}/cancel")  # few may wait at once
    again = as_mara.get(f"/create?remix={film}").text
    assert f'name="like" value="{digest}"' in again and '<option value="sketch" selected>' in again
    wrong = as_mara.post("/create", data=form | {"like": digest, "like_as": "lines"})
    assert wrong.status_code == 400 and "laid out by &#39;lines&#39;; legal: edges" in wrong.text


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


@pytest.fixture(scope="module")
def seeing(tmp_path_factory):
    """A studio whose weights can be shown subjects."""
    folder = tmp_path_factory.mktemp("seeing")
    with studios.opened(folder, weights=str(studio_subjects.weights(folder / "weights"))) as house:
        yield house


def lent(house, owner, *pictures: bytes) -> characters.Character:
    """Make a character that everybody may use."""
    caller = Caller(user=owner, scopes=frozenset(SCOPES))
    with house.database.write() as session:
        made = characters.create(session, caller, name="Reynard", look="a red fox in a coat", scope=characters.ALL)
        if pictures:
            characters.give_stills(house, session, made, [subjects.drawn(one) for one in pictures])
    return made


def conditions(house, sent) -> tuple[jobs.Job, list[str]]:
    with house.database.read() as session:
        job = session.get_one(jobs.Job, sent.headers["location"].removeprefix("/films/"))
    return job, [one["kind"] for one in job.request["conditions"]]


def test_a_subject_is_seen_cut_out_before_it_is_sent_and_the_film_is_shown_it(seeing) -> None:
    with client(seeing) as talking:
        ann = person(seeing, "ann")[0]
        csrf = {"csrf": signed_in(seeing, talking, ann)}
        fox, paper = (
            {"subject_picture": ("a.jpg", content, "image/jpeg")}
            for content in (studio_subjects.FOX, studio_subjects.NOTHING)
        )
        shown = talking.post("/create/subject", data=csrf, files=fox)
        assert 'class="cutout"><img src="data:image/png;base64,' in shown.text and "<html" not in shown.text
        refused = talking.post("/create/subject", data=csrf, files=paper)
        assert "the picture shows no subject" in refused.text and "<img" not in refused.text
        assert seeing.media.list("inputs/") == []
        form = csrf | {"prompt": "a fox drifts left", "tier": "flipbook", "once": "fox"}
        assert "no subject that can be cut out" in talking.post("/create", data=form, files=paper).text
        kept = talking.post("/create", data=form | {"only": "estimate"}, files=fox)
        [digest] = re.findall(r'name="subject" value="([0-9a-f]{64})"', kept.text)
        assert re.search(r'class="cutout"><img src="/media/[^"]+/inputs/[^"]+\.png"', kept.text)
        job, kinds = conditions(seeing, talking.post("/create", data=form | {"subject": digest}))
        assert kinds == ["subject"] and job.request["conditions"][0]["sha256"] == digest
        assert f'value="{digest}"' in talking.get(f"/create?remix={job.id}").text
        more = {"subject": digest, "loop": "1", "once": "loop"}
        _, kinds = conditions(seeing, talking.post("/create", data=form | more))
        assert sorted(kinds) == ["loop", "subject"]
        still = talking.post("/create", data=form | {"subject": digest, "tier": "still", "once": "other"})
        assert conditions(seeing, still)[1] == ["subject"]


def test_a_character_is_chosen_and_its_words_and_picture_are_in_the_film(seeing, house, as_mara, mara) -> None:
    with client(seeing) as talking:
        bob, fox = person(seeing, "bob")[0], lent(seeing, person(seeing, "cy")[0], studio_subjects.FOX)
        csrf = {"csrf": signed_in(seeing, talking, bob)}
        assert f'<option value="{fox.id}">Reynard, by @cy</option>' in talking.get("/create").text
        shown = talking.post(
            "/create/subject", data=csrf | {"character": fox.id, "prompt": "@Reynard drifts left"}
        ).text
        assert "The prompt becomes: a red fox in a coat drifts left." in shown and "/characters/" in shown
        form = csrf | {"prompt": "@Reynard drifts left", "tier": "flipbook", "character": fox.id}
        job, kinds = conditions(seeing, talking.post("/create", data=form))
        assert (job.request["prompt"], kinds) == ("a red fox in a coat drifts left", ["subject"])
        _, kinds = conditions(seeing, talking.post("/create", data=form | {"tier": "still"}))
        assert kinds == ["subject"]
        unseen = lent(seeing, person(seeing, "dan")[0])
        film, kinds = conditions(seeing, talking.post("/create", data=form | {"character": unseen.id}))
        assert kinds == [] and film.extra["note"] in talking.get(f"/films/{film.id}").text
        assert f'value="{fox.id}" selected' in talking.get(f"/create?remix={job.id}").text
        none = talking.post("/create", data=form | {"character": "char_0"})
        assert none.status_code == 403 and "there is no consent for you" in none.text
    words = lent(house, mara)
    estimate = as_mara.post("/create/estimate", data={"prompt": "@Reynard drifts left", "character": words.id}).text
    assert "reynard" not in estimate and "8 frames" in estimate
    told = as_mara.post("/create/subject", data={"character": words.id}).text
    assert "In words alone: there is no picture of it." in told and "<img" not in told


@pytest.mark.browser
@pytest.mark.parametrize("size", [browsers.PHONE, browsers.DESK], ids=["phone", "desk"])
def test_uploading_consenting_and_using(seeing, size, tmp_path) -> None:
    eve = person(seeing, f"eve{size['width']}")[0]
    files = []
    for name, content in (("fox.jpg", studio_subjects.FOX), ("paper.jpg", studio_subjects.NOTHING)):
        files.append(str(tmp_path / name))
        (tmp_path / name).write_bytes(content)
    with browsers.served(seeing) as address, browsers.chromium() as browser:
        context = browser.new_context(viewport=size, base_url=address)
        browsers.sign_in(seeing, context, address, eve)
        page = context.new_page()
        page.goto("/characters")
        page.get_by_label("Name").fill("Reynard")
        page.get_by_label("How it looks").fill("a red fox in a coat")
        page.get_by_label("Pictures of it").set_input_files(files)
        expect(page.get_by_text("paper.jpg: the picture shows no subject")).to_be_visible()
        expect(page.locator("#stills-shown .cutout img")).to_have_count(1)
        page.get_by_label("Pictures of it").set_input_files(files[:1] * 2)
        expect(page.locator("#stills-shown .cutout img")).to_have_count(2)
        second = page.locator("#stills-shown input[type=radio]").nth(1)
        second.check()
        page.wait_for_timeout(500)
        expect(second).to_be_checked()
        page.get_by_role("button", name="Make it").click()
        expect(page.get_by_text("tick that it is yours to use")).to_be_visible()
        page.get_by_label("Pictures of it").set_input_files(files[:1])
        page.get_by_label("This is mine to use").check()
        page.get_by_role("button", name="Make it").click()
        expect(page.get_by_role("heading", name="Reynard")).to_be_visible()
        cutout = page.get_by_role("img", name="Reynard, cut out")
        cutout.scroll_into_view_if_needed()
        page.wait_for_function("(one) => one.complete && one.naturalWidth === 48", arg=cutout.element_handle())
        said = browsers.watched(page)
        page.goto("/create")
        page.get_by_label("Prompt").fill("@Reynard drifts left")
        page.get_by_text("Your subject", exact=True).click()
        page.get_by_label("Or a picture").set_input_files(files[0])
        expect(page.locator("#subject-shown .cutout img")).to_have_attribute("src", re.compile("^data:image/png"))
        page.get_by_label("Or a picture").set_input_files([])
        page.get_by_label("A character").select_option("Reynard")
        expect(page.locator("#subject-shown")).to_contain_text("The prompt becomes: a red fox in a coat drifts left.")
        page.get_by_label("Prompt").fill("@Reynard drifts right")
        page.get_by_label("Prompt").blur()
        expect(page.locator("#subject-shown")).to_contain_text("a red fox in a coat drifts right.")
        wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0 and browsers.barriers(page, browsers.axe()) == [] and said == []
        page.get_by_role("button", name="Make the film").click()
        expect(page.get_by_role("heading", name="a red fox in a coat drifts right")).to_be_visible()
        context.close()
