"""Webhooks end to end: the official client makes an endpoint, a film ends, the message arrives and is verified."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import openai
import postgres
import pytest
import studios
import wires

from rushes.serve.client import jobs
from rushes.studio.house import House
from rushes.studio.library import films
from rushes.studio.wire import webhooks
from rushes.studio.wire.webhooks import DELIVERED, GIVEN_UP, WAITING, Delivery


class Ear:
    """Somebody who listens; answers `statuses` one after the other, then 200."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.url = ""


@contextlib.contextmanager
def listening() -> Iterator[Ear]:
    ear = Ear()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            ear.heard.append((dict(self.headers.items()), body))
            self.send_response(ear.statuses.pop(0) if ear.statuses else 200)
            self.send_header("location", "/elsewhere")
            self.end_headers()

        def log_message(self, *said: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    ear.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield ear
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with studios.opened(tmp_path, allow_private_webhooks=True) as opened:
        yield opened


def ended(house: House, user) -> str:
    """Let a film of `user` end, the way a worker lets it."""
    job_id = wires.finished(house, user)
    with house.database.write() as session:
        films.settle(session, session.get_one(jobs.Job, job_id))
    return job_id


def deliveries(house: House) -> list[Delivery]:
    with house.database.read() as session:
        return session.query(Delivery).order_by(Delivery.created_at).all()


def endpoint(house: House, user, url: str):
    with house.database.write() as session:
        caller = studios_caller(user)
        return webhooks.create(house, session, caller, name="bot", url=url, event_types=list(webhooks.EVENTS))


def studios_caller(user):
    from rushes.studio.members.accounts import Caller

    return Caller(user=user, scopes=frozenset())


def make_due(house: House) -> None:
    with house.database.write() as session:
        session.query(Delivery).update({"due_at": 0.0})


def test_the_official_client_keeps_endpoints_and_verifies_messages(house: House) -> None:
    user, headers = studios.person(house, "anna")
    other = studios.person(house, "other")[1]
    key = headers["authorization"].removeprefix("Bearer ")
    with (
        listening() as ear,
        wires.serving(house) as url,
        openai.OpenAI(api_key=key, base_url=f"{url}/v1", max_retries=0) as client,
    ):
        made = client.webhooks.create(name="bot", url=ear.url, event_types=["video.completed"])
        assert made.signing_secret.startswith("whsec_") and made.object == "webhook_endpoint"
        assert client.webhooks.retrieve(made.id).signing_secret_hint == f"whsec_...{made.signing_secret[-4:]}"
        assert [known.id for known in client.webhooks.list(limit=1)] == [made.id]
        assert client.webhooks.event_types.list().data == ["video.completed", "video.failed"]
        assert client.webhooks.update(made.id, name="robot").name == "robot"
        stranger = client.with_options(api_key=other["authorization"].removeprefix("Bearer "))
        with pytest.raises(openai.NotFoundError):
            stranger.webhooks.retrieve(made.id)
        with pytest.raises(openai.BadRequestError):
            client.webhooks.create(name="bot", url=ear.url, event_types=["batch.completed"])
        with pytest.raises(openai.BadRequestError):
            client.webhooks.create(name="bot", url="ftp://x.org", event_types=["video.failed"])

        tested = client.webhooks.test(made.id, event_type="video.completed")
        assert (tested.status_code, tested.success) == (200, True)
        job_id = ended(house, user)
        deadline = threading.Event()
        for _ in range(100):
            if len(ear.heard) == 2 or deadline.wait(0.1):
                break
        sent, body = ear.heard[-1]
        event = client.webhooks.unwrap(body.decode(), sent, secret=made.signing_secret)
        assert (event.type, event.data.id, event.object) == ("video.completed", job_id, "event")
        with pytest.raises(openai.InvalidWebhookSignatureError):
            client.webhooks.unwrap(body.decode() + " ", sent, secret=made.signing_secret)

        rotated = client.webhooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=True)
        assert rotated.signing_secret != made.signing_secret
        client.webhooks.test(made.id, event_type="video.completed")
        sent, body = ear.heard[-1]
        for secret in (made.signing_secret, rotated.signing_secret):
            client.webhooks.unwrap(body.decode(), sent, secret=secret)
        client.webhooks.rotate_secret(made.id)
        client.webhooks.test(made.id, event_type="video.completed")
        sent, body = ear.heard[-1]
        with pytest.raises(openai.InvalidWebhookSignatureError):
            client.webhooks.unwrap(body.decode(), sent, secret=rotated.signing_secret)
        assert client.webhooks.delete(made.id).deleted
    assert deliveries(house) == []


def test_a_message_is_tried_again_and_given_up_at_last(house: House) -> None:
    user = studios.person(house, "anna")[0]
    with listening() as ear:
        endpoint(house, user, ear.url)
        ended(house, user)
        ear.statuses = [500, 302, 429]
        for attempt in range(1, 4):
            assert webhooks.deliver_due(house) == 1
            (message,) = deliveries(house)
            assert (message.state, message.attempts) == (WAITING, attempt)
            assert webhooks.deliver_due(house) == 0  # it is not due yet
            make_due(house)
        assert webhooks.deliver_due(house) == 1
        assert deliveries(house)[0].state == DELIVERED
        assert len({headers["webhook-id"] for headers, _ in ear.heard}) == 1
        ended(house, user)
        ear.statuses = [410]
        webhooks.deliver_due(house)
        assert deliveries(house)[-1].state == GIVEN_UP
    ended(house, user)  # nobody listens any more
    for _ in webhooks.AGAIN_S:
        make_due(house)
        webhooks.deliver_due(house)
    assert deliveries(house)[-1].state == WAITING
    make_due(house)
    webhooks.deliver_due(house)
    last = deliveries(house)[-1]
    assert last.state == GIVEN_UP and "did not answer" in last.last_error


def test_cancelled_films_are_told_as_failed_and_only_to_their_owner(house: House) -> None:
    user, other = studios.person(house, "anna")[0], studios.person(house, "other")[0]
    endpoint(house, user, "http://127.0.0.1:9/x")
    endpoint(house, other, "http://127.0.0.1:9/x")
    job_id = wires.finished(house, user)
    with house.database.write() as session:
        job = session.get_one(jobs.Job, job_id)
        job.state = jobs.CANCELLED
        webhooks.on_end(session, job)
    (message,) = deliveries(house)
    assert '"video.failed"' in message.body and job_id in message.body


def test_private_targets_are_refused_in_an_open_studio(tmp_path: Path) -> None:
    with studios.opened(tmp_path) as house, studios.client(house) as talking:
        headers = studios.person(house, "anna")[1]
        body = {"name": "bot", "url": "http://169.254.169.254/latest", "event_types": ["video.failed"]}
        answer = talking.post("/v1/webhook_endpoints", headers=headers, json=body)
        assert answer.status_code == 400 and "public" in answer.json()["error"]["message"]


def _race(house: House) -> None:
    user = studios.person(house, "anna")[0]
    with listening() as ear:
        endpoint(house, user, ear.url)
        sent = {ended(house, user) for _ in range(12)}
        threads = [threading.Thread(target=webhooks.deliver_due, args=(house,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ear.heard) == len(sent) == 12


def test_several_senders_send_each_message_once(house: House) -> None:
    _race(house)


def test_several_senders_on_postgresql_too(tmp_path: Path) -> None:
    with postgres.served() as server:
        database = server.database("hooks")
        with studios.opened(tmp_path, database=database, allow_private_webhooks=True) as house:
            _race(house)
