"""Drives `/v1/videos` with the official client over real HTTP."""

from __future__ import annotations

import base64
import contextlib
import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import httpx
import openai
import pytest
import studio_subjects
import studios
import wires
from PIL import Image

from rushes.serve.client import jobs
from rushes.studio.house import House

PLAIN = f"data:image/jpeg;base64,{base64.b64encode(studio_subjects.NOTHING).decode()}"
pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")


class Wire:
    """A served studio, its people and their clients."""

    def __init__(self, house: House, url: str) -> None:
        self.house, self.url, self.opened = house, url, contextlib.ExitStack()

    def client(self, headers: dict, **said: object) -> openai.OpenAI:
        """Return the official client, pointed at the studio."""
        key = headers["authorization"].removeprefix("Bearer ")
        client = openai.OpenAI(api_key=key, base_url=f"{self.url}/v1", **{"max_retries": 0, **said})
        return self.opened.enter_context(client)


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with studios.opened(tmp_path_factory.mktemp("studio")) as house, wires.serving(house) as url:
        wire = Wire(house, url)
        with wire.opened:
            yield wire


@pytest.fixture(scope="module")
def anna(wire: Wire):
    return studios.person(wire.house, "anna", plan="admin")


@pytest.fixture(scope="module")
def client(wire: Wire, anna) -> openai.OpenAI:
    return wire.client(anna[1])


@pytest.fixture(scope="module")
def film(wire: Wire, anna) -> str:
    return wires.finished(wire.house, anna[0])


def state(wire: Wire, job_id: str) -> str:
    with wire.house.database.read() as session:
        return session.get_one(jobs.Job, job_id).state


def test_a_film_is_asked_for_and_looked_up(client: openai.OpenAI) -> None:
    made = client.videos.create(prompt="a red boat", model="rushes", size="1280x720", seconds="4")
    assert (made.status, made.progress, made.seconds, made.size, made.model) == ("queued", 0, "4", "1280x720", "rushes")
    assert made.id.startswith("video_") and made.object == "video" and made.error is None
    assert made.expires_at is None and made.completed_at is None and made.remixed_from_video_id is None
    raw = client.videos.with_raw_response.retrieve(made.id)
    assert raw.parse().prompt == "a red boat"
    assert int(raw.headers["openai-poll-after-ms"]) >= 500
    assert raw.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("as_form", [False, True])
def test_the_extension_fields_come_as_json_and_as_a_form(wire: Wire, anna, as_form: bool) -> None:
    said = {"prompt": "a kite", "width": 608, "height": 416, "fps": 24, "num_frames": 48, "num_inference_steps": 5}
    said |= {"guidance_scale": 2.5, "seed": 11, "negative_prompt": "people", "format": "gif"}
    body = {"data": {**said, "extra_params": "{}"}, "files": {"ignored": b""}} if as_form else {"json": said}
    if as_form:
        body = {"files": [(key, (None, str(value))) for key, value in body["data"].items()]}
    got = httpx.post(f"{wire.url}/v1/videos", headers=anna[1], **body).json()
    assert {name: got[name] for name in said} == said
    assert (got["seconds"], got["size"]) == ("2", "608x416")


def test_defaults_are_a_tier_and_a_fresh_seed(client: openai.OpenAI) -> None:
    one, two = client.videos.create(prompt="a kite"), client.videos.create(prompt="a kite")
    assert (one.size, one.seconds, one.tier) == ("768x432", "3", "short") and one.seed != two.seed
    still = client.videos.create(prompt="a kite", extra_body={"tier": "still"})
    assert (still.num_frames, still.format, still.seconds) == (1, "png", "0")


