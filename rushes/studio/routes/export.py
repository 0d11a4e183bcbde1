"""The export of one's own account: prepared on demand, downloaded whole or in ranges."""

from __future__ import annotations

import re

from fastapi import APIRouter, BackgroundTasks, Depends, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from rushes.studio import who
from rushes.studio.members import exports
from rushes.studio.members.exports import Export
from rushes.studio.page import page
from rushes.studio.who import Member, TheHouse

SPEC = APIRouter(include_in_schema=False)
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@SPEC.get("/account/export")
def export_page(request: Request, house: TheHouse, caller: Member) -> Response:
    """Show the latest export, and a button that makes one."""
    with house.database.read() as session:
        latest = exports.latest(session, caller.user.id)
    return page(request, "export.html", caller, export=latest)


@SPEC.post("/account/export", dependencies=[Depends(who.own_form)])
def begin(house: TheHouse, caller: Member, later: BackgroundTasks) -> Response:
    """Begin an export; it is prepared after this answer."""
    with house.database.write() as session:
        export = exports.begin(session, house, caller.user)
    later.add_task(exports.prepare, house, export.id)
    return RedirectResponse("/account/export", 303)


@SPEC.get("/account/export/{export_id}.zip")
def download(request: Request, house: TheHouse, caller: Member, export_id: str) -> Response:
    """Stream an export, or the range of it that is asked for; it never changes, so a broken download goes on."""
    with house.database.read() as session:
        export = exports.find(session, caller.user.id, export_id)
    tag = f'"{export.id}"'
    headers = {"accept-ranges": "bytes", "etag": tag, "cache-control": "private, no-transform"}
    start, stop = _asked(request, export, tag)
    if start >= stop:
        return Response(status_code=416, headers={"content-range": f"bytes */{export.num_bytes}"})
    headers["content-length"] = str(stop - start)
    headers["content-disposition"] = f'attachment; filename="{caller.user.username}.zip"'
    is_part = stop - start < export.num_bytes
    if is_part:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{export.num_bytes}"
    pieces = exports.stream(house, export, start, stop)
    return StreamingResponse(pieces, 206 if is_part else 200, headers, media_type="application/zip")


def _asked(request: Request, export: Export, tag: str) -> tuple[int, int]:
    """Return the first byte and the one after the last; several ranges, or those of an older export, get the whole."""
    size = export.num_bytes
    match = RANGE.fullmatch(request.headers.get("range", ""))
    if match is None or match[0] == "bytes=-" or request.headers.get("if-range", tag) != tag:
        return 0, size
    first, last = match.groups()
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size
