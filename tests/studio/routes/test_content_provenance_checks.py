"""The provenance check as the official client asks for it."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest
import studios
import wires

from rushes.serve.client import jobs
from rushes.studio.trust import provenance


def test_films_are_told_apart(tmp_path: Path) -> None:
    with studios.opened(tmp_path / "home") as house, wires.serving(house) as url:
        user, headers = studios.person(house, "anna")
        job_id = wires.finished(house, user)
        with house.database.read() as session:
            job = session.get_one(jobs.Job, job_id)
        plain = house.media.get(job.files["video"])
        path = tmp_path / "film.mp4"
        path.write_bytes(plain)
        provenance.signer_of(house).sign(path, job)
        key = headers["authorization"].removeprefix("Bearer ")
        with openai.OpenAI(api_key=key, base_url=f"{url}/v1", max_retries=0) as client:
            signed, mark = client.content_provenance_checks.create(file=path).results
            assert (signed.type, signed.outcome, signed.validation_state) == ("c2pa", "detected", "trusted")
            assert signed.video_id == job_id and mark.type == "rushes_mark"
            bare = client.content_provenance_checks.create(file=("film.mp4", plain))
            assert bare.results[0].validation_state == "not_present" and bare.verdict == "unknown"
            flipped = bytearray(path.read_bytes())
            flipped[-20] ^= 1
            assert client.content_provenance_checks.create(file=("f.mp4", bytes(flipped))).verdict == "altered"
            with pytest.raises(openai.BadRequestError):
                client.content_provenance_checks.create(file=("film.txt", b"words"))