@pytest.mark.parametrize(
    ("said", "param", "named"),
    [
        ({"size": "1024x1792"}, "size", "720x1280"),
        ({"size": "big"}, "size", "768x432"),
        ({"size": "99999999x1"}, "size", "768x432"),
        ({"size": "1280x720", "width": 768}, "size", "contradicts"),
        ({"seconds": "70"}, "seconds", "60"),
        ({"seconds": "4", "num_frames": 7}, "num_frames", "contradicts"),
        ({"seconds": "soon"}, "seconds", "integer"),
        ({"model": "sora-2"}, "model", "rushes"),
        ({"fps": 25}, "fps", "24"),
        ({"num_frames": 7}, "num_frames", "8"),
        ({"tier": "flip"}, "tier", "flipbook"),
        ({"seed": -1}, "seed", "0"),
        ({"guidance_scale": 31}, "guidance_scale", "30"),
        ({"prompt": " "}, "prompt", "empty"),
        ({"prompt": "a\0b"}, None, "NUL"),
        ({"prompt": "x" * 2001}, "prompt", "2000"),
        ({"format": "avi"}, None, "mp4, gif, webp, png"),
        ({"bogus": 1}, "bogus", "known: model"),
        ({"extra_params": {"lora": 1}}, "extra_params", "takes none"),
        ({"extra_params": "{"}, "extra_params", ""),
        ({"input_reference": {"image_url": "http://127.0.0.1/a.png"}}, "input_reference", "public address"),
        ({"input_reference": {"image_url": "data:image/png;base64,ä"}}, "input_reference", "no base64"),
        ({"input_reference": {"image_url": "data:image/png;base64,AAAA"}}, "input_reference", "no picture"),
        ({"input_reference": {"bogus": 1}}, "input_reference", "send a picture"),
        ({"input_reference": 5}, "input_reference", "send a picture"),
        ({"subject_reference": {"image_url": PLAIN}}, "subject_reference", "shows no subject that can be cut out"),
        ({"subject_reference": {"image_url": "data:image/png;base64,AAAA"}}, "subject_reference", "no picture"),
        ({"subject_reference": 5}, "subject_reference", "send a picture"),
        ({"characters": 5}, "characters", "list"),
        ({"loop": "perhaps"}, "loop", "boolean"),
        ({"path": [[0.1, 0.2]]}, "path", "the nearest legal number is 2"),
        ({"path": [[0.1, 0.2], [7, 0.5]]}, "path", "nearest to 7 is 1.5"),
        ({"path": "0.1 0.2"}, "path.0.1", ""),
        ({"strength": 0.5}, "strength", "known: model"),
    ],
)
def test_what_is_illegal_is_400_naming_the_parameter(wire: Wire, anna, said: dict, param: str, named: str) -> None:
    answer = httpx.post(f"{wire.url}/v1/videos", headers=anna[1], json={"prompt": "a kite", **said})
    error = answer.json()["error"]
    assert answer.status_code == 400 and error["type"] == "invalid_request_error"
    assert error["param"] == param and named in error["message"], error


def red() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (640, 640), (200, 30, 30)).save(made, "PNG")
    return made.getvalue()


def conditions(wire: Wire, film: str) -> list[dict]:
    with wire.house.database.read() as session:
        return session.get_one(jobs.Job, film).request["conditions"]


def test_a_film_begins_and_ends_with_pictures_that_are_sent(client: openai.OpenAI, wire: Wire, anna) -> None:
    made = client.videos.create(prompt="a kite", input_reference=("a.png", red(), "image/png"))
    [first] = conditions(wire, made.id)
    assert first["kind"] == "first" and first["uri"] == f"inputs/{anna[0].id}/{first['sha256']}.webp"
    assert wire.house.media.get(first["uri"])[8:12] == b"WEBP"
    data = f"data:image/png;base64,{base64.b64encode(red()).decode()}"
    said = {"prompt": "a kite", "input_reference": {"image_url": data}, "last_reference": data}
    both = httpx.post(f"{wire.url}/v1/videos", headers=anna[1], json=said).json()
    assert [(one["kind"], one["sha256"]) for one in conditions(wire, both["id"])] == (
        [("first", first["sha256"]), ("last", first["sha256"])]
    )
    looped = httpx.post(f"{wire.url}/v1/videos", headers=anna[1], json={"prompt": "a kite", "loop": True}).json()
    assert [one["kind"] for one in conditions(wire, looped["id"])] == ["loop"]
    for path in ([[0.1, 0.6], [0.9, 0.4]], "0.1,0.6 0.9,0.4"):
        led = httpx.post(f"{wire.url}/v1/videos", headers=anna[1], json={"prompt": "a kite", "path": path}).json()
        assert [one["points"] for one in conditions(wire, led["id"])] == [[[0.1, 0.6], [0.9, 0.4]]]


