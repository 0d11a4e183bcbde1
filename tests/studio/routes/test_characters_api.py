"""Characters as the official client makes them: from films made here alone."""

from __future__ import annotations

import base64
from pathlib import Path

import httpx
import openai
import pytest
import studio_subjects
import studios
import wires

from rushes.serve.client import jobs


@pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
def test_a_film_of_ones_own_becomes_a_character(tmp_path: Path) -> None:
    with studios.opened(tmp_path) as house, wires.serving(house) as url:
        user, headers = studios.person(house, "anna")
        other = studios.person(house, "other")[1]["authorization"].removeprefix("Bearer ")
        film = wires.finished(house, user)
        with house.database.read() as session:
            content = house.media.get(session.get_one(jobs.Job, film).files["video"])
        key = headers["authorization"].removeprefix("Bearer ")
        with openai.OpenAI(api_key=key, base_url=f"{url}/v1", max_retries=0) as client:
            made = client.videos.create_character(name="Bo", video=("film.mp4", content, "video/mp4"))
            assert made.name == "Bo" and made.scope == "me" and made.look == "a red boat crosses a lake"
            assert client.videos.get_character(made.id).name == "Bo"
            stranger = client.with_options(api_key=other)
            with pytest.raises(openai.NotFoundError):
                stranger.videos.get_character(made.id)
            with pytest.raises(openai.NotFoundError):
                stranger.videos.create_character(name="Bo", video=("film.mp4", content, "video/mp4"))
            with pytest.raises(openai.BadRequestError) as caught:
                client.videos.create_character(name="Bo", video=("film.mp4", b"someone", "video/mp4"))
            assert caught.value.code == "unsupported_condition"
            with pytest.raises(openai.BadRequestError):
                client.videos.create_character(name="x" * 100, video=("film.mp4", content, "video/mp4"))


@pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
def test_a_character_of_stills_is_made_used_and_deleted(tmp_path: Path) -> None:
    weights = studio_subjects.weights(tmp_path / "weights")
    with studios.opened(tmp_path, weights=str(weights)) as house, wires.serving(house) as url:
        headers = studios.person(house, "anna")[1]
        place = f"{url}/v1/videos/characters"
        fox = f"data:image/jpeg;base64,{base64.b64encode(studio_subjects.FOX).decode()}"
        said = {"name": "Reynard", "look": "a red fox", "stills": [fox], "consent": True}
        for changed, param in (
            ({"consent": False}, "consent"),
            ({"look": None}, "look"),
            ({"video": "video_0"}, "video"),
            ({"best": 2}, "best"),
            ({"stills": [fox] * 21}, "stills"),
            ({"stills": [fox, "data:image/png;base64,AAAA"]}, "stills.1"),
        ):
            answer = httpx.post(place, headers=headers, timeout=60, json=said | changed)
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text
        assert house.media.list() == []
        files = [("stills[]", (f"{n}.jpg", one, "image/jpeg")) for n, one in enumerate((studio_subjects.FOX,) * 2)]
        form = {"name": "Reynard", "look": "a red fox", "consent": "true", "best": "2"}
        made = httpx.post(place, headers=headers, timeout=60, data=form, files=files).json()
        assert (made["num_stills"], made["scope"]) == (2, "me")
        for num in (1, 2):
            named = [("stills", one) for _, one in files[:num]]
            again = httpx.post(place, headers=headers, timeout=60, data=form | {"best": "1"}, files=named).json()
            assert again["num_stills"] == num
            assert httpx.delete(f"{place}/{again['id']}", headers=headers).status_code == 200
        assert httpx.get(made["picture_url"].replace(house.config.base_url, url)).content[1:4] == b"PNG"
        key = headers["authorization"].removeprefix("Bearer ")
        with openai.OpenAI(api_key=key, base_url=f"{url}/v1", max_retries=0) as client:
            film = client.videos.create(prompt="Reynard drifts left", extra_body={"characters": [made["id"]]})
            assert film.prompt == "a red fox drifts left" and film.characters == [made["id"]] and film.note == ""
            looped = client.videos.create(
                prompt="", extra_body={"characters": [made["id"]], "prompt": "at dusk", "loop": True}
            )
            assert looped.note == "" and looped.prompt == "a red fox, at dusk"
        with house.database.read() as session:
            assert [one["kind"] for one in session.get_one(jobs.Job, film.id).request["conditions"]] == ["subject"]
        assert httpx.delete(f"{place}/{made['id']}", headers=headers).json()["deleted"]
        assert httpx.delete(f"{place}/{made['id']}", headers=headers).status_code == 404
        with house.database.read() as session:
            assert session.get_one(jobs.Job, film.id).state == jobs.CANCELLED
        again = {"prompt": "a boat", "characters": made["id"]}
        refused = httpx.post(f"{url}/v1/videos", headers=headers, timeout=60, json=again)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "no_consent")
        assert house.media.list("characters/") == []
