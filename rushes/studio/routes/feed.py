"""The feed over HTTP: what comes next, and how one steers it."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from rushes.errors import InputError
from rushes.studio import who
from rushes.studio.feed import show, steering
from rushes.studio.feed.viewer import BREAK_MIN
from rushes.studio.page import page
from rushes.studio.routes.posts import described
from rushes.studio.social import flywheel, people
from rushes.studio.who import Member, Reader, TheHouse, Visitor

SPEC = APIRouter()
LONGEST_BREAK_MIN = 240


@SPEC.get("/feed", include_in_schema=False)
def feed(request: Request, house: TheHouse, visitor: Visitor, before: float | None = None) -> Response:
    """Show what comes next."""
    user = visitor.user if visitor else None
    slate = show.following(house, user, before)
    chosen = user.settings if user else {}
    more = f"/feed?{urlencode({'before': slate.before})}" if slate.before else "/feed"
    values = {
        "slate": slate,
        "more": more if slate.films else "",
        "steer": steering.said(steering.read(str(chosen.get("steer", "")))),
        "break_min": chosen.get("break_min", BREAK_MIN),
        "sees_adult": bool(chosen.get("adult_films")),
        "is_in_flywheel": bool(chosen.get(flywheel.SETTING)),
    }
    return page(request, "feed.html", visitor, **values)


@SPEC.post("/feed/choices", dependencies=[Depends(who.own_form)], include_in_schema=False)
def choose(
    house: TheHouse,
    caller: Member,
    steer: Annotated[str, Form()] = "",
    order: Annotated[str, Form()] = "for-you",
    break_min: Annotated[int, Form()] = BREAK_MIN,
    adult_films: Annotated[str, Form()] = "",
    agrees: Annotated[str, Form()] = "",
) -> Response:
    """Keep how somebody wants their feed."""
    if not 0 <= break_min <= LONGEST_BREAK_MIN:
        raise InputError(f"a break every {break_min} minutes is illegal; legal: 0 (none) to {LONGEST_BREAK_MIN}")
    steering.read(steer)
    chosen = {"steer": steer.strip(), "chronological": order == "time", "break_min": break_min}
    with house.database.write() as session:
        people.choose(session, caller.user.id, **chosen, adult_films=bool(adult_films))
    if bool(agrees) != bool(caller.user.settings.get(flywheel.SETTING)):
        flywheel.choose(house, caller.user.id, bool(agrees))
    return RedirectResponse("/feed", 303)


@SPEC.get("/api/feed", summary="What comes next", tags=["feed"])
def api_feed(house: TheHouse, caller: Reader, before: float | None = None) -> dict[str, Any]:
    """Return the next films of the caller's feed, each with why it is there; what is returned counts as shown."""
    slate = show.following(house, caller.user, before)
    data = [
        described(house, one.post, one.author)
        | {"impression": one.impression, "source": one.source, "why": one.why, "propensity": one.propensity}
        | {"did": sorted(one.did)}
        for one in slate.films
    ]
    shared = {"object": "list", "data": data, "has_more": bool(data), "seed": slate.seed}
    return shared | {"break_after_min": slate.break_after_min, "before": slate.before}