def test_a_film_is_laid_out_like_pictures_and_films_of_one_s_own(
    client: openai.OpenAI, wire: Wire, anna, tmp_path: Path
) -> None:
    film = wires.finished(wire.house, anna[0])
    data = f"data:image/png;base64,{base64.b64encode(red()).decode()}"
    said = {"sketch_reference": {"image_url": data}, "depth_reference": {"file_id": film}}
    made = client.videos.create(prompt="a kite", extra_body=said)
    sketch, depth = conditions(wire, made.id)
    assert (sketch["kind"], depth["kind"]) == ("sketch", "depth") and sketch["uri"].startswith(f"inputs/{anna[0].id}/")
    with wire.house.database.read() as session:
        assert depth["uri"] == session.get_one(jobs.Job, film).files["video"]
    body = {"prompt": "a kite", "sketch_reference": data, "edges_reference": data}
    answer = httpx.post(f"{wire.url}/v1/videos", headers=anna[1], json=body)
    assert answer.status_code == 400 and "'edges' and 'sketch' contradict each other" in answer.text
    weights = studio_subjects.weights(tmp_path / "weights")
    with studios.opened(tmp_path, weights=str(weights)) as house, wires.serving(house) as url:
        _, headers = studios.person(house, "bea", plan="admin")
        answer = httpx.post(f"{url}/v1/videos", headers=headers, json={"prompt": "a kite", "edges_reference": data})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "edges_reference")
        assert "these weights can't lay films out like pictures; take others" in answer.text


def test_a_subject_is_sent_cut_out_and_kept_for_remixes(tmp_path: Path) -> None:
    weights = studio_subjects.weights(tmp_path / "weights")
    with studios.opened(tmp_path, weights=str(weights)) as house, wires.serving(house) as url:
        user, headers = studios.person(house, "anna", plan="admin")
        seeing = Wire(house, url)
        client = seeing.client(headers)
        fox = f"data:image/jpeg;base64,{base64.b64encode(studio_subjects.FOX).decode()}"
        by_address = client.videos.create(prompt="a fox", extra_body={"subject_reference": {"image_url": fox}})
        files = {"subject_reference": ("fox.jpg", studio_subjects.FOX, "image/jpeg")}
        by_form = httpx.post(
            f"{url}/v1/videos", headers=headers, timeout=60, data={"prompt": "a fox"}, files=files
        ).json()
        [subject], [same] = (conditions(seeing, one) for one in (by_address.id, by_form["id"]))
        assert subject == same and subject["uri"] == f"inputs/{user.id}/{subject['sha256']}.webp"
        assert house.media.get(subject["uri"].replace(".webp", ".png"))[1:4] == b"PNG"

        film = wires.finished(house, user)
        with house.database.write() as session:
            job = session.get_one(jobs.Job, film)
            job.request = job.request | {"conditions": [subject]}
        remix = client.videos.remix
        assert [one["kind"] for one in conditions(seeing, remix(film, prompt="at night").id)] == ["subject"]
        looped = remix(film, prompt="at night", extra_body={"loop": True})
        assert sorted(one["kind"] for one in conditions(seeing, looped.id)) == ["loop", "subject"]
        for place, said, kind in (
            (f"{film}/remix", {"strength": 0.5}, "remix"),
            ("edits", {"video": {"id": film}}, "remix"),
            ("extensions", {"video": {"id": film}, "seconds": 1}, "extend"),
        ):
            body = {"prompt": "a fox", "subject_reference": fox, **said}
            made = httpx.post(f"{url}/v1/videos/{place}".rstrip("/"), headers=headers, timeout=60, json=body).json()
            assert [one["kind"] for one in conditions(seeing, made["id"])] == [kind, "subject"]
        body = {"prompt": "a fox", "subject_reference": {"file_id": film}}
        answer = httpx.post(f"{url}/v1/videos", headers=headers, timeout=60, json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "subject_reference")
        assert "is a film; name a still" in answer.text
        twin = {"prompt": "a fox", "subject_reference": {"image_url": fox}}
        name = httpx.post(f"{url}/v1/videos/generations", headers=headers, timeout=60, json=twin).json()["request_id"]
        assert conditions(seeing, name.replace("request_", "video_")) == [subject]
        client.close()


