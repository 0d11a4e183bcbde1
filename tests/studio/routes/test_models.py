"""Tests which models programs hear of."""

from __future__ import annotations

import time
from pathlib import Path

import open_weights
import pytest
import studios
import wires

from rushes import tiers
from rushes.media.metadata import read_request
from rushes.models.open import _catalogue as catalogue
from rushes.serve.client.jobs import Job
from rushes.serve.film import Films


def test_the_one_model_says_what_it_takes(tmp_path: Path) -> None:
    with studios.opened(tmp_path) as house, studios.client(house) as talking:
        _, key = studios.person(house, "maker")
        (listed,) = talking.get("/v1/models", headers=key).json()["data"]
        assert listed == talking.get(f"/v1/models/{tiers.MODEL}", headers=key).json()
        assert set(listed["tiers"]) == set(tiers.TIERS) and listed["seconds"][-1] == tiers.MAX_SECONDS
        size = listed["tiers"]["flipbook"]["size"]
        made = talking.post("/v1/videos", json={"prompt": "a boat", "size": size, "seconds": "1"}, headers=key)
        assert made.json()["size"] == size in listed["sizes"]
        missing = talking.get("/v1/models/sora-2", headers=key)
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")


def test_a_studio_offers_open_weight_models_with_their_own_rules(tmp_path: Path) -> None:
    name = "wan2.1-1.3b"
    with studios.opened(tmp_path) as house, studios.client(house) as talking:
        house.offered = {name: catalogue.find(name).checkpoint.native}
        _, key = studios.person(house, "maker", "pro")
        listed = talking.get("/v1/models", headers=key).json()["data"]
        assert [each["id"] for each in listed] == [tiers.MODEL, name]
        assert listed[1] == talking.get(f"/v1/models/{name}", headers=key).json()
        assert listed[1]["native"]["step"] == 4 and listed[1]["sizes"] == ["832x480"]

        def ask(**said: object) -> dict:
            return talking.post("/v1/videos", json={"prompt": "a boat", "model": name, **said}, headers=key).json()

        made = ask(seconds="5", seed=3)
        assert (made["model"], made["size"], made["num_frames"], made["fps"]) == (name, "832x480", 81, 16)
        assert made["num_inference_steps"] == 50 and made["guidance_scale"] == 5.0
        for said, param in (({"num_frames": 80}, "num_frames"), ({"size": "1280x720"}, "size"), ({"fps": 24}, "fps")):
            error = ask(**said)["error"]
            assert error["param"] == param and "the nearest legal value is" in error["message"], error
        assert ask(seconds="60")["error"]["param"] == "seconds"
        assert "there is no model" in ask(model="mochi-1")["error"]["message"]


def test_a_worker_makes_the_film_of_an_open_weight_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "wan2.1-1.3b"
    open_weights.save(name, tmp_path)
    monkeypatch.setenv("RUSHES_MODELS", str(tmp_path))
    with studios.opened(tmp_path / "home") as house, studios.client(house) as talking:
        house.offered = {name: catalogue.find(name).checkpoint.native}
        _, key = studios.person(house, "maker", "pro")
        wish = {"prompt": "a boat", "model": name, "size": "64x64", "num_frames": 5, "num_inference_steps": 2}
        made = talking.post("/v1/videos", json=wish, headers=key).json()
        with wires.working(house, Films(Path("weights"), (name,), device="cpu", threads=1)):
            deadline = time.monotonic() + 120
            while made["status"] not in ("completed", "failed"):
                assert time.monotonic() < deadline
                time.sleep(0.1)
                made = talking.get(f"/v1/videos/{made['id']}", headers=key).json()
        assert made["status"] == "completed", made
        (tmp_path / "film.mp4").write_bytes(talking.get(f"/v1/videos/{made['id']}/content", headers=key).content)
        assert read_request(tmp_path / "film.mp4")["model"] == name
        again = talking.post(f"/v1/videos/{made['id']}/remix", json={"prompt": "a cat"}, headers=key).json()
        assert (again["model"], again["num_frames"], again["size"]) == (name, 5, "64x64")


def test_the_page_offers_what_the_studio_does(tmp_path: Path) -> None:
    name = "wan2.1-1.3b"
    with studios.opened(tmp_path) as house, studios.client(house) as talking:
        talking.headers["x-csrf-token"] = studios.signed_in(house, talking, studios.person(house, "maker", "pro")[0])
        assert 'name="model"' not in talking.get("/create").text
        house.offered = {name: catalogue.find(name).checkpoint.native}
        assert f'value="{name}"' in talking.get("/create").text
        sent = talking.post("/create", data={"prompt": "a boat", "model": name, "length": "2"})
        with house.database.read() as session:
            request = session.get_one(Job, sent.headers["location"].removeprefix("/films/")).request
        assert (request["model"], request["shape"]["frames"], request["num_steps"]) == (name, 33, 50)
        remix = talking.get(f"/create?remix={sent.headers['location'].removeprefix('/films/')}").text
        assert f'value="{name}" selected' in remix
