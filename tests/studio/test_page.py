"""Tests the pages in a real browser: on a phone and a desk, by keyboard, without script, for everybody."""

from __future__ import annotations

import re
from collections.abc import Iterator

import browsers
import pytest
import showings
import sqlalchemy as sa
from fastapi.routing import iter_route_contexts
from playwright.sync_api import Browser, BrowserContext, expect
from studios import opened, person

from rushes.serve.client import jobs
from rushes.serve.client.database import now
from rushes.serve.client.jobs import Job
from rushes.studio import app
from rushes.studio import page as pages
from rushes.studio.chat import talk
from rushes.studio.library.drafts import Draft
from rushes.studio.members.accounts import SCOPES, Caller
from rushes.studio.social import characters, comments, posts
from rushes.studio.trust import reviews

SIZES = {"phone": browsers.PHONE, "desk": browsers.DESK}
STRANGERS = ("/", "/sign-in", "/sign-in/spent", "/sign-up", "/feed", "/verify", "/p/POST", "/p/POST/player", "/@mara")
MEMBERS = (
    *("/create", "/create?remix=FILM", "/films/FILM", "/films/RUNNING", "/films/FAILED", "/library", "/library?q=boat"),
    *(
        "/feed",
        "/arena",
        "/chat",
        "/chat/TALK",
        "/characters",
        "/p/POST",
        "/@mara",
        "/@ann",
        "/account",
        "/account/keys",
    ),
    *("/account/billing", "/account/export", "/admin", "/admin/users", "/admin/moderation"),
)
NEWCOMERS = ("/library", "/feed", "/arena", "/chat", "/characters", "/@newcomer", "/account", "/account/keys")
NO_PAGES = {  # what a browser can ask for that is a file, a part of a page, or leads elsewhere
    *("/openapi.json", "/static", "/healthz", "/metrics", "/oembed", "/mcp", "/oidc/start", "/oidc/back"),
    *("/posts/{post_id}", "/p/{post_id}/{name}.file", "/media/{until}/{signature}/{key:path}"),
    *(
        "/films/{film_id}/progress",
        "/films/{film_id}/live/{attempt}/{number}",
        "/chat/{conversation_id}/talk",
        "/characters/{character_id}/training",
        "/account/export/{export_id}.zip",
    ),
}
TABBABLE = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
  .filter((one) => one.checkVisibility() && one.type !== "hidden" && !(one.type === "radio" && !one.checked)).length"""
FOCUSED = "() => document.activeElement === document.body ? '' : document.activeElement.outerHTML.slice(0, 150)"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("pages")) as house:
        yield house


@pytest.fixture(scope="module")
def mara(house):
    return person(house, "mara", plan="admin")[0]


@pytest.fixture(scope="module")
def film(house, mara) -> Job:
    return browsers.finished_film(house, mara, "a red boat on the sea at sunset")


@pytest.fixture(scope="module")
def address(house, film) -> Iterator[str]:
    with browsers.served(house) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsers.chromium() as browser:
        yield browser


@pytest.fixture
def context(browser, address, house, mara) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport=browsers.PHONE, base_url=address)
    browsers.sign_in(house, context, address, mara)
    yield context
    context.close()


def asked(house, mara, **changed: object) -> Job:
    with house.database.write() as session:
        job = house.queue.submit(session, mara.id, Draft(prompt="a boat").order(), priority=1, estimate_s=9.0)
    change(house, job, **changed)
    return job


def change(house, job: Job, **changed: object) -> None:
    if changed:
        with house.database.write() as session:
            session.execute(sa.update(Job).where(Job.id == job.id).values(**changed))


@pytest.fixture(scope="module")
def named(house, mara, film) -> dict[str, object]:
    """What stands for the capitals in the paths of pages, and somebody who has nothing yet."""
    running = asked(house, mara, state=jobs.RUNNING, phase="denoising", progress=40, started_at=now(), seen_at=now())
    failed = asked(house, mara, state=jobs.FAILED, error="its worker was lost", ended_at=now())
    ann, caller = person(house, "ann")[0], Caller(user=mara, scopes=frozenset(SCOPES))
    for seed in range(2):
        showings.shown(house, ann, "two cats", seed=seed)
    with house.database.write() as session:
        post = posts.publish(session, caller, film.id, title="Evening")
        comments.write(session, Caller(user=ann, scopes=frozenset(SCOPES)), post, "That light!")
        characters.create(session, caller, name="Mara", look="a yellow coat")
        conversation = talk.begin(session, caller, "a boat")
        said = {"text": "a boat", "answer": "Making it.", "job_id": film.id, "once": "1", "created_at": now()}
        session.add(talk.Turn(conversation_id=conversation.id, **said))
        reviews.report(session, caller, "post", post.id, "spam", "twice")
    named = {"FILM": film.id, "RUNNING": running.id, "FAILED": failed.id, "POST": post.id, "TALK": conversation.id}
    return named | {"newcomer": person(house, "newcomer")[0]}


def test_every_page_is_looked_at(house) -> None:
    routes = {
        one.path or one.starlette_route.path for one in iter_route_contexts(app.create(house).routes) if is_page(one)
    }
    opened = {path.partition("?")[0] for path in (*STRANGERS, *MEMBERS)}
    shapes = {route: re.compile(re.sub(r"\{\w+\}", r"[\\w@]+", route)) for route in routes - NO_PAGES}
    assert [route for route, shape in shapes.items() if not any(map(shape.fullmatch, opened))] == []


def is_page(route) -> bool:
    path, methods = route.path or route.starlette_route.path, route.methods or ("GET",)
    return "GET" in methods and not path.startswith(("/v1/", "/api/"))


@pytest.mark.browser
@pytest.mark.parametrize(("size", "look"), [("phone", "light"), ("desk", "dark")])
def test_every_page_is_whole(browser, address, house, mara, named, size: str, look: str) -> None:
    axe, wrong = browsers.axe(), []
    for paths, user in ((STRANGERS, None), (MEMBERS, mara), (NEWCOMERS, named["newcomer"])):
        context = browser.new_context(viewport=SIZES[size], base_url=address, color_scheme=look)
        if user is not None:
            browsers.sign_in(house, context, address, user)
        page = context.new_page()
        said = browsers.watched(page)
        for path in paths:
            page.goto(re.sub("[A-Z]{4,}", lambda match: named[match[0]], path))
            wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
            said += [f"{wide} px too wide"] if wide > 0 else []
            said += [f"{num} h1"] if (num := page.locator("h1").count()) != 1 else []
            wrong += [f"{path}: {one}" for one in [*said, *browsers.barriers(page, axe)]]
            said.clear()
        context.close()
    assert wrong == []


@pytest.mark.browser
@pytest.mark.parametrize("path", ["/create", "/library", "/films/FILM"])
def test_the_keyboard_reaches_everything(context, film, path: str) -> None:
    page = context.new_page()
    page.goto(path.replace("FILM", film.id))
    wanted, reached = page.evaluate(TABBABLE), 0
    page.keyboard.press("Tab")
    assert "Skip to content" in page.evaluate(FOCUSED)
    for _ in range(wanted + 20):
        here = page.evaluate(FOCUSED)
        if not here:
            break
        reached += not here.startswith(("<video", "<main"))
        page.keyboard.press("Tab")
    assert reached >= wanted


@pytest.mark.browser
def test_targets_are_large_enough_for_a_thumb(context, film) -> None:
    page = context.new_page()
    for path in ("/create", "/library", f"/films/{film.id}"):
        page.goto(path)
        small = page.evaluate(
            """() => [...document.querySelectorAll("main button, main .button, .tab, main select")]
            .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 44)
            .map((one) => one.outerHTML.slice(0, 100))"""
        )
        assert small == [], path


@pytest.mark.browser
def test_a_film_is_asked_for_without_script(browser, address, house, mara) -> None:
    context = browser.new_context(viewport=browsers.PHONE, base_url=address, java_script_enabled=False)
    browsers.sign_in(house, context, address, mara)
    page = context.new_page()
    page.goto("/create")
    page.get_by_label("Prompt").fill("a crimson boat")
    page.get_by_role("radio", name="Short").check()
    page.get_by_role("button", name="Estimate again").click()
    expect(page.locator("#estimate")).to_contain_text("nearest: red")
    page.get_by_role("button", name="Make the film").click()
    expect(page).to_have_url(re.compile(r"/films/video_"))
    assert page.locator("noscript meta").count() or "refresh" in page.content()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("cancelled before it began")).to_be_visible()
    page.get_by_role("button", name="Darkroom").click()
    assert page.locator("html").get_attribute("data-look") == "dark"
    page.get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile(r"/library$"))
    context.close()


@pytest.mark.browser
def test_the_estimate_follows_what_is_typed(context) -> None:
    page = context.new_page()
    said = browsers.watched(page)
    page.goto("/create")
    page.get_by_label("Prompt").fill("a crimson boat")
    expect(page.locator("#estimate")).to_contain_text("nearest: red")
    page.get_by_role("radio", name="Short").check()
    expect(page.locator("#estimate")).to_contain_text("24 frames at 8 a second")
    assert said == []


@pytest.mark.browser
def test_progress_is_live_and_its_end_shows_the_film(context, house, mara, film) -> None:
    running = {"state": jobs.RUNNING, "phase": "denoising", "started_at": now(), "seen_at": now()}
    job = asked(house, mara)
    page = context.new_page()
    said = browsers.watched(page)
    page.goto(f"/films/{job.id}")
    change(house, job, **running, progress=34)
    expect(page.locator("progress")).to_have_attribute("value", "34")
    expect(page.get_by_role("status")).to_contain_text("denoising, 30 percent")
    change(house, job, state=jobs.SUCCEEDED, progress=100, ended_at=now(), files=film.files, measured=film.measured)
    video = page.locator("video")
    expect(video).to_be_visible()
    page.wait_for_function("() => !document.querySelector('video').paused")
    assert video.evaluate("(film) => film.muted && film.playsInline") and said == []


@pytest.mark.browser
def test_who_wants_no_motion_gets_none(browser, address, house, mara, film) -> None:
    context = browser.new_context(base_url=address, reduced_motion="reduce")
    browsers.sign_in(house, context, address, mara)
    page = context.new_page()
    page.goto(f"/films/{film.id}")
    page.wait_for_timeout(400)
    assert page.locator("video").evaluate("(film) => film.paused")
    context.close()


@pytest.mark.parametrize(
    ("number", "said"), [(0.42, "0.4 s"), (9.96, "10 s"), (65, "1 min 5 s"), (3_600, "1 h"), (7_384, "2 h 3 min")]
)
def test_lengths_are_put_as_people_say_them(number: float, said: str) -> None:
    assert pages.seconds(number) == said


def test_times_and_sizes_too() -> None:
    assert pages.ago(now()) == "just now" and pages.ago(now() - 7_300) == "2 h ago"
    assert pages.num_bytes(1_234_567) == "1.2 MB" and pages.moment(0) == "1970-01-01 00:00 UTC"