def test_a_film_of_ones_own_may_be_the_first_picture(wire: Wire, anna, film: str) -> None:
    said = {"prompt": "a kite", "input_reference": {"file_id": film}}
    made = httpx.post(f"{wire.url}/v1/videos", headers=anna[1], json=said).json()
    assert conditions(wire, made["id"])[0]["uri"].startswith(f"films/{film}/")
    other = studios.person(wire.house, "nosy")[1]
    assert httpx.post(f"{wire.url}/v1/videos", headers=other, json=said).status_code == 404


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"content-type": "application/json"}, b"{", 400),
        ({"content-type": "application/json"}, b"[1]", 400),
        ({"content-type": "application/json"}, b'{"prompt": NaN}', 400),
        ({"content-type": "application/json"}, b"[" * 200_000, 400),
        ({"content-type": "application/json"}, b" " * ((1 << 20) + 1), 413),
        ({"content-type": "multipart/form-data"}, b"x", 400),
        ({"content-type": "multipart/form-data; boundary=b"}, b"x", 400),
        ({"content-type": "text/plain"}, b"x", 415),
        ({}, b"", 415),
    ],
)
def test_broken_bodies_get_the_wires_error(wire: Wire, anna, headers: dict, content: bytes, status: int) -> None:
    answer = httpx.post(f"{wire.url}/v1/videos", headers={**anna[1], **headers}, content=content)
    assert answer.status_code == status and set(answer.json()["error"]) == {"message", "type", "code", "param"}


def test_an_endless_upload_is_cut_off(wire: Wire, anna) -> None:
    def endless() -> Iterator[bytes]:
        yield b'--b\r\ncontent-disposition: form-data; name="input_reference"; filename="a"\r\n\r\n'
        for _ in range(80):
            yield bytes(1 << 20)

    headers = {**anna[1], "content-type": "multipart/form-data; boundary=b"}
    answer = httpx.post(f"{wire.url}/v1/videos", headers=headers, content=endless())
    assert answer.status_code == 413


def test_no_key_no_scope_no_film(wire: Wire, film: str) -> None:
    with pytest.raises(openai.AuthenticationError):
        wire.client({"authorization": "Bearer rsh_wrong"}).videos.list()
    reader = wire.client(studios.person(wire.house, "reader", scopes=("films:read",))[1])
    with pytest.raises(openai.PermissionDeniedError):
        reader.videos.create(prompt="a kite")
    for ask in (reader.videos.retrieve, reader.videos.download_content):
        with pytest.raises(openai.NotFoundError):
            ask(film)
    with pytest.raises(openai.NotFoundError):
        reader.videos.retrieve("video_\0")


def test_a_repeated_key_gets_the_first_film(client: openai.OpenAI) -> None:
    once = {"extra_headers": {"Idempotency-Key": "k1"}}
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda: made.append(client.videos.create(prompt="once", **once).id)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4 and len(set(made)) == 1
    with pytest.raises(openai.BadRequestError) as caught:
        client.videos.create(prompt="another", **once)
    assert caught.value.code == "idempotency_key_reused"
    with pytest.raises(openai.BadRequestError):
        client.videos.create(prompt="x", extra_headers={"Idempotency-Key": "k" * 201})


def test_lists_page_in_both_orders(wire: Wire) -> None:
    user, headers = studios.person(wire.house, "lister")
    client = wire.client(headers)
    assert client.videos.list().data == []
    made = [wires.finished(wire.house, user) for _ in range(5)]
    assert [video.id for video in client.videos.list(limit=2)] == made[::-1]
    assert [video.id for video in client.videos.list(limit=2, order="asc")] == made
    page = client.videos.list(limit=2, after=made[2])
    assert [video.id for video in page.data] == [made[1], made[0]] and page.has_more is False
    for wrong in ({"limit": 0}, {"limit": 101}, {"order": "up"}):
        with pytest.raises(openai.BadRequestError):
            client.videos.list(**wrong)
    with pytest.raises(openai.NotFoundError):
        client.videos.list(after="video_" + "0" * 32)


