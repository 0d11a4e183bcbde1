"""The MCP server: an assistant makes films through these tools, each a thin client of a studio's own REST API.

It stands among the clients because that is all it is: it sees a studio through HTTP, over `httpx`, inside the studio's
own process as well as far from it.
"""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any

import anyio
import httpx
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, ContentBlock, ImageContent, ResourceLink, TextContent, ToolAnnotations
from pydantic import BaseModel, Field

from rushes.errors import InputError, nearest_first

OWN_LICENCE = "Apache-2.0"  # of the studio's own weights
WAIT_S, LOOK_S = 50.0, 0.5
LIVE = ("queued", "in_progress")
LAID_OUT = ("edges", "sketch", "depth")  # how a picture may lay a film out; the wire's fields begin so
KINDS = {"mp4": "video/mp4", "gif": "image/gif", "webp": "image/webp", "png": "image/png"}
INSTRUCTIONS = (
    "Makes short films from words. generate_video waits up to 50 seconds; a film that takes longer is handed back with "
    "its id, and get_video tells how far it is. To change a film, call remix_video with the whole new prompt."
)
Reach = Callable[[Context], AbstractAsyncContextManager[httpx.AsyncClient]]
Prompt = Annotated[str, Field(description="what the film shows, as in 'a red boat crosses a lake at dusk'")]
VideoId = Annotated[str, Field(description="the film's id, video_...")]
Model = Annotated[str, Field(description="a name of list_models; empty: the studio's own", max_length=100)]
Tier = Annotated[str, Field(description="flipbook, short, feature or still; empty: short")]
Size = Annotated[str, Field(description="WIDTHxHEIGHT, as in 768x432, 432x768 or 512x512; empty: the tier's")]
Seconds = Annotated[int, Field(description="1 to 60; 0: the tier's", ge=0, le=60)]
Strength = Annotated[float, Field(description="0: a new film; else begin as it and change this much", ge=0, le=1)]
Format = Annotated[str, Field(description="mp4, gif or webp; png for a still; empty: what fits")]
Seed = Annotated[int, Field(description="the same seed makes the same film; -1: any", ge=-1)]
LikePicture = Annotated[str, Field(description="the id of a film or still of yours that it is laid out like")]
LikeAs = Annotated[
    str, Field(description="how like_picture is read: edges, sketch or depth (the brightest is nearest)")
]


class Film(BaseModel):
    """A film as a tool reports it; `url` needs no key and expires within hours."""

    id: str
    status: str
    progress: int
    prompt: str
    model: str
    size: str
    seconds: str
    format: str
    seed: int
    url: str | None
    error: str | None


class Offer(BaseModel):
    """A model: `sizes` are usual ones, `seconds` the whole lengths that it makes (none: stills alone).

    `needs` names the pictures that a film of it can't be without; `rule` says what other sizes it makes.
    """

    model: str
    sizes: list[str]
    seconds: list[int]
    fps: list[int]
    needs: list[str]
    rule: str
    licence: str


class Offers(BaseModel):
    """The models of a studio, its own first."""

    models: list[Offer]


class Films(BaseModel):
    """One page of films; `next` is the `after` of the page behind it."""

    films: list[Film]
    next: str | None


def server(reach: Reach, *, wait_s: float = WAIT_S) -> MCPServer:
    """Return a server whose tools speak with the studio that `reach` opens for the caller of each."""
    tools = _Tools(reach, wait_s)
    served = MCPServer("rushes", title="Rushes", instructions=INSTRUCTIONS, log_level="WARNING", subscriptions=False)
    reading = ToolAnnotations(read_only_hint=True, open_world_hint=False)
    making = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
    ending = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)
    served.add_tool(tools._generate_video, name="generate_video", title="Make a film", annotations=making)
    served.add_tool(tools.get_video, title="Look a film up", annotations=reading)
    served.add_tool(tools.list_models, title="List models", annotations=reading)
    served.add_tool(tools.list_my_videos, title="List films", annotations=reading)
    served.add_tool(tools.remix_video, title="Remix a film", annotations=making)
    served.add_tool(tools.cancel_video, title="Cancel a film", annotations=ending)
    return served


