"""Tests trainings over HTTP: asked for on a card and by programs, followed, ended, refused in a line."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
import studio_subjects
import studios
import trained_there
from fastapi.testclient import TestClient

from rushes.serve.client import jobs
from rushes.serve.client.jobs import Job
from rushes.studio.house import House
from rushes.studio.social import characters, trainings


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with studios.opened(tmp_path_factory.mktemp("studio")) as house:
        yield house


def test_a_card_leads_from_too_few_stills_to_a_trained_character(house: House, talking: TestClient) -> None:
    ann = studios.person(house, "ann")[0]
    fox = trained_there.character(house, ann, num=4)
    form, place = {"csrf": studios.signed_in(house, talking, ann)}, f"/characters/{fox.id}"
    card = talking.get("/characters").text
    assert "Mister Fox has 4 stills; 5 are needed to train it." in card and f'action="{place}/train"' not in card
    refused = talking.post(f"{place}/train", data=form)
    assert refused.status_code == 400 and "5 are needed" in refused.text

    paper = ("stills", ("paper.jpg", studio_subjects.NOTHING, "image/jpeg"))
    kite = ("stills", ("kite.webp", studio_subjects.KITE, "image/webp"))
    for said, files, why in (({}, [kite], "tick that the stills are yours"), ({"agreed": "1"}, [paper], "paper.jpg")):
        got = talking.post(f"{place}/stills", data=form | said, files=files)
        assert got.status_code == 400 and why in got.text
    assert talking.post(f"{place}/stills", data=form | {"agreed": "1"}, files=[kite]).status_code == 303
    card = talking.get("/characters").text
    assert "Train it: 100 credits, about 2 min" in card and 'value="mister fox"' in card
    assert '<option value="cat">cat</option>' in card

    wrong = talking.post(f"{place}/train", data=form | {"word": "red cat"})
    assert wrong.status_code == 400 and "means something to the model" in wrong.text
    sent = talking.post(f"{place}/train", data=form | {"word": "mister fox", "like": "dog"})
    assert (sent.status_code, sent.headers["location"]) == (303, f"/characters#{fox.id}")
    live = talking.get(f"{place}/training")
    assert (
        "waiting for a worker to start" in live.text and "hx-refresh" not in live.headers and "<html" not in live.text
    )
    assert talking.post(f"{place}/train", data=form).status_code == 400
    assert talking.post(f"{place}/train/cancel", data=form).status_code == 303
    assert talking.get(f"{place}/training").headers["hx-refresh"] == "true"

    with house.database.write() as session:
        assert trainings.latest(session, characters.owned(session, ann.id)[0]).state == jobs.CANCELLED
    trained_there.trained(house, ann, fox, like="dog")
    card = talking.get("/characters").text
    assert "/create?prompt=mister%20fox%20hops%20left%20on%20the%20beach" in card and "Train it again" in card
    file = card.partition('href="/media/')[2].partition('"')[0]
    got = talking.get(f"/media/{file}")
    assert got.status_code == 200 and "mister%20fox.safetensors" in got.headers["content-disposition"]

    shown = talking.post("/create/estimate", data=form | {"prompt": "mister fox hops left on the beach"}).text
    assert "Shows Mister Fox as trained." in shown and "not taught" not in shown
    shown = talking.post("/create/subject", data=form | {"prompt": "@Mister Fox hops", "character": fox.id}).text
    assert "The prompt becomes: mister fox hops. Mister Fox is trained" in shown
    looped = talking.post("/create/estimate", data=form | {"prompt": "mister fox hops", "loop": "1"}).text
    assert "Shows Mister Fox as trained." in looped
    assert talking.post("/create", data=form | {"prompt": "mister fox hops", "once": "1"}).status_code == 303
    assert "mister fox hops" in talking.get("/characters").text  # where it was used


def test_a_training_that_failed_says_why_on_its_card_and_admins_see_it(house: House, talking: TestClient) -> None:
    eve = studios.person(house, "eve", "admin")[0]
    fox = trained_there.character(house, eve)
    form = {"csrf": studios.signed_in(house, talking, eve)}
    talking.post(f"/characters/{fox.id}/train", data=form)
    assert "training: mister fox" in talking.get("/admin").text
    with house.database.write() as session:
        job = trainings.latest(session, fox)
        jobs.claim(session, job.id, 0, "test")
        jobs.end(session, job.id, 0, jobs.FAILED, error="still 03.webp shows no subject", error_code="invalid_request")
    assert "The training failed: still 03.webp shows no subject" in talking.get("/characters").text
    assert "training: mister fox" in talking.get("/admin").text
    assert talking.post(f"/admin/jobs/{job.id}/again", data=form).status_code == 303
    with house.database.read() as session:
        assert session.get_one(Job, job.id).state == jobs.QUEUED


def test_programs_ask_follow_and_cancel(house: House, talking: TestClient) -> None:
    bob, key = studios.person(house, "bob")
    other = studios.person(house, "other")[1]
    fox = trained_there.character(house, bob, num=4)
    place = f"/v1/videos/characters/{fox.id}"

    def send(path: str, headers: dict = key, **body: object):
        return talking.post(f"{place}/{path}", json=body, headers=headers)

    assert talking.get(f"{place}/train", headers=key).status_code == 404
    few = send("train")
    assert few.status_code == 400 and few.json()["error"]["message"].endswith("4 stills; 5 are needed to train it")
    still = f"data:image/webp;base64,{base64.b64encode(studio_subjects.KITE).decode()}"
    assert send("stills", stills=still).json()["error"]["param"] == "consent"
    assert send("stills", other, stills=still, consent=True).status_code == 404
    assert send("stills", stills=still, consent=True).json()["num_stills"] == 5
    assert send("train", other).status_code == 404
    once = key | {"idempotency-key": "one"}
    asked = send("train", once, word="reynard", like="dog").json()
    assert (asked["status"], asked["word"], asked["cost"], asked["num_stills"]) == ("queued", "reynard", 100, 5)
    assert send("train", once, word="reynard", like="dog").json()["id"] == asked["id"]
    assert send("train").json()["error"]["code"] == "training_running"
    assert talking.get("/v1/videos", headers=key).json()["data"] == []
    assert talking.get(f"/v1/videos/{asked['id']}", headers=key).status_code == 404
    cancelled = send("train/cancel").json()
    assert (cancelled["status"], cancelled["error"]["code"]) == ("failed", "cancelled")
    trained_there.trained(house, bob, fox, word="reynard", like="dog")
    assert talking.get(f"{place}/train", headers=key).json()["status"] == "completed"
    assert talking.get(place, headers=key).json()["word"] == "reynard"
    film = talking.post("/v1/videos", json={"prompt": "reynard hops left"}, headers=key).json()
    assert (film["characters"], film["prompt"], film["note"]) == ([fox.id], "reynard hops left", "")