def test_every_variant_downloads(client: openai.OpenAI, film: str, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    client.videos.download_content(film).write_to_file(path)
    with av.open(str(path)) as opened:
        assert sum(1 for _ in opened.decode(video=0)) == 8
    kinds = {"video": "video/mp4", "thumbnail": "image/webp", "spritesheet": "image/jpeg"}
    for variant, kind in kinds.items():
        assert client.videos.download_content(film, variant=variant).response.headers["content-type"] == kind
    with pytest.raises(openai.BadRequestError):
        client.videos.download_content(film, variant="poster")


def test_ranges_tags_and_head(wire: Wire, anna, film: str) -> None:
    url = f"{wire.url}/v1/videos/{film}/content"

    def ask(method: str = "GET", **headers: str) -> httpx.Response:
        return httpx.request(method, url, headers={**anna[1], **headers})

    whole = ask()
    body, tag = whole.content, whole.headers["etag"]
    assert whole.status_code == 200 and whole.headers["accept-ranges"] == "bytes"
    for asked, got in [("0-9", body[:10]), ("10-", body[10:]), ("-5", body[-5:]), ("0-99999999", body)]:
        part = ask(range=f"bytes={asked}")
        assert (part.status_code, part.content) == (206, got), asked
        start = body.index(got) if asked != "-5" else len(body) - 5
        assert part.headers["content-range"] == f"bytes {start}-{start + len(got) - 1}/{len(body)}"
    for asked in (f"{len(body)}-", "-0"):
        beyond = ask(range=f"bytes={asked}")
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(body)}")
        assert beyond.json()["error"]["code"] == "invalid_range"
    for ignored in ("bytes=5-2", "bytes=0-1,3-4", "lines=0-1", "bytes=-", "bytes=" + "9" * 30 + "-"):
        assert ask(range=ignored).status_code == 200, ignored
    assert ask(**{"range": "bytes=0-9", "if-range": '"old"'}).status_code == 200
    assert ask(**{"range": "bytes=0-9", "if-range": tag}).status_code == 206
    assert ask(**{"if-none-match": tag}).status_code == 304
    head = ask("HEAD")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(body)))


def test_content_that_is_not_there_says_so(client: openai.OpenAI, wire: Wire, anna) -> None:
    waiting = client.videos.create(prompt="a kite")
    with pytest.raises(openai.NotFoundError) as caught:
        client.videos.download_content(waiting.id)
    assert caught.value.code == "content_not_ready"
    lost = wires.finished(wire.house, anna[0])
    for key in wire.house.media.list(f"films/{lost}/"):
        wire.house.media.delete(key)
    for variant in ("video", "thumbnail"):
        with pytest.raises(openai.NotFoundError):
            client.videos.download_content(lost, variant=variant)


def test_remix_edit_and_extend_keep_seed_shape_and_lineage(client: openai.OpenAI, wire: Wire, anna, film: str) -> None:
    remix = client.videos.remix(film, prompt="the boat at night")
    # the client refuses its own {"id": ...} where it builds a form, so an id travels as JSON or as a plain field
    edit = client.videos.edit(prompt="the boat in rain", video=openai.omit, extra_body={"video": {"id": film}})
    longer = client.videos.extend(prompt="the boat lands", seconds="4", video=(None, film))
    for made, kind in ((remix, "remix"), (edit, "edit"), (longer, "extension")):
        assert (made.kind, made.remixed_from_video_id, made.seed, made.size) == (kind, film, 7, "512x512")
        assert made.num_inference_steps == 2
    assert (remix.seconds, longer.seconds, longer.num_frames) == ("1", "5", 40)
    assert conditions(wire, remix.id) == []
    [edited], [extended] = conditions(wire, edit.id), conditions(wire, longer.id)
    assert (edited["kind"], edited["strength"]) == ("remix", 0.85) and edited["uri"].startswith(f"films/{film}/")
    assert (extended["kind"], extended["seconds"]) == ("extend", 1)
    lower = {"prompt": "x", "strength": "0.4", "area": "0,0.5,1,1"}
    partly = httpx.post(f"{wire.url}/v1/videos/{film}/remix", headers=anna[1], json=lower).json()
    assert (conditions(wire, partly["id"])[0] | {"uri": ""}) == (
        {"kind": "remix", "uri": "", "sha256": "", "seconds": 0, "strength": 0.4, "area": [0, 0.5, 1, 1], "points": []}
    )
    asked = {"prompt": "x", "format": "webp", "seed": 8, "tier": "short"}
    other = httpx.post(f"{wire.url}/v1/videos/{film}/remix", headers=anna[1], json=asked).json()
    assert (other["format"], other["seed"], other["size"]) == ("webp", 8, "768x432")


