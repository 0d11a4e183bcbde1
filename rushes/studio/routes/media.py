"""What films look like: files of the store at signed addresses, whole or in ranges, without the database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from urllib.parse import quote

import httpx
from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, RedirectResponse, Response, StreamingResponse

from rushes.errors import InputError
from rushes.serve.client.database import now
from rushes.store.local import local_path
from rushes.studio import media
from rushes.studio.errors import RequestError, unknown
from rushes.studio.who import TheHouse

SPEC = APIRouter(include_in_schema=False)
OWN_LIFE_S = 600  # how long a browser may remember where the store keeps a file; its own addresses last an hour
PATIENCE_S, PIECE = 10.0, 1 << 16
ASKED = ("range", "if-range", "if-none-match")
TOLD = ("content-length", "content-range", "accept-ranges", "etag", "last-modified")


@SPEC.api_route("/media/{until}/{signature}/{key:path}", methods=["GET", "HEAD"])
def file(request: Request, house: TheHouse, until: int, signature: str, key: str, save: str = "") -> Response:
    """Send a file to whoever has its address; `save` names it for those who download it."""
    media.require_signed(house, until, signature, key)
    try:
        place = house.media.url(key)
    except InputError:
        raise unknown("film", key.rpartition("/")[2]) from None
    left_s, ending = max(0, until - int(now())), key.rpartition(".")[2]
    if house.config.films_from and not place.startswith("file:"):
        return RedirectResponse(place, 307, {"cache-control": f"private, max-age={min(left_s, OWN_LIFE_S)}"})
    changes = key.endswith("/preview.webp")
    headers = {
        "cache-control": "private, no-cache" if changes else f"private, max-age={left_s}, immutable",
        "cross-origin-resource-policy": "same-site",
        "content-security-policy": "default-src 'none'; sandbox",
        "content-type": media.TYPES.get(ending, "application/octet-stream"),
    }
    if save:
        headers["content-disposition"] = f"attachment; filename*=utf-8''{quote(save[:80], safe='')}.{ending}"
    if place.startswith("file:"):
        return FileResponse(local_path(place), headers=headers)
    return _passed(request, place, headers)


def _passed(request: Request, place: str, headers: dict[str, str]) -> Response:
    """Pass a file on that the store has an address for, piece by piece, as the request's headers ask for it."""
    asked = {name: request.headers[name] for name in ASKED if name in request.headers}
    client = httpx.Client(timeout=PATIENCE_S)
    try:
        got = client.send(
            client.build_request("GET", place, headers=asked | {"accept-encoding": "identity"}), stream=True
        )
    except httpx.HTTPError:
        client.close()
        raise RequestError(503, "store_away", "the films are out of reach for a moment", retry_s=5) from None
    headers |= {name: got.headers[name] for name in TOLD if name in got.headers}
    status = got.status_code if got.status_code in (200, 206, 304, 416) else 502
    if status == 200 and "content-range" in headers:  # some servers send a part and call it the whole
        status = 206
    if request.method == "HEAD" or status not in (200, 206):
        got.close()
        client.close()
        return Response(status_code=status, headers=headers if status < 400 else {})
    return StreamingResponse(_pieces(client, got), status, headers)


def _pieces(client: httpx.Client, got: httpx.Response) -> Iterator[bytes]:
    with contextlib.closing(client), contextlib.closing(got):
        yield from got.iter_raw(PIECE)
