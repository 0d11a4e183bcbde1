"""Tests the export's page: prepared on demand, downloaded whole or where a download broke, by its owner alone."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator

import films_there
import pytest
import studios
from fastapi.testclient import TestClient

from rushes.studio import app
from rushes.studio.house import House


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with studios.opened(tmp_path_factory.mktemp("studio"), closing_on="2030-01-31") as house:
        yield house


@pytest.fixture
def talking(house: House) -> TestClient:
    return TestClient(app.create(house), follow_redirects=False)


def test_an_export_is_made_and_downloaded_in_a_studio_that_closes(house: House, talking: TestClient) -> None:
    user, _ = studios.person(house, "maker")
    job_ids = films_there.made(house, user, 3)
    token = studios.signed_in(house, talking, user)
    assert talking.post("/account/export", data={"csrf": "x"}).status_code == 403
    assert talking.post("/account/export", data={"csrf": token}).status_code == 303
    address = re.search(r'href="(/account/export/export_\w+\.zip)"', talking.get("/account/export").text)[1]
    answer = talking.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    whole, tag = answer.content, answer.headers["etag"]
    assert len(whole) == int(answer.headers["content-length"])
    assert 'filename="maker.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(whole)) as zipped:
        assert zipped.testzip() is None
        assert zipped.read(f"films/{job_ids[0]}/video.mp4") == films_there.content(job_ids[0])

    size = len(whole)
    for asked, part in (("0-0", whole[:1]), ("100-", whole[100:]), ("-7", whole[-7:]), ("5-99999999", whole[5:])):
        answer = talking.get(address, headers={"range": f"bytes={asked}", "if-range": tag})
        assert (answer.status_code, answer.content) == (206, part)
        assert answer.headers["content-range"].endswith(f"/{size}")
    assert talking.get(address, headers={"range": f"bytes={size}-"}).status_code == 416
    for headers in ({"range": "bytes=1-", "if-range": '"older"'}, {"range": "bytes=1-2,5-6"}, {"range": "bytes=-"}):
        answer = talking.get(address, headers=headers)
        assert (answer.status_code, answer.content) == (200, whole)

    studios.signed_in(house, talking, studios.person(house, "thief")[0])
    assert talking.get(address).status_code == 404
    talking.cookies.clear()
    assert talking.get(address).headers["location"].startswith("/sign-in")
