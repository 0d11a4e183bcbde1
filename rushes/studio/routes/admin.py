"""The admins' page: the queue, the workers, what failed and what films cost; and the same for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from rushes.studio import who
from rushes.studio.operations import metrics, overview
from rushes.studio.page import page
from rushes.studio.who import Admin, TheHouse, Visitor

SPEC = APIRouter(include_in_schema=False)


@SPEC.get("/admin")
def show(request: Request, house: TheHouse, caller: Admin) -> Response:
    """Show how the studio is doing."""
    with house.database.read() as session:
        seen = overview.look(session)
    return page(request, "admin.html", caller, seen=seen)


@SPEC.post("/admin/jobs/{job_id}/again", dependencies=[Depends(who.own_form)])
def again(house: TheHouse, caller: Admin, job_id: str) -> Response:
    """Queue a failed film once more."""
    with house.database.write() as session:
        overview.again(house, session, job_id)
    return RedirectResponse("/admin", 303)


@SPEC.get("/metrics")
def scrape(request: Request, house: TheHouse, visitor: Visitor) -> Response:
    """Answer Prometheus, by its token, or an admin."""
    header = request.headers.get("authorization", "")
    if not metrics.may_scrape(house.config.metrics_token, header):
        who.admin(who.member(visitor))
    return Response(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4")
