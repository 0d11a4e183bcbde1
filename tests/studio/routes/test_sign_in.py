"""Tests the ways in and out, as a browser goes them, without script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import postgres
import pytest
import studios
from fastapi.testclient import TestClient

from rushes.studio import app, who
from rushes.studio.house import House
from rushes.studio.members import accounts, audit
from rushes.studio.settings import LimitsConfig


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with studios.opened(tmp_path_factory.mktemp("studio"), url="https://films.test") as house:
        with house.database.write() as session:
            accounts.create(session, "ann", accounts.hashed(studios.PASSWORD), email="ann@films.test")
        yield house


@pytest.fixture
def talking(house: House) -> Iterator[TestClient]:
    yield TestClient(app.create(house), "https://testserver", follow_redirects=False)


def send(talking: TestClient, path: str, **fields: str):
    """Send a form as the page `path` shows it."""
    shown = talking.get(path).text
    token = re.search(r'name="csrf" value="([^"]+)"', shown)[1]
    return talking.post(path.partition("?")[0], data={"csrf": token, **fields})


def test_a_stranger_signs_up_and_is_signed_in(house: House, talking: TestClient) -> None:
    answer = send(talking, "/sign-up?next=/create", username="Boat", password=studios.PASSWORD, next="/create")
    assert (answer.status_code, answer.headers["location"]) == (303, "/create")
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=lax", "Secure", "Path=/"))
    assert talking.get("/sign-in").headers["location"] == "/"
    with house.database.read() as session:
        user = accounts.by_name(session, "boat")
        assert (user.plan, user.is_admin) == ("free", False)
        assert [row.detail for row in audit.latest(session, target=user.id)] == [{"how": "sign-up"}]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"username": "ann", "password": studios.PASSWORD}, "nearest free one is"),
        ({"username": "b b", "password": studios.PASSWORD}, "is illegal; legal"),
        ({"username": "bob", "password": "short"}, "legal: 10 to 200"),
        ({"username": "bob", "password": studios.PASSWORD, "email": "ann@films.test"}, "sign in instead"),
    ],
)
def test_a_wrong_sign_up_says_what_is_wrong_and_keeps_what_was_typed(
    talking: TestClient, fields: dict[str, str], said: str
) -> None:
    answer = send(talking, "/sign-up", **fields)
    assert answer.status_code == 400 and said in answer.text and f'value="{fields["username"]}"' in answer.text
    assert studios.PASSWORD not in answer.text


def test_a_handle_is_moderated(talking: TestClient) -> None:
    answer = send(talking, "/sign-up", username="naked_child", password=studios.PASSWORD)
    assert answer.status_code == 400 and "minors-sexual" in answer.text


@pytest.mark.parametrize("name", ["ann", "@Ann", "ANN@films.test"])
def test_a_password_signs_in(talking: TestClient, name: str) -> None:
    answer = send(talking, "/sign-in?next=/library", name=name, password=studios.PASSWORD, next="/library")
    assert (answer.status_code, answer.headers["location"]) == (303, "/library")
    assert who.COOKIE in answer.cookies


def test_a_wrong_password_and_a_wrong_name_read_the_same(talking: TestClient) -> None:
    texts = []
    for name, password in (("ann", "wrong password"), ("nobody", studios.PASSWORD)):
        answer = send(talking, "/sign-in", name=name, password=password)
        assert answer.status_code == 400 and who.COOKIE not in answer.cookies
        texts.append(answer.text.replace(f'value="{name}"', ""))
    assert texts[0] == texts[1]


def test_sign_in_leads_nowhere_else(talking: TestClient) -> None:
    answer = send(talking, "/sign-in?next=//evil.test", name="ann", password=studios.PASSWORD, next="//evil.test")
    assert answer.headers["location"] == "/"
    assert talking.get("/sign-in?next=https://evil.test").headers["location"] == "/"


def test_signing_in_again_ends_the_session_before(house: House, talking: TestClient) -> None:
    first = send(talking, "/sign-in", name="ann", password=studios.PASSWORD).cookies[who.COOKIE]
    with house.database.read() as session:
        caller = accounts.by_cookie(session, first)
    token = who.form_token(house, caller)
    form = {"csrf": token, "name": "ann", "password": studios.PASSWORD}
    assert talking.post("/sign-in", data=form).status_code == 303
    with house.database.read() as session:
        assert accounts.by_cookie(session, first) is None


def test_sign_out_ends_the_session(house: House, talking: TestClient) -> None:
    cookie = send(talking, "/sign-in", name="ann", password=studios.PASSWORD).cookies[who.COOKIE]
    with house.database.read() as session:
        token = who.form_token(house, accounts.by_cookie(session, cookie))
    assert talking.post("/sign-out", data={"csrf": token}).status_code == 303
    with house.database.read() as session:
        assert accounts.by_cookie(session, cookie) is None
    assert talking.post("/sign-out", data={"csrf": token}).status_code == 403


def test_looking_at_a_link_does_not_spend_it(house: House, talking: TestClient) -> None:
    with house.database.write() as session:
        link = accounts.make_link(session, accounts.by_name(session, "ann"))
    for _ in range(3):
        assert talking.get(f"/sign-in/{link}").status_code == 200
        assert talking.head(f"/sign-in/{link}").status_code in (200, 405)
    assert send(talking, f"/sign-in/{link}").status_code == 303
    talking.cookies.clear()
    assert send(talking, f"/sign-in/{link}").status_code == 410


def test_a_suspended_account_stays_out(house: House, talking: TestClient) -> None:
    with house.database.write() as session:
        user = accounts.create(session, "outlaw", accounts.hashed(studios.PASSWORD))
        user.is_suspended = True
        link = accounts.make_link(session, user)
    assert send(talking, "/sign-in", name="outlaw", password=studios.PASSWORD).status_code == 403
    assert send(talking, f"/sign-in/{link}").status_code == 403


def test_guessing_is_slowed_down(tmp_path: Path) -> None:
    with (
        studios.opened(tmp_path, limits=LimitsConfig(sign_ins_per_hour=12)) as house,
        studios.client(house) as talking,
    ):
        codes = [send(talking, "/sign-in", name="ann", password="a wrong guess").status_code for _ in range(3)]
        assert codes == [400, 400, 429]
        assert send(talking, "/sign-in", name="bob", password="a wrong guess").status_code == 400
        answer = send(talking, "/sign-in", name="ann", password="a wrong guess")
        assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 60


def test_a_zero_character_is_a_clear_fault_in_postgresql_too(tmp_path: Path, postgres_server: postgres.Server) -> None:
    with studios.opened(tmp_path, database=postgres_server.database("zero")) as house:
        talking = TestClient(app.create(house), follow_redirects=False)
        assert send(talking, "/sign-in", name="a\0b", password=studios.PASSWORD).status_code == 400
        assert send(talking, "/sign-up", username="a\0b", password=studios.PASSWORD).status_code == 400
        assert send(talking, "/sign-in/x%00y").status_code == 410


def test_a_closed_door_is_closed(tmp_path: Path) -> None:
    for number, changed in enumerate(({"can_sign_up": False}, {"closing_on": "2030-01-01"})):
        with studios.opened(tmp_path / str(number), **changed) as house, studios.client(house) as talking:
            assert talking.get("/sign-up").status_code == 403
            token = who.form_token(house, None)
            form = {"csrf": token, "username": "bob", "password": studios.PASSWORD}
            assert talking.post("/sign-up", data=form).status_code == 403
            assert "Make an account" not in talking.get("/sign-in").text
