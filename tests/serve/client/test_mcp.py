"""Drives the MCP server with the official client: over HTTP in both protocol eras, and over stdio."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import anyio
import httpx
import pytest
import studios
import wires
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from rushes.errors import InputError
from rushes.serve.client import jobs, mcp
from rushes.studio.house import House

SHORT = {"prompt": "a red boat", "tier": "flipbook"}
ERAS = ("legacy", "auto")


class Place:
    """A served studio with a worker, and somebody in it."""

    def __init__(self, house: House, url: str) -> None:
        self.house, self.url = house, url
        self.user, self.headers = studios.person(house, "anna", plan="admin")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    film = wires.Drawn(step_s=0.1)
    folder = tmp_path_factory.mktemp("studio")
    with studios.opened(folder) as house, wires.serving(house) as url, wires.working(house, film):
        yield Place(house, url)


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

    return httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(30))


def state(place: Place, job_id: str) -> str:
    with place.house.database.read() as session:
        return session.get_one(jobs.Job, job_id).state


async def generate_and_fetch(client: Client) -> None:
    names = {tool.name for tool in (await client.list_tools()).tools}
    assert names == {"generate_video", "get_video", "list_my_videos", "remix_video", "cancel_video"}
    told: list[float] = []

    async def progress(share: float, total: float | None, message: str | None) -> None:
        told.append(share)

    lasting = {"prompt": "a red boat", "size": "768x432", "seconds": 8}  # long enough to be asked about in between
    made = await client.call_tool("generate_video", lasting, progress_callback=progress)
    assert not made.is_error, made.content
    film = made.structured_content
    assert (film["status"], film["progress"], film["size"]) == ("completed", 100, "768x432")
    assert told == sorted(told) and told[-1] == 100 and len(told) >= 3
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
    over_http(place, mode, generate_and_fetch)


@pytest.mark.parametrize("mode", ERAS)
def test_a_call_that_is_given_up_cancels_its_film(place: Place, mode: str) -> None:
    async def work(client: Client) -> None:
        async def progress(share: float, total: float | None, message: str | None) -> None:
            if share > 0:
                scope.cancel()

        with anyio.CancelScope() as scope:
            slow = {"prompt": "a red boat", "seconds": 10, "size": "1280x720"}
            await client.call_tool("generate_video", slow, progress_callback=progress)
        assert scope.cancelled_caught
        with anyio.fail_after(15):
            while True:
                newest = (await client.call_tool("list_my_videos", {"limit": 1})).structured_content["films"][0]
                if newest["status"] == "failed":
                    break
                await anyio.sleep(0.1)
        assert "cancelled" in newest["error"]

    over_http(place, mode, work)


def test_cancel_video_ends_a_film(place: Place) -> None:
    made = httpx.post(f"{place.url}/v1/videos", headers=place.headers, json={"prompt": "a kite", "seconds": 10}).json()

    async def work(client: Client) -> None:
        await client.call_tool("cancel_video", {"video_id": made["id"]})
        with anyio.fail_after(15):
            while state(place, made["id"]) != jobs.CANCELLED:
                await anyio.sleep(0.1)

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
            await generate_and_fetch(client)

    anyio.run(main)


def test_where_a_studio_is_has_to_be_said_rightly() -> None:
    with pytest.raises(InputError, match="http"):
        mcp.at("studio.example", "key")
    with pytest.raises(InputError, match="RUSHES_API_KEY"):
        mcp.at("http://studio.example", "")