def at(url: str, key: str) -> Reach:
    """Return how to reach the studio at `url` with an API key. Raises: InputError for no http address, or no key."""
    if not url.startswith(("http://", "https://")):
        raise InputError(f"url {url!r} is illegal; legal: http(s)://HOST, as in http://127.0.0.1:8000")
    if not key:
        raise InputError("there is no API key; set RUSHES_API_KEY to one of the studio's")

    @asynccontextmanager
    async def reach(context: Context) -> AsyncIterator[httpx.AsyncClient]:
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60.0) as client:
            yield client

    return reach


class _Tools:
    """The tools; what they say of their arguments is what an assistant reads."""

    def __init__(self, reach: Reach, wait_s: float) -> None:
        self._reach, self._wait_s = reach, wait_s

    async def _generate_video(  # what it takes is named by assistants; no code calls it
        self,
        prompt: Prompt,
        ctx: Context,
        model: Model = "",
        tier: Tier = "",
        size: Size = "",
        seconds: Seconds = 0,
        format: Format = "",
        seed: Seed = -1,
        like_picture: LikePicture = "",
        like_as: LikeAs = LAID_OUT[0],
    ) -> Annotated[CallToolResult, Film]:
        """Make a film from a prompt; it waits up to 50 seconds and then hands back the job, which goes on."""
        said = {"prompt": prompt, "model": model, "tier": tier, "size": size, "seconds": seconds, "format": format}
        body: dict[str, Any] = {name: value for name, value in said.items() if value}
        body |= ({"seed": seed} if seed >= 0 else {}) | _layout(like_picture, like_as)
        async with self._reach(ctx) as client:
            return await self._watched(client, ctx, await _asked(client, "POST", "/v1/videos", json=body))

    async def get_video(self, video_id: VideoId, ctx: Context) -> Annotated[CallToolResult, Film]:
        """Say how a film is doing; one that is finished comes with its address and a picture."""
        async with self._reach(ctx) as client:
            return await _result(client, await _asked(client, "GET", f"/v1/videos/{_id(video_id)}"))

    async def list_models(self, ctx: Context) -> Annotated[CallToolResult, Offers]:
        """List the models that films can be made with, and what each can do."""
        async with self._reach(ctx) as client:
            page = await _asked(client, "GET", "/v1/models")
        found = Offers(models=[_offer(each) for each in page["data"]])
        return CallToolResult(
            content=[TextContent(text="\n".join(map(_said, found.models)))], structured_content=found.model_dump()
        )

    async def list_my_videos(
        self, ctx: Context, limit: Annotated[int, Field(ge=1, le=50)] = 10, after: str = ""
    ) -> Annotated[CallToolResult, Films]:
        """List your films, the newest first; `after` is the `next` of the page before."""
        async with self._reach(ctx) as client:
            page = await _asked(client, "GET", "/v1/videos", params={"limit": limit, "after": after})
        found = Films(
            films=[_film(video) for video in page["data"]], next=page["last_id"] if page["has_more"] else None
        )
        lines = [f"{film.id}: {film.status}, {film.prompt}" for film in found.films] or ["There are no films yet."]
        return CallToolResult(content=[TextContent(text="\n".join(lines))], structured_content=found.model_dump())

    async def remix_video(
        self,
        video_id: VideoId,
        prompt: Prompt,
        ctx: Context,
        strength: Strength = 0.0,
        like_picture: LikePicture = "",
        like_as: LikeAs = LAID_OUT[0],
    ) -> Annotated[CallToolResult, Film]:
        """Make a film of another prompt with a finished film's seed, size and length; it waits as generate_video."""
        body = {"prompt": prompt} | ({"strength": strength} if strength else {}) | _layout(like_picture, like_as)
        async with self._reach(ctx) as client:
            video = await _asked(client, "POST", f"/v1/videos/{_id(video_id)}/remix", json=body)
            return await self._watched(client, ctx, video)

    async def cancel_video(self, video_id: VideoId, ctx: Context) -> Annotated[CallToolResult, Film]:
        """End a film that waits or is being made; a finished one stays as it is."""
        async with self._reach(ctx) as client:
            return await _result(client, await _asked(client, "POST", f"/v1/videos/{_id(video_id)}/cancel"))

    async def _watched(self, client: httpx.AsyncClient, ctx: Context, video: dict[str, Any]) -> CallToolResult:
        """Follow a film and report its progress; if the caller gives up, the film is cancelled too."""
        deadline, path, told = time.monotonic() + self._wait_s, f"/v1/videos/{video['id']}", -1
        try:
            while video["status"] in LIVE and time.monotonic() < deadline:
                if video["progress"] != told:
                    told = video["progress"]
                    await ctx.report_progress(told, 100, video["phase"])
                await anyio.sleep(LOOK_S)
                video = await _asked(client, "GET", path)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True), anyio.move_on_after(5):
                await client.post(f"{path}/cancel")
            raise
        if video["status"] == "completed":
            await ctx.report_progress(100, 100, "succeeded")
        return await _result(client, video)


