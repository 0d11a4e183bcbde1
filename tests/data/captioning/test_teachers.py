"""Tests of teachers: a real server that answers, fails for a while, hangs, drips or talks rubbish."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from rushes.data.captioning import teachers
from rushes.data.captioning.looking import to_jpeg
from rushes.data.captioning.teachers import KEY, open_teacher, parse, understand
from rushes.errors import InputError, RushesError

GOOD = {
    "short": "A boat sails.", "medium": "A red boat sails  left\nat sea.", "dense": "A boat. It sails. It is dusk.",
    "subjects": [{"kind": "Boat", "colour": "red", "wings": 2}], "place": "Sea", "weather": 3, "quality": ["noisy"],
}  # fmt: skip
JPEG = to_jpeg(np.zeros((8, 8, 3), np.uint8))


def completion(text: str) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


class Endpoint(BaseHTTPRequestHandler):
    """Speaks /v1/chat/completions; the model's name says how it behaves."""

    seen: list[dict[str, Any]]
    ends: threading.Event

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append({"path": self.path, "key": self.headers.get("Authorization"), **body})
        model, nth = body["model"], sum(one["model"] == body["model"] for one in self.seen)
        if model == "hangs":
            self.ends.wait(20)
        elif model == "drips":
            self.send_response(200)
            self.end_headers()
            while not self.ends.wait(0.05):
                try:
                    self.wfile.write(b" ")
                except OSError:
                    return
        elif model == "busy" and nth < 3:
            self.answer(503, b"later")
        elif model == "refuses":
            self.answer(401, b'{"error": "no such key"}')
        elif model == "moves":
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif model == "floods":
            self.answer(200, b" " * (teachers.MOST_BYTES + 1))
        elif model == "is-no-api":
            self.answer(200, b"<html>hello</html>")
        elif model == "is-silent":
            self.answer(200, b'{"choices": [{"message": {"content": null}}]}')
        elif model == "rubbish":
            self.answer(200, completion("I cannot see any video."))
        else:
            self.answer(200, completion(f"```json\n{json.dumps(GOOD)}\n```"))

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def endpoint() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    seen: list[dict[str, Any]] = []
    ends = threading.Event()
    handler = type("Own", (Endpoint,), {"seen": seen, "ends": ends})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1", seen
    ends.set()
    server.shutdown()
    server.server_close()
    thread.join()


def ask(place: str, model: str, **changes: Any) -> str:
    words = " ".join(f"{name}={value}" for name, value in ({"pause_s": 0.01} | changes).items())
    return open_teacher(parse(f"{place} {model} {words}"))([JPEG, JPEG])


def test_a_teacher_sees_pictures_and_answers(endpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    place, seen = endpoint
    monkeypatch.setenv(KEY, "secret")
    said = understand(ask(f"{place}/", "good"))
    assert said["medium"] == "A red boat sails left at sea."
    assert json.loads(said["fields"]) == {
        "subjects": [{"kind": "boat", "colour": "red"}], "place": "sea", "quality": ["noisy"],
    }  # fmt: skip
    asked = seen[0]
    assert asked["path"] == "/v1/chat/completions" and asked["key"] == "Bearer secret" and asked["temperature"] == 0
    pictures = [part["image_url"]["url"] for part in asked["messages"][0]["content"] if part["type"] == "image_url"]
    assert [base64.b64decode(url.partition(",")[2]) for url in pictures] == [JPEG, JPEG]


def test_what_may_pass_is_tried_again(endpoint: Any) -> None:
    place, seen = endpoint
    assert "boat" in ask(place, "busy", tries=3) and len(seen) == 3
    seen.clear()
    with pytest.raises(RushesError, match="503"):
        ask(place, "busy", tries=2)


@pytest.mark.parametrize(("model", "said"), [("hangs", "timed out"), ("drips", "not complete after")])
def test_nobody_waits_for_ever(endpoint: Any, model: str, said: str) -> None:
    began = time.monotonic()
    with pytest.raises(RushesError, match=said):
        ask(endpoint[0], model, timeout_s=0.4, tries=2)
    assert time.monotonic() - began < 15  # twenty seconds and for ever are what they would take


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("refuses", "answers 401.*no such key"),
        ("moves", "answers 302"),
        ("floods", "longer than"),
        ("is-no-api", "no chat completion"),
        ("is-silent", "no text"),
    ],
)
def test_other_answers_are_failures_at_once(endpoint: Any, model: str, said: str) -> None:
    place, seen = endpoint
    with pytest.raises(RushesError, match=said):
        ask(place, model)
    assert len(seen) == 1


def test_nobody_there_is_a_failure() -> None:
    with pytest.raises(RushesError, match="does not answer"):
        ask("http://127.0.0.1:1/v1", "good", tries=2)


@pytest.mark.parametrize(
    "answer",
    [
        "", "no JSON", "[1, 2]", "{}", '{"medium": ""}', '{"medium": 3}', '{"medium": "!!! 123"}', "{" * 100_000,
        json.dumps({"medium": "word " * 1000}), '{"medium": "caf\ufffd au lait"}',
    ],
)  # fmt: skip
def test_rubbish_is_refused(answer: str) -> None:
    with pytest.raises(InputError, match="teacher's"):
        understand(answer)


def test_a_text_that_is_missing_is_the_medium_one() -> None:
    said = understand('{"medium": "a cat", "subjects": "none", "quality": "good"}')
    assert said["short"] == said["dense"] == "a cat" and json.loads(said["fields"]) == {"subjects": [], "quality": []}


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("", "no place to ask"),
        ("ftp://a b", "no place to ask"),
        ("file:///etc/passwd m", "no place to ask"),
        ("http://a/v1", "names 0 models"),
        ("http://a/v1 m n", "names 2 models"),
        ("http://a/v1 m frame=3", "known keys here: frames"),
        ("http://a/v1 m tries=0", "nearest legal value is 1"),
        ("http://a/v1 m timeout_s=0", "nearest legal value is 1"),
    ],
)
def test_settings_that_name_no_teacher_are_refused(argument: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse(argument)


def test_answers_depend_on_who_is_asked_and_not_on_patience() -> None:
    one, patient, other = (
        parse(f"http://a/v1 m {words}").shapes_answers for words in ("", "timeout_s=9 tries=2 parallel=1", "frames=8")
    )
    assert one == patient != other
