"""Characters over HTTP: one's likeness, who may use it, where it was used, and taking the consent back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from rushes.errors import InputError
from rushes.studio import who
from rushes.studio.errors import RequestError
from rushes.studio.page import page
from rushes.studio.social import characters
from rushes.studio.trust import moderation
from rushes.studio.who import Member, TheHouse

SPEC = APIRouter(include_in_schema=False)
OWN_FORM = [Depends(who.own_form)]
Text = Annotated[str, Form()]


@SPEC.get("/characters")
def show(request: Request, house: TheHouse, caller: Member) -> Response:
    """Show one's characters with every use, and whose others one may use."""
    with house.database.read() as session:
        mine = [
            (one, characters.record(session, one), characters.uses(session, one))
            for one in characters.owned(session, caller.user.id)
        ]
        others = [pair for pair in characters.usable(session, caller.user) if pair[1].id != caller.user.id]
    return page(request, "characters.html", caller, mine=mine, others=others, scopes=characters.SCOPES)


@SPEC.post("/characters", dependencies=OWN_FORM)
def create(
    house: TheHouse, caller: Member, name: Text, look: Text, scope: Text, days: Text = "", is_me: Text = ""
) -> Response:
    """Make a character of oneself."""
    if not is_me:
        raise InputError("a character is made by the person whose likeness it is: tick that it is yours")
    verdict = moderation.require_allowed(house, f"{name}\n{look}", "look")
    if verdict.decision != moderation.ALLOW:
        raise RequestError(400, "moderation_review", f"describe the character in other words: {verdict.says}")
    with house.database.write() as session:
        characters.create(session, caller, name=name, look=look, scope=scope, days=counted(days))
    return RedirectResponse("/characters", 303)


@SPEC.post("/characters/{character_id}/consent", dependencies=OWN_FORM)
def consent(house: TheHouse, caller: Member, character_id: str, scope: Text, days: Text = "") -> Response:
    """Say anew who may use a character."""
    with house.database.write() as session:
        characters.consent(session, caller, character_id, scope, counted(days))
    return RedirectResponse("/characters", 303)


@SPEC.post("/characters/{character_id}/revoke", dependencies=OWN_FORM)
def revoke(house: TheHouse, caller: Member, character_id: str) -> Response:
    """Take the consent back, which hides what others made with it."""
    with house.database.write() as session:
        characters.revoke(session, caller, character_id)
    return RedirectResponse("/characters", 303)


def counted(days: str) -> int | None:
    """Return a number of days from a form; empty means that there is no end. Raises: InputError."""
    if not days.strip():
        return None
    if not days.strip().isdecimal():
        raise InputError(f"{days[:20]!r} is no number of days; leave it empty for no end")
    return int(days)