def test_a_films_own_file_names_it(client: openai.OpenAI, wire: Wire, anna, film: str) -> None:
    mine = client.videos.download_content(film).content
    edit = client.videos.edit(prompt="the boat in rain", video=("film.mp4", mine, "video/mp4"))
    assert (edit.kind, edit.remixed_from_video_id) == ("edit", film)
    other = wire.client(studios.person(wire.house, "other")[1])
    with pytest.raises(openai.NotFoundError):
        other.videos.edit(prompt="the boat in rain", video=("film.mp4", mine, "video/mp4"))


def test_what_cannot_be_remixed_says_why(client: openai.OpenAI, film: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.videos.edit(prompt="x", video=("a.mp4", b"film", "video/mp4"))
    assert caught.value.code == "unsupported_condition"
    waiting = client.videos.create(prompt="a kite")
    with pytest.raises(openai.BadRequestError) as caught:
        client.videos.remix(waiting.id, prompt="x")
    assert caught.value.code == "video_not_completed"
    with pytest.raises(openai.NotFoundError):
        client.videos.remix("video_" + "0" * 32, prompt="x")
    with pytest.raises(openai.BadRequestError):
        client.videos.extend(prompt="x", seconds="60", video=(None, film))
    with pytest.raises(openai.NotFoundError):
        client.videos.edit(prompt="x", video=openai.omit, extra_body={"video": 5})


def test_cancel_ends_a_waiting_film_as_failed(client: openai.OpenAI, wire: Wire, anna, film: str) -> None:
    waiting = client.videos.create(prompt="a kite")
    for _ in range(2):
        got = httpx.post(f"{wire.url}/v1/videos/{waiting.id}/cancel", headers=anna[1]).json()
        assert (got["status"], got["error"]["code"]) == ("failed", "cancelled")
    assert httpx.post(f"{wire.url}/v1/videos/{film}/cancel", headers=anna[1]).json()["status"] == "completed"


def test_delete_forgets_film_and_files(client: openai.OpenAI, wire: Wire, anna) -> None:
    done, waiting = wires.finished(wire.house, anna[0]), client.videos.create(prompt="a kite").id
    for job_id in (done, waiting):
        gone = client.videos.delete(job_id)
        assert (gone.id, gone.deleted, gone.object) == (job_id, True, "video.deleted")
        with pytest.raises(openai.NotFoundError):
            client.videos.retrieve(job_id)
        assert wire.house.media.list(f"films/{job_id}/") == []
        with pytest.raises(openai.NotFoundError):
            client.videos.delete(job_id)


def test_too_many_films_are_429_that_may_be_tried_again(wire: Wire) -> None:
    client = wire.client(studios.person(wire.house, "hasty")[1])
    for _ in range(3):
        client.videos.create(prompt="a kite", extra_body={"tier": "flipbook"})
    with pytest.raises(openai.RateLimitError) as caught:
        client.videos.create(prompt="a kite", extra_body={"tier": "flipbook"})
    assert caught.value.response.headers["retry-after"] == "30"


def test_a_closing_studio_says_until_when(tmp_path: Path) -> None:
    with studios.opened(tmp_path, closing_on="2030-01-01") as house, studios.client(house) as talking:
        user, headers = studios.person(house, "anna")
        wires.finished(house, user)
        got = talking.get("/v1/videos", headers=headers).json()["data"][0]
    assert got["expires_at"] == 1893542399


def test_a_real_worker_makes_polls_cancels_and_deletes(client: openai.OpenAI, wire: Wire, anna) -> None:
    with wire.house.database.write() as session:  # what other tests left waiting
        waiting = [job.id for job in session.query(jobs.Job).filter(jobs.Job.state == jobs.QUEUED)]
        for job_id in waiting:
            jobs.cancel(session, job_id)
    with wires.working(wire.house, wires.Drawn(step_s=0.1)):
        made = client.videos.create_and_poll(
            prompt="a kite", size="512x512", extra_body={"tier": "flipbook", "num_inference_steps": 5}
        )
        assert (made.status, made.progress) == ("completed", 100) and made.completed_at
        assert len(client.videos.download_content(made.id).content) == made.measured["num_bytes"]
        slow = client.videos.create(prompt="a kite", extra_body={"tier": "flipbook", "num_inference_steps": 200}).id
        while client.videos.retrieve(slow).status == "queued":
            time.sleep(0.05)
        begun = time.monotonic()
        client.videos.delete(slow)
        assert time.monotonic() - begun < 2
        with pytest.raises(openai.NotFoundError):
            client.videos.retrieve(slow)
