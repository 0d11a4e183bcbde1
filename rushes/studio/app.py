"""The application: every file of `routes`, the faults they raise, and the headers that keep pages safe."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException

from rushes import __version__, registry
from rushes.errors import InputError
from rushes.studio import who
from rushes.studio.errors import RequestError
from rushes.studio.feed import catalogue
from rushes.studio.house import House
from rushes.studio.members import limits
from rushes.studio.operations import metrics
from rushes.studio.page import WEB, page

LOGGER = logging.getLogger("rushes.studio")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


def create(house: House) -> FastAPI:
    """Return the studio's application over an open house, which it closes at its end."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        yield
        catalogue.of(house).recorder.flush()
        house.close()

    app = FastAPI(title=house.config.name, version=__version__, lifespan=life, docs_url=None, redoc_url=None)
    app.state.house, app.state.buckets = house, limits.Buckets()
    app.state.metrics, app.state.headers = metrics.Metrics(house.database), _headers(house.config.films_from)
    app.middleware("http")(_dressed)
    app.exception_handler(RequestError)(_fault)
    app.exception_handler(InputError)(_input_error)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(DataError)(_unstorable)
    for name in registry.names("studio.routes"):
        app.include_router(registry.find("studio.routes", name), dependencies=[Depends(limits.limited)])
    app.mount("/static", StaticFiles(directory=WEB / "static"), name="static")
    return app


def _headers(films_from: str) -> dict[str, str]:
    """Return `HEADERS`, with the origin allowed that browsers fetch films from (empty: this one)."""
    policy = POLICY.replace("-src 'self' ", f"-src 'self' {films_from} ") if films_from else POLICY
    return HEADERS | {"content-security-policy": policy}


async def _dressed(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Give every answer an id and the headers of `HEADERS`; what a route set itself stays."""
    request.state.id, begun = f"req_{secrets.token_hex(12)}", time.perf_counter()
    response = await answer(request)
    route = getattr(request.scope.get("route"), "path", "other")
    request.app.state.metrics.answered(request.method, route, response.status_code, time.perf_counter() - begun)
    response.headers["x-request-id"] = request.state.id
    for name, value in request.app.state.headers.items():
        response.headers.setdefault(name, value)
    return response


def _is_program(request: Request) -> bool:
    return request.url.path.startswith(("/v1/", "/api/", "/mcp"))


def _fault(request: Request, fault: Exception) -> Response:
    """Answer a fault: the wire format's error for programs, a page for people, the sign-in form for strangers."""
    assert isinstance(fault, RequestError)
    headers = {"retry-after": str(max(1, round(fault.retry_s)))} if fault.retry_s else {}
    if _is_program(request):
        if fault.status == 429:
            headers["x-should-retry"] = "true" if fault.retry_s else "false"
        kind = KINDS.get(fault.status, "invalid_request_error" if fault.status < 500 else "server_error")
        error: dict[str, Any] = {
            "message": fault.message,
            "type": kind,
            "code": fault.code,
            "param": fault.param or None,
        }
        return JSONResponse({"error": error}, status_code=fault.status, headers=headers)
    if fault.status == 401:
        return RedirectResponse(f"/sign-in?next={request.url.path}", status_code=303)
    shown = page(request, "fault.html", who.visitor(request), status=fault.status, fault=fault)
    shown.headers.update(headers)
    return shown


def _input_error(request: Request, error: Exception) -> Response:
    return _fault(request, RequestError(400, "invalid_request", str(error)))


def _invalid(request: Request, error: Exception) -> Response:
    """Say in one sentence which field is wrong, in place of the framework's list."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][1:]) or "body"
    return _fault(request, RequestError(400, "invalid_value", f"{name}: {first['msg']}", param=name))


def _unstorable(request: Request, error: Exception) -> Response:
    """Say that PostgreSQL cannot keep a value: it takes no zero characters and no numbers beyond 64 bits."""
    said = "a value is too large, or holds a character that cannot be kept"
    return _fault(request, RequestError(400, "invalid_value", said))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    codes = {404: "not_found", 405: "method_not_allowed"}
    message = f"there is no {request.url.path}" if error.status_code == 404 else str(error.detail)
    return _fault(request, RequestError(error.status_code, codes.get(error.status_code, "invalid_request"), message))
