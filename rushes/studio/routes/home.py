"""The front door: strangers learn what this is, members go on making films; and everybody chooses how it looks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from rushes.errors import InputError, nearest_first
from rushes.studio import who
from rushes.studio.page import LOOK_COOKIE, LOOKS, page
from rushes.studio.who import Visitor

SPEC = APIRouter(include_in_schema=False)
FIRST = ("sea", "a red sailboat sails right on the sea at sunset")
FILMS = (  # made by the shipped model, short tier, seed 3
    ("hills", "a hot air balloon rises over the hills at dawn"),
    ("mountains", "a train rolls right in the mountains at sunset"),
    ("deep", "a large orange fish swims left underwater"),
    ("mist", "a white swan glides right on the sea at dawn in the fog"),
)
YEAR_S = 365 * 86_400


@SPEC.get("/")
def home(request: Request, visitor: Visitor) -> Response:
    """Send members to where films are made; show strangers what comes out of it."""
    if visitor is not None:
        return RedirectResponse("/create", 303)
    return page(request, "welcome.html", visitor, first=FIRST, films=FILMS)


@SPEC.post("/look", dependencies=[Depends(who.own_form)])
def look(look: Annotated[str, Form()], next: Annotated[str, Form()] = "/") -> Response:
    """Keep the colours that somebody chose."""
    if look not in LOOKS:
        raise InputError(f"look {look[:40]!r} is illegal; legal: {nearest_first(look, LOOKS)}")
    answer = RedirectResponse(who.own_path(next), 303)
    answer.set_cookie(LOOK_COOKIE, look, max_age=YEAR_S, httponly=True, samesite="lax")
    return answer
