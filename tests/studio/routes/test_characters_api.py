"""Characters as the official client makes them: from films made here alone."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest
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