async def _asked(client: httpx.AsyncClient, method: str, path: str, **said: Any) -> dict[str, Any]:
    """Return what the studio answers. Raises: ToolError with the studio's own sentence, for the assistant to read."""
    try:
        answer = await client.request(method, path, **said)
    except httpx.HTTPError as error:
        raise ToolError(f"the studio does not answer: {type(error).__name__}") from None
    if answer.is_success:
        return answer.json()
    try:
        raise ToolError(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        raise ToolError(f"the studio answered {answer.status_code}") from None


def _id(video_id: str) -> str:
    """Return an id that is safe inside a path. Raises: ToolError."""
    if not video_id.replace("_", "").isalnum() or not video_id.isascii():
        raise ToolError(f"there is no video {video_id[:80]!r}")
    return video_id


def _layout(picture: str, kind: str) -> dict[str, Any]:
    """Return what a body says of the picture that a film is laid out like, if one is named. Raises: ToolError."""
    if not picture:
        return {}
    if kind not in LAID_OUT:
        raise ToolError(f"a film can't be laid out by {kind[:40]!r}; legal: {nearest_first(kind[:40], LAID_OUT)}")
    return {f"{kind}_reference": {"file_id": picture}}


def _film(video: dict[str, Any]) -> Film:
    said = {name: video[name] for name in Film.model_fields if name != "error"}
    return Film(**said, error=video["error"]["message"] if video["error"] else None)


def _offer(model: dict[str, Any]) -> Offer:
    native = model["native"] or {}
    rule = ""
    if native and not native["sizes"]:
        rule = f"sides are multiples of {native['multiple_px']} px, {native['most_pixels']} pixels at most"
    seconds = [] if native and native["most_frames"] == 1 else model["seconds"]
    said = {name: model[name] for name in ("sizes", "fps")}
    licence = native.get("licence", OWN_LICENCE)
    needs = native.get("needs", [])
    return Offer(model=model["id"], seconds=seconds, needs=needs, rule=rule, licence=licence, **said)


def _said(offer: Offer) -> str:
    """Return what a model can do as a line of text."""
    length = f"{offer.seconds[0]} to {offer.seconds[-1]} s" if offer.seconds else "stills alone"
    needs = f"; needs a {' and a '.join(offer.needs)} picture" if offer.needs else ""
    rule = f"; {offer.rule}" if offer.rule else ""
    return f"{offer.model} ({offer.licence}): {length}, {', '.join(offer.sizes)}{rule}{needs}"


async def _result(client: httpx.AsyncClient, video: dict[str, Any]) -> CallToolResult:
    """Return a film as text, a link, a small picture and fields; a failed one is an error."""
    film = _film(video)
    if film.error:
        text = f"{film.id} was not made: {film.error}"
    elif film.url:
        text = f"{film.id} is finished: {film.seconds} s, {film.size}, {film.format}. {film.url}"
    else:
        text = (
            f"{film.id} is {film.status}, {film.progress} %; ask get_video in {max(1, round(video['estimate_s']))} s."
        )
    content: list[ContentBlock] = [TextContent(text=text)]
    if film.url:
        name = f"{film.id}.{film.format}"
        content.append(ResourceLink(uri=film.url, name=name, title=film.prompt[:100], mime_type=KINDS[film.format]))
        picture = await client.get(f"/v1/videos/{film.id}/content", params={"variant": "thumbnail"})
        if picture.is_success:
            data = base64.b64encode(picture.content).decode()
            content.append(ImageContent(data=data, mime_type=picture.headers["content-type"]))
    is_error = bool(film.error) and video["error"]["code"] != "cancelled"
    return CallToolResult(content=content, structured_content=film.model_dump(), is_error=is_error)
