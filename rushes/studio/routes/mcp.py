"""`/mcp`: the MCP server over Streamable HTTP, for whoever has an API key; it asks this studio's own API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import APIRouter, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.mcpserver import Context
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import Receive, Scope, Send

from rushes.serve.client import mcp
from rushes.studio import who


@asynccontextmanager
async def _serving(app: FastAPI) -> AsyncIterator[None]:
    """Run the sessions of one application while it lives."""

    @asynccontextmanager
    async def reach(context: Context) -> AsyncIterator[httpx.AsyncClient]:
        inside = httpx.ASGITransport(app=app)
        headers = {"authorization": (context.headers or {}).get("authorization", "")}
        async with httpx.AsyncClient(
            transport=inside, base_url=app.state.house.config.base_url, headers=headers
        ) as own:
            yield own

    server = mcp.server(reach)
    server.streamable_http_app(host="0.0.0.0")  # makes the sessions; a key, not the host's name, lets callers in
    app.state.mcp = server.session_manager
    async with server.session_manager.run():
        yield


class _Endpoint:
    """The address itself, which is no operation of the OpenAPI document: a protocol of its own speaks there."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a caller with a key into the session that it began itself. Raises: RequestError 401."""
        request = Request(scope, receive)
        caller = await run_in_threadpool(who.by_key, request)
        token = AccessToken(token="", client_id=caller.key_id, scopes=sorted(caller.scopes))
        sessions: StreamableHTTPSessionManager = scope["app"].state.mcp
        await sessions.handle_request({**scope, "user": AuthenticatedUser(token)}, receive, send)


SPEC = APIRouter(lifespan=_serving)
SPEC.add_route("/mcp", _Endpoint(), methods=["GET", "POST", "DELETE"], include_in_schema=False)  # type: ignore[arg-type]
