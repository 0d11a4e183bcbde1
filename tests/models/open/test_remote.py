"""Tests the remote family against a real studio, and against a server that speaks the API's four words alone."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import studios
import wires
from PIL import Image

from rushes.errors import InputError, RushesError
from rushes.media.encode import encode
from rushes.models.open import Place, remote
from rushes.models.open import _catalogue as catalogue
from rushes.studio.house import House
from rushes.types import Condition, GenerationRequest, VideoShape

REQUEST = GenerationRequest(
    prompt="a red boat",
    model="",
    shape=VideoShape(frames=8, height=512, width=512),
    fps=8,
    num_steps=4,
    guidance_scale=2.0,
    seed=7,
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with studios.opened(tmp_path_factory.mktemp("studio")) as house:
        yield house


@pytest.fixture(scope="module")
def address(house: House) -> Iterator[str]:
    with wires.serving(house) as url, wires.working(house, wires.Drawn()):
        yield f"{url}/v1"


@pytest.fixture(scope="module")
def key(house: House) -> str:
    return studios.person(house, "remote", "admin")[1]["authorization"].removeprefix("Bearer ")


def film(request: GenerationRequest, key: str = "") -> np.ndarray:
    heard: list[int] = []
    return np.stack(list(remote.RemoteMaker(key).generate(request, lambda step, nothing: heard.append(step))))


def test_a_studio_makes_the_film(address: str, key: str, house: House, tmp_path: Path) -> None:
    request = replace(REQUEST, model=f"{address}#rushes")
    frames = film(request, key)
    assert frames.shape == (8, 512, 512, 3)
    assert abs(frames[0, 40, 5].astype(int) - 220).max() < 30  # the square that the studio's worker draws
    with house.database.read() as session:
        from rushes.serve.client.jobs import Job

        job = session.query(Job).order_by(Job.created_at.desc()).first()
    assert job.request["seed"] == 7 and job.request["num_steps"] == 4
    picture = tmp_path / "red.png"
    encode(picture, iter([np.full((64, 64, 3), 200, np.uint8)]), fps=8, shape=VideoShape(frames=1, height=64, width=64))
    first = Condition(kind="first", uri=str(picture))
    assert film(replace(request, conditions=(first,)), key).shape == (8, 512, 512, 3)


def test_a_studio_refuses_in_its_own_words(address: str, key: str) -> None:
    odd = replace(REQUEST, model=f"{address}#rushes", shape=VideoShape(frames=8, height=500, width=512))
    with pytest.raises(InputError, match="size 512x500 is illegal; the nearest legal value is 512x512"):
        film(odd, key)
    with pytest.raises(InputError, match="there is no model 'sora-2'"):
        film(replace(REQUEST, model=f"{address}#sora-2"), key)
    with pytest.raises(RushesError, match=r"answers 401: .*RUSHES_REMOTE_KEY"):
        film(replace(REQUEST, model=f"{address}#rushes"), "rsh_wrong")


def test_a_server_that_is_not_there_is_one_line() -> None:
    with pytest.raises(RushesError, match="can't be reached") as caught:
        film(replace(REQUEST, model="http://127.0.0.1:9/v1"))
    assert len(str(caught.value).splitlines()) == 1


class Plain(http.server.BaseHTTPRequestHandler):
    """OpenAI's wire: models without rules, films that fail where the prompt says so, an unexpected page."""

    asked: list[dict] = []  # noqa: RUF012
    deleted: list[str] = []  # noqa: RUF012
    content = picture = b""

    def _answer(self, value: object, status: int = 200) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("openai-poll-after-ms", "10")
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.path.endswith("/content"):
            return self._answer(self.content)
        if self.path == "/look.png":
            return self._answer(self.picture)
        if "/models/" in self.path:
            return self._answer({"id": "sora-2", "object": "model"})
        if self.path.endswith("broken"):
            return self._answer({"id": "broken", "status": "failed", "error": {"message": "it was moderated"}})
        if self.path.endswith("endless"):
            return self._answer({"id": "endless", "status": "in_progress", "progress": 5})
        return self._answer({"id": "fine", "status": "completed"})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append(asked)
        self._answer({"id": asked["prompt"], "status": "queued", "progress": 0})

    def do_DELETE(self) -> None:
        self.deleted.append(self.path.rpartition("/")[2])
        self._answer({"deleted": True})

    def log_message(self, *said: object) -> None:
        pass


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[str]:
    shape = VideoShape(frames=30, height=64, width=64)
    frames = (np.full((64, 64, 3), 8 * index, np.uint8) for index in range(30))
    encode(tmp_path / "film.mp4", frames, fps=30, shape=shape)
    Plain.content = (tmp_path / "film.mp4").read_bytes()
    Image.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(tmp_path / "look.png")
    Plain.picture = (tmp_path / "look.png").read_bytes()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Plain) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1#sora-2"
        server.shutdown()
        thread.join()


def test_any_server_with_the_api_is_asked_in_its_words_and_its_film_is_fitted(plain: str) -> None:
    frames = film(replace(REQUEST, prompt="fine", model=plain))
    assert frames.shape == (8, 512, 512, 3)
    assert Plain.asked[-1] == {"model": "sora-2", "prompt": "fine", "size": "512x512", "seconds": "1"}
    with pytest.raises(RushesError, match="made no film: it was moderated"):
        film(replace(REQUEST, prompt="broken", model=plain))


def test_a_film_that_nobody_waits_for_is_deleted_there(plain: str) -> None:
    def watch(step: int, nothing: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(remote.RemoteMaker("").generate(replace(REQUEST, prompt="endless", model=plain), watch))
    assert Plain.deleted == ["endless"]


def test_it_is_loaded_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(remote.KEY, "k")
    found = catalogue.find("http://films.example.org/v1#x")
    maker = found.family.load(found.checkpoint, Path(), Place())
    assert maker.record(REQUEST)["weights"] == {} and maker.estimate(REQUEST).seconds == 0
    assert remote.split("http://films.example.org/v1/#x") == ("http://films.example.org/v1", "x")


def test_pictures_meanwhile_are_seen_where_they_are_the_servers_own(plain: str) -> None:
    with remote._Server(remote.split(plain)[0], "key") as server:
        seen = server._seen({"preview_url": "/look.png"})
        assert seen is not None and remote.RemoteMaker("").preview(seen).shape == (60, 80, 3)
        for other in (None, "/v1/models/sora-2", plain.replace("127.0.0.1", "127.0.0.2")):
            assert server._seen({"preview_url": other}) is None
