"""Conversations over real HTTP: the official client's completions, and a chat model that calls functions."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import openai
import pytest
import studios
import wires

from rushes.models.open import _catalogue as catalogue
from rushes.serve.client import jobs
from rushes.studio.house import House
from rushes.studio.members.accounts import Caller
from rushes.studio.wire import tools

WAN = "wan2.1-1.3b"
SAY = "a red boat crosses a lake, 1 second"


@contextlib.contextmanager
def clients(house: House, user_headers: dict) -> Iterator[openai.OpenAI]:
    key = user_headers["authorization"].removeprefix("Bearer ")
    with wires.serving(house) as url, openai.OpenAI(api_key=key, base_url=f"{url}/v1", max_retries=0) as client:
        yield client


def test_the_official_client_makes_and_refines_films(tmp_path: Path) -> None:
    with studios.opened(tmp_path) as house, wires.working(house, wires.Drawn()):
        _, headers = studios.person(house, "anna", plan="admin")
        with clients(house, headers) as client:

            def ask(*said: str, **options: object):
                roles = ("user", "assistant") * len(said)
                messages = [{"role": role, "content": text} for role, text in zip(roles, said, strict=False)]
                return client.chat.completions.create(model="rushes", messages=messages, **options)

            first = ask(SAY)
            answer = first.choices[0].message.content
            assert first.choices[0].finish_reason == "stop" and first.video["id"] in answer
            assert (first.video["status"], first.video["seconds"]) == ("completed", "1")
            assert f"]({first.video['url']})" in answer

            second = ask(SAY, answer, "now as a GIF")
            assert (second.video["format"], second.video["prompt"]) == ("gif", first.video["prompt"])
            assert (second.video["seed"], second.video["remixed_from_video_id"]) == (
                first.video["seed"],
                first.video["id"],
            )
            third = ask(SAY, answer, "make it night")
            assert third.video["prompt"] == "a red boat crosses a lake at night"

            further = ask(SAY, answer, "go on for 2 seconds")
            assert (further.video["kind"], further.video["seconds"]) == ("extension", "3")

            streamed = list(ask(SAY, answer, "slower", stream=True))
            text = "".join(chunk.choices[0].delta.content or "" for chunk in streamed)
            assert "slowly" in text and "Watch the film" in text
            assert streamed[-1].choices[0].finish_reason == "stop"

            assert "finished" in ask(SAY, answer, "is it ready?").choices[0].message.content
            assert "make it night" in ask("help").choices[0].message.content
            assert "no film" in ask("status").choices[0].message.content
            parts = client.chat.completions.create(
                model="rushes",
                messages=[{"role": "user", "content": [{"type": "text", "text": "help"}]}],
                temperature=0,
            )
            assert parts.choices[0].message.content
            for wrong in ({"model": "gpt"}, {"messages": []}, {"messages": [{"role": "user", "content": " "}]}):
                good = {"model": "rushes", "messages": [{"role": "user", "content": "help"}]}
                with pytest.raises(openai.BadRequestError):
                    client.chat.completions.create(**{**good, **wrong})

        other = studios.person(house, "other", plan="admin")[1]
        with clients(house, other) as client:  # others' films are not what a conversation is about
            messages = [{"role": "assistant", "content": answer}, {"role": "user", "content": "cancel"}]
            got = client.chat.completions.create(model="rushes", messages=messages)
            assert "no film" in got.choices[0].message.content


class Model:
    """A chat model that answers `script`, one message after the other, and keeps what it was asked."""

    def __init__(self) -> None:
        self.script: list[dict] = []
        self.asked: list[dict] = []
        self.keys: list[str | None] = []
        self.url = ""


@contextlib.contextmanager
def speaking() -> Iterator[Model]:
    model = Model()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            model.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            model.keys.append(self.headers["authorization"])
            body = json.dumps({"choices": [{"message": model.script.pop(0)}]} if model.script else {"odd": 1}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *said: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    model.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def called(name: str, **arguments: object) -> dict:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": function}],
    }


def test_a_chat_model_calls_the_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSHES_CHAT_KEY", "secret")
    with speaking() as model, studios.opened(tmp_path, chat_endpoint=model.url, chat_model="m") as house:
        user, headers = studios.person(house, "anna", plan="admin")
        film = wires.finished(house, user)
        with studios.client(house) as talking:
            body = {"messages": [{"role": "user", "content": "a boat"}], "stream": False}
            model.script = [
                called("generate_video", prompt="a boat", size="512x512", seconds=1),
                {"role": "assistant", "content": "Here."},
            ]
            model.script[0]["tool_calls"] *= 9  # only some are run
            waiting = threading.Thread(target=_cancel_all, args=(house,))
            waiting.start()
            answer = talking.post("/v1/chat/completions", headers=headers, json=body)
            waiting.join()
            assert answer.json()["choices"][0]["message"]["content"].startswith("Here.")
            assert model.keys[0] == "Bearer secret" and model.asked[0]["tools"] == tools.schema(house)
            assert len([m for m in model.asked[1]["messages"] if m["role"] == "tool"]) == 4

            model.script = [called("get_video", video_id=film), {"role": "assistant", "content": "Done."}]
            talking.post("/v1/chat/completions", headers=headers, json=body)
            told = json.loads(model.asked[-1]["messages"][-1]["content"])
            assert (told["id"], told["status"]) == (film, "completed")

            model.script = [called("get_video", video_id=film)] * 5
            endless = talking.post("/v1/chat/completions", headers=headers, json=body)
            assert endless.status_code == 200 and "tools" not in model.asked[-1]

            model.script = []
            odd = talking.post("/v1/chat/completions", headers=headers, json=body)
            assert (odd.status_code, odd.json()["error"]["code"]) == (502, "chat_model_failed")


def test_a_conversation_makes_films_with_the_models_that_the_studio_offers(tmp_path: Path) -> None:
    with studios.opened(tmp_path) as house, studios.client(house) as talking:
        _, headers = studios.person(house, "anna", plan="admin")

        def ask(*said: str, model: str = "rushes"):
            messages = [
                {"role": "user" if at % 2 == 0 else "assistant", "content": text} for at, text in enumerate(said)
            ]
            body = {"model": model, "messages": messages, "stream": True}  # a stream answers before the film is there
            with talking.stream("POST", "/v1/chat/completions", headers=headers, json=body) as answer:
                if answer.status_code != 200:
                    answer.read()
                    return answer.json()["error"]["message"]
                next(answer.iter_lines())
            with house.database.write() as session:
                job = session.query(jobs.Job).order_by(jobs.Job.created_at.desc()).first()
                jobs.cancel(session, job.id)
                return job.id, job.generation_request()

        assert "there is no model 'wan2.1-13b'; known: rushes" in ask("a red boat with the model wan2.1-13b")
        house.offered = {WAN: catalogue.find(WAN).checkpoint.native}
        own, request = ask("a red boat with the model train")
        assert (request.model, request.prompt) == ("rushes", "a red boat with the model train")
        made, request = ask("a red boat crosses a lake, 2 seconds, with Wan2.1-1.3b please")
        assert (request.model, request.shape.frames, request.num_steps) == (WAN, 33, 50)
        assert request.prompt == "a red boat crosses a lake" and request.shape.width == 832
        _, darker = ask("a red boat", f"Making it ({made})", "make it night")  # its own model's rules, not ours
        assert (darker.model, darker.shape, darker.seed) == (WAN, request.shape, request.seed)
        assert darker.prompt == "a red boat crosses a lake at night"
        _, other = ask("a red boat", f"Making it ({own})", f"make it with {WAN}")
        assert (other.model, other.prompt, other.shape.frames) == (WAN, "a red boat with the model train", 81)
        _, named = ask("a kite over the hills", model=WAN)
        assert (named.model, named.fps) == (WAN, 16)
        for words, model in (("a boat with model wan2.1-13b", "rushes"), ("a boat", "wan2.1-13b")):
            assert f"there is no model 'wan2.1-13b'; known: {WAN}, rushes" in ask(words, model=model)


def _cancel_all(house: House) -> None:
    """Cancel films as they come, until four were."""
    count, tick = 0, threading.Event()
    for _ in range(200):
        with house.database.write() as session:
            for job in session.query(jobs.Job).filter(jobs.Job.state == jobs.QUEUED):
                count += jobs.cancel(session, job.id)
        if count >= 4 or tick.wait(0.05):
            return


def test_functions_act_for_their_caller_alone(tmp_path: Path) -> None:
    with studios.opened(tmp_path) as house:
        user, stranger = studios.person(house, "anna")[0], studios.person(house, "other")[0]
        film = wires.finished(house, user)
        scopes = frozenset(("films:read", "films:write"))
        owner, other = Caller(user=user, scopes=scopes), Caller(user=stranger, scopes=scopes)
        reader = Caller(user=user, scopes=frozenset(("films:read",)))
        named = json.dumps({"video_id": film})
        assert tools.call(house, owner, "get_video", named).answer["status"] == "completed"
        assert "no video" in tools.call(house, other, "get_video", named).answer["error"]
        assert (
            "no video"
            in tools.call(house, other, "remix_video", json.dumps({"video_id": film, "prompt": "x"})).answer["error"]
        )
        assert "films:write" in tools.call(house, reader, "generate_video", '{"prompt": "x"}').answer["error"]
        assert tools.call(house, owner, "list_my_videos", "").answer["films"][0]["id"] == film
        remix = tools.call(house, owner, "remix_video", json.dumps({"video_id": film, "prompt": "x", "seed": 3}))
        assert remix.job and remix.answer["seed"] == 3
        assert (
            tools.call(house, owner, "cancel_video", json.dumps({"video_id": remix.job.id})).answer["status"]
            == "failed"
        )
        for name, arguments in (
            ("rm", "{}"), ("get_video", "{"), ("get_video", "[]"), ("get_video", "null"), ("get_video", '{"x": 1}'),
            ("generate_video", '{"prompt": "a\\u0000"}'), ("generate_video", '{"prompt": "x", "size": "1x1"}'),
        ):  # fmt: skip
            assert "error" in tools.call(house, owner, name, arguments).answer
