"""Drives the MCP server with the official client: over HTTP in both protocol eras, and over stdio."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import anyio
import httpx
import numpy as np
import pytest
import studios
import wires
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from rushes.errors import InputError
from rushes.models.open import _catalogue as catalogue
from rushes.serve.client import jobs, mcp
from rushes.serve.worker import DENOISING, Watch
from rushes.studio.house import House
from rushes.studio.library import inputs
from rushes.types import GenerationRequest

SHORT = {"prompt": "a red boat", "tier": "flipbook"}
HELD = {**SHORT, "prompt": "a red boat, held"}
ERAS = ("legacy", "auto")
LONGEST_S = 120  # of anything that is waited for: only a fault takes longer, however busy the machine


class Held(wires.Drawn):
    """Holds a film whose prompt ends in "held" at its beginning until it is let go; draws every other one at once."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def frames(self, request: GenerationRequest, watch: Watch) -> Iterator[np.ndarray]:
        while request.prompt.endswith("held") and not self.go.is_set():
            watch(DENOISING, 0.02, np.zeros((16, 16, 3), np.uint8))  # ends the film here where it is cancelled
            time.sleep(0.01)
        yield from super().frames(request, watch)

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Hold films until `go` is set in the body, or the body ends."""
        self.go.clear()
        try:
            yield
        finally:
            self.go.set()


class Place:
    """A served studio with a worker, and somebody in it."""

    def __init__(self, house: House, url: str, film: Held) -> None:
        self.house, self.url, self.film = house, url, film
        self.user, self.headers = studios.person(house, "anna", plan="admin")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    film = Held()
    folder = tmp_path_factory.mktemp("studio")
    with studios.opened(folder) as house, wires.serving(house) as url, wires.working(house, film):
        yield Place(house, url, film)


def over_http(place: Place, mode: str, work, headers: dict | None = None) -> None:
    """Run `work(client)` with the official client over Streamable HTTP."""

    async def main() -> None:
        sent = place.headers if headers is None else headers
        async with httpx2_client(sent) as http:
            transport = streamable_http_client(f"{place.url}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                await work(client)

    anyio.run(main)


def httpx2_client(headers: dict):
    import httpx2

    return httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(LONGEST_S))


def state(place: Place, job_id: str) -> str:
    with place.house.database.read() as session:
        return session.get_one(jobs.Job, job_id).state


async def generate_and_fetch(client: Client, place: Place) -> None:
    names = {tool.name for tool in (await client.list_tools()).tools}
    assert names == {"generate_video", "get_video", "list_my_videos", "remix_video", "cancel_video", "list_models"}
    told: list[float] = []

    async def progress(share: float, total: float | None, message: str | None) -> None:
        told.append(share)
        if share > 0:
            place.film.go.set()

    with place.film.holding():
        made = await client.call_tool("generate_video", {**HELD, "size": "768x432"}, progress_callback=progress)
    assert not made.is_error, made.content
    film = made.structured_content
    assert (film["status"], film["progress"], film["size"]) == ("completed", 100, "768x432")
    assert told == sorted(told) and told[0] == 0 < told[1] < told[-1] == 100
    kinds = [block.type for block in made.content]
    assert kinds == ["text", "resource_link", "image"]
    said = {"video_id": film["id"], "prompt": "a blue boat", "strength": 0.5}
    remix = await client.call_tool("remix_video", said)
    assert remix.structured_content["seed"] == film["seed"]
    found = await client.call_tool("get_video", {"video_id": film["id"]})
    assert found.structured_content["status"] == "completed"
    listed = await client.call_tool("list_my_videos", {"limit": 1})
    assert listed.structured_content["films"][0]["id"] == remix.structured_content["id"]
    assert listed.structured_content["next"]
    for name, said in (
        ("get_video", {"video_id": "video_" + "0" * 32}),
        ("get_video", {"video_id": "../models"}),
        ("generate_video", {"prompt": " "}),
        ("generate_video", {**SHORT, "size": "1x1"}),
    ):
        wrong = await client.call_tool(name, said)
        assert wrong.is_error and "studio answered" not in wrong.content[0].text, wrong
    return film


@pytest.mark.parametrize("mode", ERAS)
def test_an_assistant_makes_and_fetches_films_over_http(place: Place, mode: str) -> None:
    over_http(place, mode, lambda client: generate_and_fetch(client, place))


@pytest.mark.parametrize("mode", ERAS)
def test_a_call_that_is_given_up_cancels_its_film(place: Place, mode: str) -> None:
    async def work(client: Client) -> None:
        async def progress(share: float, total: float | None, message: str | None) -> None:
            if share > 0:
                scope.cancel()

        with anyio.CancelScope() as scope:
            await client.call_tool("generate_video", HELD, progress_callback=progress)
        assert scope.cancelled_caught
        with anyio.fail_after(LONGEST_S):
            while True:
                newest = (await client.call_tool("list_my_videos", {"limit": 1})).structured_content["films"][0]
                if newest["status"] == "failed":
                    break
                await anyio.sleep(0.1)
        assert "cancelled" in newest["error"]

    with place.film.holding():
        over_http(place, mode, work)


def test_cancel_video_ends_a_film(place: Place) -> None:
    async def work(client: Client) -> None:
        made = httpx.post(f"{place.url}/v1/videos", headers=place.headers, json=HELD, timeout=LONGEST_S).json()
        await client.call_tool("cancel_video", {"video_id": made["id"]})
        with anyio.fail_after(LONGEST_S):
            while state(place, made["id"]) != jobs.CANCELLED:
                await anyio.sleep(0.1)

    with place.film.holding():
        over_http(place, "auto", work)


def test_nobody_gets_in_without_a_key(place: Place) -> None:
    for headers in ({}, {"authorization": "Bearer rsh_wrong"}):
        for method in ("GET", "POST", "DELETE"):
            answer = httpx.request(method, f"{place.url}/mcp", headers=headers)
            assert answer.status_code == 401 and answer.json()["error"]["code"] == "invalid_api_key"


def test_a_session_belongs_to_the_key_that_began_it(place: Place) -> None:
    hello = {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
    }  # fmt: skip
    accept = {"accept": "application/json, text/event-stream"}
    begun = httpx.post(f"{place.url}/mcp", headers={**place.headers, **accept}, json=hello)
    session = {"mcp-session-id": begun.headers["mcp-session-id"]}
    thief = studios.person(place.house, "thief")[1]
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    stolen = httpx.post(f"{place.url}/mcp", headers={**thief, **accept, **session}, json=listing)
    assert stolen.status_code == 404


def test_an_assistant_names_one_of_the_models_that_are_there(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "wan2.1-1.3b"
    wan = catalogue.find(name).checkpoint
    monkeypatch.setattr(place.house, "offered", {name: replace(wan.native, licence=wan.licence)})

    async def work(client: Client) -> None:
        listed = await client.call_tool("list_models", {})
        own, other = listed.structured_content["models"]
        assert own["model"] == "rushes" and own["seconds"][-1] == 60
        assert (other["model"], other["seconds"], other["fps"]) == (name, [1, 2, 3, 4, 5], [16])
        assert "multiples of 16 px" in other["rule"]
        assert f"{name} (Apache-2.0): 1 to 5 s, 832x480" in listed.content[0].text and own["licence"] == "Apache-2.0"
        made = await client.call_tool("generate_video", {"prompt": "a boat", "model": name, "seconds": 1})
        assert not made.is_error and made.structured_content["model"] == name, made.content
        assert made.structured_content["size"] == "832x480"
        wrong = await client.call_tool("generate_video", {"prompt": "a boat", "model": "wan2.1-13b"})
        assert wrong.is_error and "there is no model 'wan2.1-13b'; known: wan2.1-1.3b, rushes" in wrong.content[0].text

    over_http(place, "auto", work)


@pytest.mark.parametrize("mode", ERAS)
def test_an_assistant_has_films_laid_out_like_ones_own(place: Place, mode: str) -> None:
    still = wires.finished(place.house, place.user, "a hill")
    foreign = wires.finished(place.house, studios.person(place.house, f"stranger_{mode}")[0])

    async def work(client: Client) -> None:
        for name, about in (("generate_video", SHORT), ("remix_video", {"video_id": still, "prompt": "a kite"})):
            made = await client.call_tool(name, {**about, "like_picture": still, "like_as": "depth"})
            assert not made.is_error and made.structured_content["status"] == "completed", made.content
            with place.house.database.read() as session:
                job = session.get_one(jobs.Job, made.structured_content["id"])
                (condition,) = job.generation_request().conditions
                film = session.get_one(jobs.Job, still)
            assert (condition.kind, condition.uri) == ("depth", film.files["video"])
            for said, why in (
                ({"like_picture": still, "like_as": "dept"}, "laid out by 'dept'; legal: depth, edges, sketch"),
                ({"like_picture": foreign}, f"there is no video '{foreign}'"),
                ({"like_picture": "http://127.0.0.1/hill.png"}, "there is no video 'http://127.0.0.1/hill.png'"),
            ):
                wrong = await client.call_tool(name, {**about, **said})
                assert wrong.is_error and wrong.content[0].text.endswith(why), wrong.content
        wrong = await client.call_tool(name, {**about, "like_picture": still, "strength": 0.5})
        assert wrong.is_error and "'edges' and 'remix' contradict each other" in wrong.content[0].text

    assert mcp.LAID_OUT == inputs.LAID_OUT
    over_http(place, mode, work)


def test_a_reader_makes_nothing(place: Place) -> None:
    async def work(client: Client) -> None:
        wrong = await client.call_tool("generate_video", SHORT)
        assert wrong.is_error and "films:write" in wrong.content[0].text

    over_http(place, "auto", work, studios.person(place.house, "reader", scopes=("films:read",))[1])


def test_the_command_serves_stdio(place: Place) -> None:
    key = place.headers["authorization"].removeprefix("Bearer ")
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "rushes", "mcp", "--url", place.url],
        env={"RUSHES_API_KEY": key, "PATH": os.environ["PATH"]},
    )

    async def main() -> None:
        async with Client(command) as client:
            await generate_and_fetch(client, place)

    anyio.run(main)


def test_where_a_studio_is_has_to_be_said_rightly() -> None:
    with pytest.raises(InputError, match="http"):
        mcp.at("studio.example", "key")
    with pytest.raises(InputError, match="RUSHES_API_KEY"):
        mcp.at("http://studio.example", "")
