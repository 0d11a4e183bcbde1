"""Webhooks end to end: the official client makes an endpoint, a job ends, the message arrives and is verified."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import openai
import postgres
import pytest
import studios
import subjects_there
import trained_there
import wires

from rushes.errors import InputError
from rushes.serve.client import jobs, workers
from rushes.serve.client.database import now
from rushes.serve.worker import Worker
from rushes.studio.ending import Ending
from rushes.studio.house import House
from rushes.studio.library import films
from rushes.studio.library.vocabulary import SHIPPED
from rushes.studio.social import trainings
from rushes.studio.wire import webhooks
from rushes.studio.wire.webhooks import DELIVERED, GIVEN_UP, WAITING, Delivery


class Ear:
    """Somebody who listens; answers `statuses` one after the other, then 200."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.url = ""


class Teacher:
    """Knows at once what it is to learn: a kitten never ends, a griffin can't be learned, and others can."""

    device = "none"

    def train(self, request, stills: Path, folder: Path, watch) -> Path:
        while request.name == "kitten":
            watch("training", 0.5)
            threading.Event().wait(0.01)
        if request.name == "griffin":
            raise InputError("still 01.webp shows no griffin")
        folder.mkdir(parents=True)
        place = folder / "learned.safetensors"
        subjects_there.adapter(SHIPPED / "cutout", place, request.name, request.like or "cat")
        return place


class Dying(Ending):
    """A house whose process is killed once a job's end is written, before that is kept."""

    def settle(self, session, job) -> None:
        super().settle(session, job)
        os.kill(os.getpid(), signal.SIGKILL)


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
        assert client.webhooks.event_types.list().data == list(webhooks.EVENTS)
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


def test_the_ends_of_trainings_are_told_too(house: House) -> None:
    user, headers = studios.person(house, "anna")
    fox = trained_there.character(house, user)
    key, place = headers["authorization"].removeprefix("Bearer "), f"/videos/characters/{fox.id}/train"
    worker, stop = Worker(house.database, house.media, Teacher(), Ending(house)), threading.Event()
    working = threading.Thread(target=worker.run, args=(stop,))
    with (
        listening() as ear,
        wires.serving(house) as url,
        openai.OpenAI(api_key=key, base_url=f"{url}/v1", max_retries=0) as client,
    ):
        made = client.webhooks.create(name="bot", url=ear.url, event_types=[webhooks.TRAINED, webhooks.UNTRAINED])
        other = client.webhooks.create(name="films", url=ear.url, event_types=["video.completed", "video.failed"])

        def heard(num: int) -> tuple[str, dict]:
            """Return the last of `num` messages, verified."""
            wait_until(lambda: len(ear.heard) >= num)
            sent, body = ear.heard[-1]
            event = client.webhooks.unwrap(body.decode(), sent, secret=made.signing_secret)
            assert len(ear.heard) == num and event.type == json.loads(body)["type"]
            return event.type, json.loads(body)["data"]

        for number, kind in enumerate((webhooks.TRAINED, webhooks.UNTRAINED), 1):
            client.webhooks.test(made.id, event_type=kind)
            assert heard(number) == (kind, {"id": "training_sample", "character_id": "char_sample"})

        def asked(word: str) -> dict:
            return client.post(place, cast_to=object, body={"word": word, "like": "cat"})

        waiting = asked("kit")
        client.post(f"{place}/cancel", cast_to=object)
        assert heard(3) == (webhooks.UNTRAINED, {"id": waiting["id"], "character_id": fox.id})
        working.start()
        try:
            learned = asked("reynard")
            assert heard(4) == (webhooks.TRAINED, {"id": learned["id"], "character_id": fox.id})
            assert client.get(place.removesuffix("/train"), cast_to=object)["word"] == "reynard"
            refused = asked("griffin")
            assert heard(5) == (webhooks.UNTRAINED, {"id": refused["id"], "character_id": fox.id})
            assert client.get(place, cast_to=object)["error"]["message"] == "still 01.webp shows no griffin"
            running = asked("kitten")
            wait_until(lambda: client.get(place, cast_to=object)["status"] == "in_progress")
            client.post(f"{place}/cancel", cast_to=object)
            assert heard(6) == (webhooks.UNTRAINED, {"id": running["id"], "character_id": fox.id})
        finally:
            stop.set()
            working.join()
        assert len({sent["webhook-id"] for sent, _ in ear.heard}) == 6
        assert not [one for one in deliveries(house) if one.endpoint_id == other.id]


def wait_until(is_there) -> None:
    """Wait for what comes for certain; a studio that never gets there fails."""
    for _ in range(1200):
        if is_there():
            return
        threading.Event().wait(0.1)
    raise AssertionError("it never came")


def die(folder: str, job_id: str) -> None:
    """Train for the studio in `folder` and be killed where the job's end is written."""
    with studios.opened(Path(folder)) as house:
        Worker(house.database, house.media, Teacher(), Dying(house)).make(job_id, 0)


def test_a_worker_that_is_killed_at_the_end_of_a_training_neither_loses_nor_doubles_its_message(
    house: House, tmp_path: Path
) -> None:
    user = studios.person(house, "anna")[0]
    fox = trained_there.character(house, user)
    job = trainings.ask(house, studios_caller(user), fox.id, word="reynard", like="cat")
    ending = Ending(house)
    with listening() as ear:
        endpoint(house, user, ear.url)
        code = f"import test_webhooks; test_webhooks.die({str(tmp_path)!r}, {job.id!r})"
        paths = os.pathsep.join([str(Path(__file__).parent), str(Path(studios.__file__).parent)])
        killed = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths}, check=False)
        assert killed.returncode == -signal.SIGKILL
        assert deliveries(house) == [] and webhooks.deliver_due(house) == 0
        with house.database.write() as session:
            lost = session.get_one(jobs.Job, job.id)
            assert lost.state == jobs.RUNNING
            lost.seen_at = now() - 60
        workers.reap(house.database, house.queue, ending.settle)
        assert deliveries(house) == []
        worker = Worker(house.database, house.media, Teacher(), ending)
        for attempt in (0, 1, 1):  # what a killed worker held, what is to be done, and what is done
            worker.make(job.id, attempt)
        assert webhooks.deliver_due(house) == 1 and webhooks.deliver_due(house) == 0
        ((_, body),) = ear.heard
    said = json.loads(body)
    assert (said["type"], said["data"]) == (webhooks.TRAINED, {"id": job.id, "character_id": fox.id})
    assert [one.state for one in deliveries(house)] == [DELIVERED]
